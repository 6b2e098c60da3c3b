"""Alerts are forgotten with their deliveries once they were kept long enough, and never while their key may
still keep one from being raised twice.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from alerts import raising, retention, tasks
from alerts.core.findings import Finding, Recovery, Severity
from alerts.core.rules import PROVIDER_ERRORS
from alerts.models import AlertDelivery, DeliveryState, UsageAlert
from tests.support.alerting import a_delivery, an_alert, raised, titles
from tests.support.cast import NOW, an_account
from tests.support.channel_kinds import a_pigeon, pigeons
from tests.support.concurrency import at_once, holding
from usage.models import Account

pytestmark = pytest.mark.django_db
__all__ = ["pigeons"]

DAYS = timedelta(days=1)
# With 30 days kept.
AGO = NOW - 30 * DAYS
MOMENT = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def _thirty_days(settings: Any) -> None:
    settings.ALERT_RETENTION = 30 * DAYS


@pytest.fixture
def acme() -> Account:
    return an_account()


def an_old_one(account: Account | None, title: str = "Old", **fields: Any) -> UsageAlert:
    """Told once, a moment longer ago than alerts are kept."""
    return an_alert(account, title, **{"is_lasting": False, "created_at": AGO - MOMENT, **fields})


@pytest.mark.parametrize(("created", "goes"), [(AGO - MOMENT, 1), (AGO, 0), (AGO + MOMENT, 0)])
def test_what_was_told_once_goes_after_its_days(acme: Account, created: datetime, goes: int) -> None:
    an_old_one(acme, created_at=created)

    assert retention.prune(at=NOW, limit=10) == goes
    assert UsageAlert.objects.count() == 1 - goes


@pytest.mark.parametrize(("ended", "goes"), [(AGO - MOMENT, 1), (AGO, 0), (NOW, 0), (None, 0)])
def test_what_lasts_goes_after_as_many_days_beyond_its_end(
    acme: Account, ended: datetime | None, goes: int
) -> None:
    an_old_one(acme, is_lasting=True, created_at=AGO - 500 * DAYS, ended_at=ended)

    assert retention.prune(at=NOW, limit=10) == goes


@pytest.mark.parametrize(("period_end", "goes"), [(AGO - MOMENT, 1), (AGO, 0), (NOW, 0), (None, 1)])
def test_it_stays_while_its_period_could_bring_it_again(
    acme: Account, period_end: datetime | None, goes: int
) -> None:
    an_old_one(acme, is_lasting=True, ended_at=AGO - MOMENT, period_end=period_end)

    assert retention.prune(at=NOW, limit=10) == goes


def test_what_our_staff_were_told_goes_as_well() -> None:
    an_old_one(None)

    assert retention.prune(at=NOW, limit=10) == 1


@pytest.mark.usefixtures("pigeons")
def test_its_deliveries_go_with_it_and_others_stay(acme: Account) -> None:
    loft, old, new = a_pigeon(acme), an_old_one(acme), an_alert(acme)
    for alert in (old, new):
        a_delivery(alert, loft, state=DeliveryState.SENT)

    assert retention.prune(at=NOW, limit=10) == 1
    assert [delivery.alert for delivery in AlertDelivery.objects.all()] == [new]


def test_the_oldest_go_first_so_many_at_a_time(acme: Account) -> None:
    for days in (1, 3, 2):
        an_old_one(acme, f"{days} days too old", created_at=AGO - days * DAYS)

    assert retention.prune(at=NOW, limit=2) == 2
    assert titles() == ["1 days too old"]


def finding() -> Finding:
    return Finding(
        subject="provider/openai",
        severity=Severity.WARNING,
        title="OpenAI fails",
        message="It does.",
        recovery=Recovery(title="OpenAI works again", message="It does."),
    )


def look(account: Account, *, holds: bool, at: datetime) -> list[str]:
    found = [(PROVIDER_ERRORS, finding())] if holds else []
    return [alert.title for alert in raising.stand(account, [PROVIDER_ERRORS], found, at=at)]


def test_an_end_is_told_once_however_long_the_alert_was_open_again(acme: Account) -> None:
    long_ago = AGO - 100 * DAYS
    assert look(acme, holds=True, at=long_ago) == ["OpenAI fails"]
    assert look(acme, holds=False, at=long_ago + DAYS) == ["OpenAI works again"]
    assert look(acme, holds=True, at=long_ago + 2 * DAYS) == []

    # The end was told a hundred days ago; what it is the end of is open.
    assert retention.prune(at=NOW, limit=10) == 0
    assert look(acme, holds=False, at=NOW) == []


def test_the_end_goes_once_the_alert_is_gone(acme: Account) -> None:
    look(acme, holds=True, at=AGO - 2 * DAYS)
    look(acme, holds=False, at=AGO - DAYS)

    assert retention.prune(at=NOW, limit=10) == 1
    assert [alert.is_recovery for alert in raised()] == [True]
    assert [retention.prune(at=NOW, limit=10) for _ in range(2)] == [1, 0]


def test_what_holds_again_after_it_was_forgotten_is_told_again(acme: Account) -> None:
    look(acme, holds=True, at=AGO - 2 * DAYS)
    look(acme, holds=False, at=AGO - DAYS)
    while retention.prune(at=NOW, limit=10):
        pass

    assert look(acme, holds=True, at=NOW) == ["OpenAI fails"]


@pytest.mark.django_db(transaction=True)
def test_runs_at_once_forget_each_alert_once(acme: Account) -> None:
    for number in range(20):
        an_old_one(acme, f"{number}")

    assert sum(at_once(lambda _: retention.prune(at=NOW, limit=20), times=4)) == 20
    assert not UsageAlert.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_that_is_being_opened_again_is_left_alone(acme: Account) -> None:
    busy = an_old_one(acme, is_lasting=True, ended_at=AGO - MOMENT)
    an_old_one(acme)

    with holding("UPDATE usage_alerts SET ended_at = NULL WHERE is_lasting"):
        assert retention.prune(at=NOW, limit=10) == 1
    assert raised() == [busy]


def test_the_oldest_are_found_by_an_index(acme: Account) -> None:
    UsageAlert.objects.bulk_create(
        UsageAlert(
            account=acme,
            rule="test",
            key=str(number),
            subject="x",
            severity="info",
            title="x",
            message="x",
            path="/",
            created_at=NOW - (number % 400) * DAYS / 10,
        )
        for number in range(5_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE usage_alerts")
        cursor.execute(
            "EXPLAIN SELECT id FROM usage_alerts WHERE created_at < %s ORDER BY created_at LIMIT 100", [AGO]
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "alert_by_age" in plan


def test_the_nightly_task_goes_on_until_nothing_is_left(acme: Account, settings: Any) -> None:
    settings.ALERT_RETENTION = 400 * DAYS
    look(acme, holds=True, at=NOW - 3000 * DAYS)
    look(acme, holds=False, at=NOW - 2999 * DAYS)

    assert tasks.prune_alerts() == 2
    assert not UsageAlert.objects.exists()
