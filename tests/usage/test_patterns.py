"""When an account calls, how it grows, by whom and for whom."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, an_account
from tests.support.usage_rows import APRIL, MARCH, a_rollup
from usage import analytics, patterns
from usage.analytics import Dimension, Selection
from usage.core.patterns import Direction
from usage.models import Account
from usage.queries import NOTHING, Totals

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def acme() -> Account:
    return an_account("acme")


def in_march(account: Account) -> Selection:
    return Selection(account=account, start=MARCH, end=APRIL)


class TestHours:
    def test_the_same_hour_of_every_day_is_added_up(self, acme: Account) -> None:
        a_rollup(acme, hour=MARCH + 9 * HOUR, calls=2, cost="1")
        a_rollup(acme, hour=MARCH + DAY + 9 * HOUR, calls=3, cost="0.5")
        a_rollup(acme, hour=MARCH, calls=1)

        hours = patterns.hours_of_day(in_march(acme))

        assert len(hours) == 24
        assert hours[9] == Totals(calls=5, cost=Decimal("1.5"))
        assert [totals.calls for totals in hours if totals.calls] == [1, 5]

    def test_the_last_eight_weeks_count(self, acme: Account) -> None:
        a_rollup(acme, hour=APRIL - timedelta(weeks=8) - HOUR, calls=1)
        a_rollup(acme, hour=APRIL - timedelta(weeks=8), calls=2)

        year = Selection(account=acme, start=datetime(2025, 4, 1, tzinfo=UTC), end=APRIL)

        assert sum(totals.calls for totals in patterns.hours_of_day(year)) == 2

    def test_peaks_are_those_of_its_calls(self, acme: Account) -> None:
        a_rollup(acme, hour=MARCH + 9 * HOUR, calls=3)
        a_rollup(acme, hour=MARCH + DAY + 10 * HOUR, calls=5)

        assert [str(peak) for peak in patterns.peak_hours(in_march(acme))] == ["09:00-11:00"]

    def test_an_account_without_usage_has_none(self, acme: Account) -> None:
        assert patterns.peak_hours(in_march(acme)) == []


class TestWeekdays:
    def test_each_weekday_is_spread_over_all_its_days(self, acme: Account) -> None:
        # The 1st of March 2026 is a Sunday: five Sundays, Mondays and Tuesdays, four of the others.
        a_rollup(acme, hour=MARCH, calls=5, cost="1")
        a_rollup(acme, hour=MARCH + 7 * DAY, calls=10, cost="2")
        a_rollup(acme, hour=MARCH + 3 * DAY, calls=4, cost="8")

        found = patterns.weekdays(in_march(acme))

        assert [each.days for each in found] == [5, 5, 4, 4, 4, 4, 5]
        assert (found[6].cost_a_day, found[6].calls_a_day) == (Decimal("0.6"), 3)  # 3 USD, 15 calls, 5 days
        assert (found[2].weekday, found[2].cost_a_day) == (2, 2)  # 8 USD, 4 Wednesdays
        assert found[0].totals == NOTHING

    def test_a_weekday_that_is_not_there_costs_nothing_a_day(self, acme: Account) -> None:
        a_sunday = Selection(account=acme, start=MARCH, end=MARCH + DAY)

        assert [each.days for each in patterns.weekdays(a_sunday)] == [0, 0, 0, 0, 0, 0, 1]
        assert patterns.weekdays(a_sunday)[0].cost_a_day == 0


class TestMonths:
    def test_each_grows_from_the_month_before_but_for_the_running_one(self, acme: Account) -> None:
        for month, cost in ((1, "8"), (2, "10"), (3, "3")):
            a_rollup(acme, hour=datetime(2026, month, 5, tzinfo=UTC), cost=cost)

        found = patterns.months(acme, count=4, at=NOW)

        assert [f"{month.start:%Y-%m}" for month in found] == ["2025-12", "2026-01", "2026-02", "2026-03"]
        assert [month.totals.cost for month in found] == [0, 8, 10, 3]
        # Nothing is before December, December cost nothing, 10 of 8 USD are 25 % more, March goes on.
        assert [month.growth for month in found] == [None, None, Decimal(25), None]
        assert [month.is_running for month in found] == [False, False, False, True]

    @pytest.mark.parametrize("day", [1, 29, 30, 31])
    def test_each_month_comes_once_whatever_the_day(self, acme: Account, day: int) -> None:
        found = patterns.months(acme, count=3, at=datetime(2026, 3, day, 23, 59, tzinfo=UTC))

        assert [month.start.month for month in found] == [1, 2, 3]


class TestTrend:
    def test_only_whole_days_that_are_over_are_compared(self, acme: Account) -> None:
        for number in range(14):
            # From the 1st to the 14th: 1 USD on each day of the first week, 2 of the second.
            a_rollup(acme, hour=MARCH + number * DAY, cost="1" if number < 7 else "2")
        a_rollup(acme, hour=NOW, cost="1000")

        found = patterns.cost_trend(in_march(acme), at=NOW)

        assert (found.direction, found.before, found.now) == (Direction.INCREASING, 7, 14)

    def test_a_selection_within_days_has_none(self, acme: Account) -> None:
        a_rollup(acme, hour=MARCH + HOUR)

        part = Selection(account=acme, start=MARCH + HOUR, end=MARCH + 23 * HOUR)

        assert patterns.cost_trend(part, at=NOW).direction is Direction.UNKNOWN


class TestModels:
    def test_the_most_called_comes_first_whatever_it_cost(self, acme: Account) -> None:
        a_rollup(acme, model="o3", calls=1, cost="100")
        a_rollup(acme, model="gpt-4o", calls=3, cost="1")
        a_rollup(acme, provider="tavily", model="", calls=2, cost="0")

        models = analytics.grouped(in_march(acme), by=Dimension.MODEL)
        found = patterns.most_used_models(models, at_most=2)

        assert [(group.key, group.totals.calls) for group in found] == [("openai/gpt-4o", 3), ("tavily", 2)]


class TestMembers:
    def test_who_stands_out_is_told_from_the_others(self, acme: Account) -> None:
        for member, cost in (("ada", "9"), ("bob", "3"), ("cy", "2"), ("dee", "1"), ("eve", "0.5")):
            a_rollup(acme, end_user=member, cost=cost)
        a_rollup(acme, cost="50")

        found = patterns.members(in_march(acme))

        # The middle one costs 2 USD: heavy from 6 on, light up to 0.66.
        assert found.middle is not None
        assert found.middle.typical == 2
        assert [group.key for group in found.heavy] == ["ada"]
        assert [group.key for group in found.usual] == ["bob", "cy", "dee"]
        assert [group.key for group in found.light] == ["eve"]
        assert (found.unnamed.cost, found.beyond) == (50, NOTHING)

    def test_of_two_nobody_stands_out(self, acme: Account) -> None:
        a_rollup(acme, end_user="ada", cost="9")
        a_rollup(acme, end_user="bob", cost="1")

        found = patterns.members(in_march(acme))

        assert (found.middle, found.heavy, found.light) == (None, [], [])
        assert [group.key for group in found.usual] == ["ada", "bob"]


class TestAllocation:
    def test_what_is_allocated_and_what_is_not_come_to_everything(self, acme: Account) -> None:
        a_rollup(acme, team="red", cost="3")
        a_rollup(acme, team="blue", project="search", cost="4")
        a_rollup(acme, cost="2")

        found = patterns.allocations(in_march(acme))

        by_team, by_project = found[Dimension.TEAM], found[Dimension.PROJECT]
        assert [(group.key, group.totals.cost) for group in by_team.named] == [("blue", 4), ("red", 3)]
        assert (by_team.unallocated.cost, by_team.others) == (2, NOTHING)
        assert [(group.key, group.totals.cost) for group in by_project.named] == [("search", 4)]
        assert by_project.unallocated.cost == 5
        assert found[Dimension.DEPARTMENT].unallocated.cost == 9

    def test_it_takes_one_statement(
        self, acme: Account, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(1):
            patterns.allocations(in_march(acme))
