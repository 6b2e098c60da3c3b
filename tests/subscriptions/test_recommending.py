"""Recommendations computed by the clock: who is due, each begun by one, all in place of what was there."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, connection

from subscriptions import recommending
from subscriptions.models import RecommendationRun, UsageRecommendation
from subscriptions.tasks import compute_recommendations
from tests.support.cast import NOW, an_account, an_event
from tests.support.concurrency import holding, kill_while_blocked
from tests.support.prices import load
from tests.support.racing import by_clients, crowd
from tests.support.recording import record
from tests.support.replays import a_price, daily, spend
from usage import rollups
from usage.models import Account

TOMORROW = NOW + timedelta(days=1)
TOKENS = {"input_tokens": 1_000_000, "output_tokens": 0}

pytestmark = pytest.mark.django_db


def clock(at: datetime) -> Callable[[], datetime]:
    return lambda: at


def compute(at: datetime = NOW, *, limit: int = 100) -> int:
    return recommending.compute_due(clock=clock(at), limit=limit, until=at + timedelta(minutes=1))


def prices() -> None:
    load(a_price("gpt-4o", "2.50"), a_price("gpt-6.1-terra", "1"))


def a_spender(external_id: str = "acme") -> Account:
    """A call of a million tokens on each day of the last four weeks: 70 USD, and 28 on a cheaper model."""
    an_account(external_id)
    spend(*daily(*range(28), subject=external_id, event_id=external_id, **TOKENS))
    return Account.objects.get(external_id=external_id)


def told() -> list[tuple[str, str, Decimal]]:
    rows = UsageRecommendation.objects.order_by("account__external_id", "id")
    return [(row.account.external_id, row.alternative, row.saving) for row in rows.select_related("account")]


def everything() -> list[dict[str, object]]:
    return list(UsageRecommendation.objects.order_by("id").values())


@pytest.fixture
def acme() -> Account:
    prices()
    return a_spender()


def test_what_is_found_is_kept_with_its_sample(acme: Account) -> None:
    assert compute() == 1

    row = acme.recommendations.get()
    assert (row.cost_now, row.cost_then, row.saving) == (70, 28, 45)  # 42 in 28 days
    assert (row.calls, row.excluded_calls, row.days, row.confidence) == (28, 0, 28, "low")
    assert row.window_end - row.window_start == timedelta(days=28)
    assert row.computed_at == NOW


def test_an_account_that_did_not_move_is_not_computed_again(acme: Account) -> None:
    assert [compute(), compute(TOMORROW)] == [1, 0]


def test_one_that_moved_is_once_it_has_rested(acme: Account) -> None:
    compute()
    record(an_event("more"), at=NOW)

    assert compute(NOW + recommending.REST - timedelta(seconds=1)) == 0
    assert compute(NOW + recommending.REST) == 1


def test_what_is_a_week_old_is_computed_again_though_nothing_moved(acme: Account) -> None:
    compute()

    assert compute(NOW + recommending.AGES_IN - timedelta(seconds=1)) == 0
    assert compute(NOW + recommending.AGES_IN) == 1


def test_what_has_left_the_window_is_forgotten_and_then_nothing_is_due(acme: Account) -> None:
    compute()
    much_later = NOW + timedelta(days=40)

    assert compute(much_later) == 1
    assert told() == []
    assert compute(much_later + recommending.AGES_IN) == 0


def test_who_waited_longest_comes_first() -> None:
    prices()
    for name in ("acme", "globex", "initech"):
        a_spender(name)
    compute(NOW - timedelta(hours=1), limit=1)
    for name in ("acme", "globex", "initech"):
        record(an_event(f"{name} more", subject=name), at=NOW)

    computed = [compute(TOMORROW, limit=1) for _ in range(3)]

    begun = RecommendationRun.objects.filter(begun_at=TOMORROW)
    assert computed == [1, 1, 1]
    assert begun.count() == 3
    runs = list(RecommendationRun.objects.order_by("pk").values_list("computed_at", flat=True))
    assert runs == [TOMORROW] * 3


def test_none_is_begun_after_the_end_of_the_time_given(acme: Account) -> None:
    assert recommending.compute_due(clock=clock(NOW), limit=10, until=NOW) == 0
    assert not RecommendationRun.objects.exists()


def test_no_account_without_usage_is_computed() -> None:
    an_account("idle")

    assert compute() == 0


def test_an_account_that_cannot_be_computed_keeps_what_it_has_and_holds_up_no_other(
    acme: Account, caplog: pytest.LogCaptureFixture
) -> None:
    compute()
    before = everything()
    a_spender("globex")
    record(an_event("more"), at=NOW)
    # A rule of the database's that its next rows break.
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            f"ALTER TABLE usage_recommendations ADD CHECK (account_id <> {acme.pk} OR computed_at <= '{NOW}')"
        )

    assert compute(TOMORROW) == 1
    assert [row for row in everything() if row["account_id"] == acme.pk] == before
    assert [name for name, _, _ in told()] == ["acme", "globex"]
    assert f"recommendations of account {acme.pk} could not be computed" in caplog.text


def test_older_results_do_not_replace_newer_ones(acme: Account) -> None:
    recommending.compute(acme, at=TOMORROW)
    before = everything()

    recommending.compute(acme, at=NOW)

    assert everything() == before


def test_the_task_reports_how_many_accounts_it_did() -> None:
    assert compute_recommendations() == 0


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_compute_each_account_once() -> None:
    prices()
    names = [f"account-{number}" for number in range(6)]
    for name in names:
        a_spender(name)

    with crowd():
        computed = by_clients(lambda _: compute(), times=4, clients=4)

    assert sum(computed) == len(names)
    assert told() == [(name, "openai/gpt-6.1-terra", 45) for name in names]


@pytest.mark.django_db(transaction=True)
def test_a_run_that_is_killed_half_way_leaves_the_old_rows_and_a_later_one_does_it() -> None:
    prices()
    acme = a_spender()
    compute()
    before = everything()
    record(*daily(27, calls=5, event_id="more", **TOKENS), at=NOW)
    rollups.roll_up(at=NOW, limit=10)

    # The old rows are deleted, the new ones written; to be committed, they need their account.
    with holding("SELECT FROM accounts FOR UPDATE") as let_go:
        failure = kill_while_blocked(lambda: compute(TOMORROW))
        let_go()

    assert isinstance(failure, OperationalError)
    assert everything() == before
    assert compute(TOMORROW) == 0
    assert compute(TOMORROW + recommending.REST) == 1
    assert acme.recommendations.get().calls == 31  # 28 and 5, without those of two days that are past
