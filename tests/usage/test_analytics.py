"""What was used when, by whom, for what: the same from months, days and hours as from the log itself."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, an_account, an_event
from tests.support.log_pages import plan_of, scans
from tests.support.prices import an_entry, load
from tests.support.rolled_up import fill
from tests.support.usage_rows import APRIL, MARCH, a_rollup
from usage import analytics, rollups
from usage.analytics import Dimension, GroupedSlice, Selection
from usage.events import Tags
from usage.ingest import ingest
from usage.models import Account, UsageDayRollup, UsageMonthRollup
from usage.queries import NOTHING, Group, Interval, Totals

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def in_march(account: Account, **only: str) -> Selection:
    return Selection(
        account=account,
        start=MARCH,
        end=APRIL,
        only={Dimension(name): value for name, value in only.items()},
    )


def costs_of(groups: Sequence[Group]) -> list[tuple[str, Decimal]]:
    return [(group.key, group.totals.cost) for group in groups]


class TestSelecting:
    def test_the_first_hour_counts_and_the_last_does_not(self) -> None:
        account = an_account()
        a_rollup(account, hour=MARCH, calls=1)
        a_rollup(account, hour=APRIL - HOUR, calls=2)
        a_rollup(account, hour=APRIL, calls=4)

        assert analytics.totals(in_march(account)).calls == 3

    def test_other_accounts_are_left_out(self) -> None:
        a_rollup(an_account("globex"))

        assert analytics.totals(in_march(an_account("acme"))) == NOTHING

    @pytest.mark.parametrize(
        ("only", "calls"),
        [
            ({}, 15),
            ({"provider": "openai"}, 7),
            ({"provider": "openai", "team": "red"}, 2),
            ({"team": ""}, 13),
            ({"model": "openai/gpt-4o"}, 3),
            ({"model": "tavily"}, 8),
            ({"model": "openai/gpt-4o", "provider": "openai"}, 3),
            ({"model": "openai/gpt-4o", "provider": "tavily"}, 0),
            ({"member": "nobody"}, 0),
        ],
    )
    def test_only_what_is_named_is_picked(self, only: dict[str, str], calls: int) -> None:
        account = an_account()
        a_rollup(account, model="gpt-4o", calls=1)
        a_rollup(account, model="gpt-4o", team="red", calls=2)
        a_rollup(account, model="o3", calls=4)
        a_rollup(account, provider="tavily", model="", calls=8)

        assert analytics.totals(in_march(account, **only)).calls == calls


class TestGrouping:
    def test_providers_come_most_expensive_first(self) -> None:
        account = an_account()
        a_rollup(account, provider="gemini", model="gemini-2.5-pro", cost="1")
        a_rollup(account, provider="openai", model="o3", cost="1.5")
        a_rollup(account, provider="openai", model="gpt-4o", cost="1.5")

        found = analytics.grouped(in_march(account), by=Dimension.PROVIDER)
        assert costs_of(found.groups) == [("openai", Decimal(3)), ("gemini", Decimal(1))]

    def test_models_are_told_apart_whatever_their_other_dimensions(self) -> None:
        account = an_account()
        a_rollup(account, model="gpt-4o", team="red", cost="2")
        a_rollup(account, model="gpt-4o", team="blue", cost="2")
        a_rollup(account, model="o3", cost="3")

        found = analytics.grouped(in_march(account), by=Dimension.MODEL)
        assert costs_of(found.groups) == [("openai/gpt-4o", Decimal(4)), ("openai/o3", Decimal(3))]

    def test_calls_without_a_model_go_by_their_provider(self) -> None:
        account = an_account()
        a_rollup(account, provider="tavily", model="")

        found = analytics.grouped(in_march(account), by=Dimension.MODEL)
        assert [group.key for group in found.groups] == ["tavily"]

    def test_what_is_beyond_the_most_expensive_stands_together(self) -> None:
        account = an_account()
        for team, cost in (("red", "4"), ("blue", "3"), ("", "2"), ("green", "1")):
            a_rollup(account, team=team, cost=cost)

        found = analytics.grouped(in_march(account), by=Dimension.TEAM, at_most=2)
        assert costs_of(found.groups) == [("red", Decimal(4)), ("blue", Decimal(3))]
        assert (found.others, found.others_count) == (Totals(calls=2, cost=Decimal(3)), 2)
        assert found.totals.cost == 10

    def test_several_dimensions_take_one_statement_and_are_told_as_one_by_one(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        account = an_account()
        a_rollup(account, model="gpt-4o", team="red", endpoint="chat", cost="3", calls=3)
        a_rollup(account, model="o3", team="blue", endpoint="chat", cost="2")
        a_rollup(account, model="o3", cost="4", calls=2)
        by = [Dimension.MODEL, Dimension.TEAM, Dimension.ENDPOINT]

        with django_assert_num_queries(1):
            found = analytics.breakdowns(in_march(account), by=by, at_most=2)
        assert costs_of(found[Dimension.MODEL].groups) == [
            ("openai/o3", Decimal(6)),
            ("openai/gpt-4o", Decimal(3)),
        ]
        assert costs_of(found[Dimension.ENDPOINT].groups) == [("chat", Decimal(5)), ("", Decimal(4))]
        # Of three teams the third stands with the others.
        assert (found[Dimension.TEAM].others.cost, found[Dimension.TEAM].others_count) == (2, 1)
        assert found == {each: analytics.grouped(in_march(account), by=each, at_most=2) for each in by}

    def test_just_as_many_as_asked_for_leave_no_others(self) -> None:
        account = an_account()
        a_rollup(account, team="red")

        found = analytics.grouped(in_march(account), by=Dimension.TEAM, at_most=1)
        assert (found.others, found.others_count) == (NOTHING, 0)


class TestOverTime:
    def test_days_without_usage_are_there_with_zeros(self) -> None:
        account = an_account()
        a_rollup(account, hour=MARCH + timedelta(days=1, hours=23))

        selection = Selection(account=account, start=MARCH, end=MARCH + 3 * DAY)
        slices = analytics.over_time(selection, interval="day")
        assert [(piece.start.day, piece.totals.calls) for piece in slices] == [(1, 0), (2, 1), (3, 0)]

    def test_hours_stay_apart(self) -> None:
        account = an_account()
        a_rollup(account, hour=MARCH, calls=1)
        a_rollup(account, hour=MARCH + HOUR, calls=2)

        selection = Selection(account=account, start=MARCH, end=MARCH + 2 * HOUR)
        slices = analytics.over_time(selection, interval="hour")
        assert [piece.totals.calls for piece in slices] == [1, 2]

    def test_months_of_every_length_come_once_each(self) -> None:
        selection = Selection(
            account=an_account(),
            start=datetime(2024, 1, 31, 5, tzinfo=UTC),
            end=datetime(2024, 4, 1, tzinfo=UTC),
        )

        slices = analytics.over_time(selection, interval="month")
        months = ["2024-01-01", "2024-02-01", "2024-03-01"]
        assert [piece.start.date().isoformat() for piece in slices] == months

    def test_a_slice_names_what_was_used_in_it(self) -> None:
        account = an_account()
        a_rollup(account, hour=MARCH, cost="1")
        a_rollup(account, hour=MARCH + 5 * HOUR, cost="2")
        a_rollup(account, hour=MARCH, provider="tavily", model="", cost="0.001")

        selection = Selection(account=account, start=MARCH, end=MARCH + DAY)
        (day,) = analytics.grouped_over_time(selection, interval="day", by=Dimension.PROVIDER)
        assert day.start == MARCH
        assert {key: totals.cost for key, totals in day.groups.items()} == {
            "openai": Decimal(3),
            "tavily": Decimal("0.001"),
        }
        assert day.totals == Totals(calls=3, cost=Decimal("3.001"))

    def test_the_most_expensive_of_all_slices_are_shown_in_each(self) -> None:
        account = an_account()
        a_rollup(account, hour=MARCH, team="red", cost="1")
        a_rollup(account, hour=MARCH, team="blue", cost="2")
        a_rollup(account, hour=MARCH + DAY, team="red", cost="5")

        selection = Selection(account=account, start=MARCH, end=MARCH + 2 * DAY)
        first, second = analytics.grouped_over_time(selection, interval="day", by=Dimension.TEAM, at_most=1)
        assert (first.groups["red"].cost, first.others.cost) == (1, 2)
        assert second == GroupedSlice(start=MARCH + DAY, groups={"red": Totals(calls=1, cost=Decimal(5))})

    def test_a_year_by_day_and_provider_is_one_statement(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        selection = Selection(account=an_account(), start=MARCH, end=MARCH + 365 * DAY)

        with django_assert_num_queries(1):
            slices = analytics.grouped_over_time(selection, interval="day", by=Dimension.PROVIDER)
        assert len(slices) == 365


# --- The same as the log --------------------------------------------------------------------------------

TEAMS = ("", "red", "blue")
MODELS = ("gpt-4o", "gpt-4o-mini")
CALLS = st.tuples(
    st.integers(min_value=0, max_value=24 * 80), st.sampled_from(TEAMS), st.sampled_from(MODELS)
)
STEPS = st.lists(st.one_of(CALLS, CALLS, st.just("roll up")), min_size=1, max_size=14)
# The hours ago at which a range begins and ends, the running hour included.
RANGES = st.tuples(st.integers(min_value=-1, max_value=24 * 80), st.integers(min_value=1, max_value=24 * 80))
KEYS = {Dimension.TEAM: "team", Dimension.MODEL: "provider || '/' || model", Dimension.MEMBER: "end_user"}


def logged(selection: Selection, *, by: Dimension, interval: Interval) -> dict[Any, tuple[int, Decimal]]:
    """Calls and cost by interval and key, from the log."""
    team = selection.only.get(Dimension.TEAM)
    with connection.cursor() as cursor:
        cursor.execute(
            # The keys are constants above.
            f"""SELECT date_trunc(%s, occurred_at, 'UTC'), {KEYS[by]}, count(*), sum(cost)
                FROM api_usage_logs
                WHERE account_id = %s AND occurred_at >= %s AND occurred_at < %s
                  AND (%s::text IS NULL OR team = %s) GROUP BY 1, 2""",  # noqa: S608
            [interval, selection.account.pk, selection.start, selection.end, team, team],
        )
        return {(start, key): (calls, cost) for start, key, calls, cost in cursor.fetchall()}


def read(selection: Selection, *, by: Dimension, interval: Interval) -> dict[Any, tuple[int, Decimal]]:
    return {
        (piece.start, key): (totals.calls, totals.cost)
        for piece in analytics.grouped_over_time(selection, interval=interval, by=by)
        for key, totals in piece.groups.items()
    }


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=STEPS,
    asked=RANGES,
    by=st.sampled_from(sorted(KEYS)),
    interval=st.sampled_from(("hour", "day", "month")),
    team=st.sampled_from((None, *TEAMS)),
)
def test_whatever_is_rolled_up_by_now_the_answer_is_what_the_log_adds_up_to(
    steps: list[Any], asked: tuple[int, int], by: Dimension, interval: Interval, team: str | None
) -> None:
    with transaction.atomic():
        load(*(an_entry(model=model) for model in MODELS))
        account = an_account("acme")
        for number, step in enumerate(steps):
            at = NOW + number * timedelta(minutes=1)
            if step == "roll up":
                rollups.roll_up(at=at, limit=10)
                continue
            hours, of_team, model = step
            data = {"tags": Tags(team=of_team)} if of_team else {}
            event = an_event(f"e{number}", at=at - hours * HOUR, model=model, **data)
            assert ingest([event], at=at)[0].outcome == "recorded"
        this_hour = NOW.replace(minute=0, second=0, microsecond=0)
        end = this_hour - asked[0] * HOUR
        selection = Selection(
            account=account,
            start=end - asked[1] * HOUR,
            end=end,
            only={} if team is None else {Dimension.TEAM: team},
        )

        expected = logged(selection, by=by, interval=interval)
        assert read(selection, by=by, interval=interval) == expected
        assert analytics.totals(selection).calls == sum(calls for calls, _ in expected.values())
        assert sum(group.totals.cost for group in analytics.grouped(selection, by=by).groups) == sum(
            cost for _, cost in expected.values()
        )
        transaction.set_rollback(True)


class TestWhatIsRead:
    """Which rollups an answer comes from: told by totals that differ on purpose."""

    @pytest.fixture
    def acme(self) -> Account:
        """Calls on every second day for 70 days before NOW, rolled up; then days say 100, months 1000."""
        load(an_entry(model="gpt-4o"))
        account = an_account("acme")
        ingest([an_event(f"e{ago}", at=NOW - ago * DAY) for ago in range(0, 70, 2)], at=NOW)
        rollups.roll_up(at=NOW, limit=10)
        UsageDayRollup.objects.filter(day__lt=NOW.date() - DAY).update(calls=100)
        UsageMonthRollup.objects.update(calls=1000)
        return account

    def test_whole_days_before_yesterday_come_from_days(self, acme: Account) -> None:
        midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
        selection = Selection(account=acme, start=midnight - 4 * DAY, end=midnight + DAY)

        calls = [piece.totals.calls for piece in analytics.over_time(selection, interval="day")]
        # Today is the hours' in any case.
        assert calls == [100, 0, 100, 0, 1]

    def test_whole_months_come_from_months_where_days_are_not_asked_for(self, acme: Account) -> None:
        selection = Selection(account=acme, start=datetime(2026, 2, 1, tzinfo=UTC), end=MARCH)

        assert analytics.totals(selection).calls == 1000
        assert [p.totals.calls for p in analytics.over_time(selection, interval="month")] == [1000]
        assert {p.totals.calls for p in analytics.over_time(selection, interval="day")} == {0, 100}

    def test_hours_come_from_hours(self, acme: Account) -> None:
        selection = Selection(account=acme, start=datetime(2026, 2, 1, tzinfo=UTC), end=MARCH)

        assert max(p.totals.calls for p in analytics.over_time(selection, interval="hour")) == 1

    def test_days_are_passed_over_when_calls_came_for_them_since(self, acme: Account) -> None:
        ingest([an_event("late", at=NOW - 50 * DAY)], at=NOW)
        selection = Selection(account=acme, start=datetime(2026, 2, 1, tzinfo=UTC), end=MARCH)

        assert {p.totals.calls for p in analytics.over_time(selection, interval="day")} <= {0, 1, 2}


def test_a_year_of_months_is_read_by_the_account_s_keys() -> None:
    account = an_account("acme")
    fill(accounts=50, days=400, until=NOW.replace(hour=0, minute=0, second=0, microsecond=0))
    selection = Selection(account=account, start=datetime(2025, 4, 1, tzinfo=UTC), end=APRIL)

    with CaptureQueriesContext(connection) as captured:
        analytics.grouped_over_time(selection, interval="month", by=Dimension.MODEL)
    read = scans(plan_of(captured[0]["sql"]))
    assert [found for found in read if found[0] == "Seq Scan"] == []
