"""What is forgotten of the log, and what never: below, at and above each boundary."""

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from tests.support.cast import an_account, an_event
from tests.support.concurrency import at_once, holding
from tests.support.prices import an_entry, load
from usage import drift, partitions, retention, tasks
from usage.ingest import ingest
from usage.models import Account, APIUsageLog, Authorization, BillingPeriod, EventKey, PrunedMonth
from usage.partitions import DEFAULT, LOG

pytestmark = pytest.mark.django_db

MARCH, APRIL, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))
DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)
# With a month kept, March's calls may go once their period ended a whole month ago, and once none can still
# arrive: 35 days after the first of April.
GONE_AT = APRIL + timedelta(days=35)


@pytest.fixture(autouse=True)
def _world(settings: Any) -> None:
    """A month kept; acme with three calls in March, whose period is closed, and one in April."""
    settings.LOG_RETENTION_MONTHS = 1
    drop_partitions_before(MARCH)
    partitions.forget()
    load(an_entry(model="gpt-4o"))
    an_account("acme")
    for number in range(3):
        record(f"march-{number}", at=MARCH + number * DAY)
    record("april", at=APRIL + DAY)
    BillingPeriod.objects.filter(period_start=MARCH).update(closed_at=APRIL)


def drop_partitions_before(month: datetime) -> None:
    """Tests of real connections leave theirs behind, empty; what is counted here is counted without them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [LOG]
        )
        names = sorted(name for (name,) in cursor.fetchall() if name != DEFAULT)
        for name in names:
            if name < partitions.partition_name(month):
                cursor.execute(f"DROP TABLE {name}")


def record(event_id: str, *, at: datetime, happened: datetime | None = None) -> None:
    (outcome,) = ingest([an_event(event_id, at=happened or at)], at=at)
    assert outcome.outcome == "recorded", outcome


def prune(at: datetime = GONE_AT, *, limit: int = 100) -> int:
    return retention.prune(at=at, limit=limit)


def left() -> list[str]:
    return sorted(APIUsageLog.objects.values_list("event_id", flat=True))


def test_a_month_that_was_kept_long_enough_goes_with_its_keys() -> None:
    # Three rows of the log and three keys.
    assert prune() == 6

    assert left() == ["april"]
    assert [key.event_id for key in EventKey.objects.all()] == ["april"]
    assert PrunedMonth.objects.get().rows == 3
    assert prune() == 0


@pytest.mark.parametrize(("at", "goes"), [(GONE_AT - MOMENT, False), (GONE_AT, True)])
def test_a_month_in_which_calls_can_still_arrive_stays(at: datetime, goes: bool) -> None:
    assert bool(prune(at)) is goes


@pytest.mark.parametrize(
    ("months", "at", "goes"),
    [
        (2, datetime(2026, 5, 31, 23, 59, tzinfo=UTC), False),
        (2, datetime(2026, 6, 1, tzinfo=UTC), True),
        (0, datetime(2036, 1, 1, tzinfo=UTC), False),
    ],
)
def test_so_many_whole_months_are_kept_and_none_means_for_ever(
    months: int, at: datetime, goes: bool, settings: Any
) -> None:
    settings.LOG_RETENTION_MONTHS = months

    assert bool(prune(at)) is goes


def test_a_month_that_an_open_billing_period_bills_stays() -> None:
    BillingPeriod.objects.filter(period_start=MARCH).update(closed_at=None)

    assert prune() == 0
    assert len(left()) == 4


def test_a_month_with_calls_that_a_later_period_bills_stays() -> None:
    # Imported in April, so that April's period bills it.
    record("late", at=APRIL + 2 * DAY, happened=MARCH + DAY)

    assert prune() == 0


@pytest.mark.parametrize(("end", "goes"), [(APRIL, True), (APRIL + MOMENT, False)])
def test_a_period_that_ended_too_recently_keeps_its_calls(end: datetime, goes: bool) -> None:
    BillingPeriod.objects.exclude(period_start=MARCH).delete()
    BillingPeriod.objects.filter(period_start=MARCH).update(period_end=end)

    assert bool(prune()) is goes


def test_keys_go_in_batches() -> None:
    assert prune(limit=2) == 3 + 2
    assert prune(limit=2) == 1
    assert prune(limit=2) == 0


def test_a_call_of_a_pruned_month_can_be_imported_again_into_a_partition_of_its_own() -> None:
    prune()

    record("again", at=GONE_AT, happened=MARCH + DAY)

    assert partitions.default_rows() == 0


def test_totals_of_pruned_calls_are_neither_compared_nor_repaired() -> None:
    prune()
    everything = {"start": datetime(2020, 1, 1, tzinfo=UTC), "end": MAY}
    acme = drift.Drift(kind="", account_id=Account.objects.get().pk, key="", differences={})

    assert drift.check(**everything) == []
    drift.repair([acme], **everything)

    assert BillingPeriod.objects.get(period_start=MARCH).summaries.get().calls == 3


def test_totals_that_are_left_are_still_compared() -> None:
    prune()
    BillingPeriod.objects.get(period_start=APRIL).summaries.update(calls=9)

    assert [each.kind for each in drift.check(start=MARCH, end=MAY)] == ["summary"]


def an_authorization(*, closed_at: datetime | None, created_at: datetime = MARCH) -> Authorization:
    return Authorization.objects.create(
        id=uuid.uuid4(),
        account=Account.objects.get(),
        state="open" if closed_at is None else "settled",
        created_at=created_at,
        expires_at=created_at + DAY,
        closed_at=closed_at,
        operations=[],
    )


@pytest.mark.parametrize(
    ("closed_at", "goes"),
    [(MARCH - MOMENT, True), (MARCH, False), (MARCH + DAY, False), (None, False)],
)
def test_an_authorization_goes_ninety_days_after_it_was_closed(
    closed_at: datetime | None, goes: bool
) -> None:
    an_authorization(closed_at=closed_at, created_at=MARCH - DAY)

    prune(MARCH + timedelta(days=90))

    assert Authorization.objects.exists() is not goes


def test_an_authorization_that_usage_may_still_name_stays(settings: Any) -> None:
    settings.AUTHORIZATION_RETENTION = DAY
    an_authorization(closed_at=MARCH + DAY)

    prune(MARCH + DAY + settings.INGEST_HORIZON)
    assert Authorization.objects.exists()

    prune(MARCH + DAY + settings.INGEST_HORIZON + MOMENT)
    assert not Authorization.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_runs_at_once_forget_each_row_once() -> None:
    for _ in range(20):
        an_authorization(closed_at=MARCH - 30 * DAY, created_at=MARCH - 31 * DAY)

    done = at_once(lambda _: prune(limit=7) + prune(limit=7) + prune(limit=7), times=4)

    # 3 calls, 3 keys and 20 authorizations, however they were shared out.
    assert sum(done) + prune() == 26
    assert PrunedMonth.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_log_that_is_busy_is_left_to_the_next_run() -> None:
    with holding("SELECT 1 FROM api_usage_logs LIMIT 1"):
        assert prune() == 0
    assert len(left()) == 4

    assert prune() == 6


@pytest.mark.django_db(transaction=True)
def test_whoever_records_meanwhile_is_not_refused() -> None:
    recording = threading.Thread(target=lambda: (record("meanwhile", at=APRIL + 3 * DAY), connection.close()))

    recording.start()
    prune()
    recording.join()

    assert left() == ["april", "meanwhile"]


def test_the_nightly_task_tells_how_many_rows_it_forgot(settings: Any) -> None:
    assert tasks.prune_usage() == 6
    assert tasks.prune_usage() == 0
