"""What a period will come to: by its average, by the account's weekdays, and within which range."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usage.core.forecasting import Forecast, Weeks, days_left, forecast, run_rate

MONDAY = datetime(2026, 3, 16, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# From Monday to Sunday.
A_WEEK = [Decimal(10)] * 5 + [Decimal(3)] * 2
CLOSE = Decimal("1e-20")


def ahead(
    history: list[Decimal], *, spent: int = 40, at: datetime = MONDAY, left: timedelta = 7 * DAY
) -> Forecast:
    """The forecast at `at` of a period that began ten days earlier."""
    return forecast(history, spent=Decimal(spent), start=at - 10 * DAY, end=at + left, at=at)


class TestRunRate:
    @pytest.mark.parametrize(
        ("passed", "expected"),
        [
            (timedelta(), 6),  # nothing to go by: what is spent
            (timedelta(seconds=1), 6 * 2_592_000),
            (10 * DAY, 18),  # 6 × 30 / 10
            (15 * DAY, 12),
            (30 * DAY - timedelta(seconds=1), Decimal(6) * 2_592_000 / 2_591_999),
            (30 * DAY, 6),
            (31 * DAY, 6),
        ],
    )
    def test_the_average_so_far_is_carried_to_the_end(
        self, passed: timedelta, expected: Decimal | int
    ) -> None:
        assert run_rate(Decimal(6), start=MONDAY, end=MONDAY + 30 * DAY, at=MONDAY + passed) == expected


class TestDaysLeft:
    def test_the_present_and_the_last_day_are_left_in_part(self) -> None:
        at, end = MONDAY + 18 * HOUR, MONDAY + 2 * DAY + 3 * HOUR

        assert list(days_left(at=at, end=end)) == [
            (0, Decimal("0.25")),
            (1, Decimal(1)),
            (2, Decimal("0.125")),
        ]

    @pytest.mark.parametrize("late", [timedelta(), HOUR])
    def test_none_are_when_the_period_is_over(self, late: timedelta) -> None:
        assert list(days_left(at=MONDAY + late, end=MONDAY)) == []

    def test_days_are_those_of_utc(self) -> None:
        tokyo = datetime.fromisoformat("2026-03-16T03:00:00+09:00")

        assert list(days_left(at=tokyo, end=MONDAY)) == [(6, Decimal("0.25"))]


class TestWeekdays:
    def test_a_weekday_is_its_mean_drawn_to_the_mean_of_all(self) -> None:
        weeks = Weeks(A_WEEK, at=MONDAY)

        # 56 / 7; then (10 + 8) / 2 and (3 + 8) / 2.
        assert weeks.mean == 8
        assert [weeks.expected_on(weekday) for weekday in range(7)] == [9, 9, 9, 9, 9, Decimal("5.5"), 5.5]

    def test_an_older_week_weighs_less(self) -> None:
        # The Mondays cost 20 and 10, all other days nothing.
        history = [Decimal(20), *[Decimal(0)] * 6, Decimal(10), *[Decimal(0)] * 6]
        weeks = Weeks(history, at=MONDAY)

        # Mean (0.8 × 20 + 10) / (0.8 × 7 + 7) = 26 / 12.6. A Monday (26 + 26 / 12.6) / (0.8 + 1 + 1).
        assert weeks.mean == Decimal(26) / Decimal("12.6")
        assert weeks.expected_on(0) == (26 + Decimal(26) / Decimal("12.6")) / Decimal("2.8")

    def test_what_is_older_than_eight_weeks_does_not_count(self) -> None:
        known = A_WEEK * 8

        assert ahead([Decimal(999)] * 7 + known) == ahead(known)

    @pytest.mark.parametrize(
        ("at", "history"),
        [(MONDAY, A_WEEK), (MONDAY + 2 * DAY + 5 * HOUR, A_WEEK[2:] + A_WEEK[:2])],
    )
    def test_the_last_day_of_history_is_yesterday(self, at: datetime, history: list[Decimal]) -> None:
        assert Weeks(history, at=at).expected_on(5) == Decimal("5.5")


class TestForecast:
    def test_what_is_left_is_added_to_what_is_spent(self) -> None:
        found = ahead(A_WEEK)

        # 40 + 5 × 9 + 2 × 5.5; ten of seventeen days have passed.
        assert found.expected == 96
        assert found.run_rate == 40 * Decimal(17) / 10
        assert (found.spent, found.days_of_history, found.knows_weekdays) == (40, 7, True)

    def test_the_range_is_as_wide_as_days_differ_from_what_the_others_say(self) -> None:
        found = ahead(A_WEEK)

        # s² = (5 × 2² + 2 × 5²) / 7 = 10; 1.2816 × √(10 × (7 + 49 / 7)) = 1.2816 × √140
        reach = Decimal("1.2816") * Decimal(140).sqrt()
        assert found.low is not None
        assert found.high is not None
        assert abs(found.high - (96 + reach)) < CLOSE
        assert abs(found.low - (96 - reach)) < CLOSE

    def test_only_the_rest_of_today_is_left_of_it(self) -> None:
        # A quarter of Monday: 9 / 4.
        assert ahead(A_WEEK, at=MONDAY + 18 * HOUR, left=6 * HOUR).expected == Decimal("42.25")

    def test_a_steady_account_is_certain(self) -> None:
        found = ahead([Decimal(10)] * 14)

        assert (found.low, found.expected, found.high) == (110, 110, 110)

    def test_what_is_spent_is_the_least_it_can_be(self) -> None:
        # Once 70 in a week: 7 × 10 are expected, 40 + 70 ± far more than 70.
        found = ahead([Decimal(0)] * 6 + [Decimal(70)])

        assert found.low == found.spent == 40

    def test_busy_times_that_last_make_it_less_certain(self) -> None:
        # The same days: weeks by turns, or the busy weeks in a row.
        busy, quiet = [Decimal(10)] * 7, [Decimal(0)] * 7
        days = [day for pair in zip(busy, quiet, strict=True) for day in pair] * 2
        in_a_row = (busy + quiet) * 2

        def reach(history: list[Decimal]) -> Decimal:
            found = ahead(history)
            assert found.high is not None
            return found.high - found.expected

        assert reach(in_a_row) > reach(days)

    def test_an_account_that_stopped_is_expected_to_spend_little(self) -> None:
        found = ahead(A_WEEK * 4 + [Decimal(0)] * 28)

        assert found.expected < found.run_rate

    def test_at_its_end_a_period_has_come_to_what_is_spent(self) -> None:
        found = ahead(A_WEEK, left=timedelta())

        assert found.low == found.expected == found.high == found.run_rate == 40

    @pytest.mark.parametrize(("days", "knows"), [(0, False), (6, False), (7, True), (8, True)])
    def test_less_than_a_week_of_history_leaves_the_run_rate(self, days: int, knows: bool) -> None:
        found = ahead([Decimal(10)] * days)

        assert found.days_of_history == days
        assert found.knows_weekdays is knows
        assert (found.low is None, found.high is None) == (not knows, not knows)
        assert (found.expected == found.run_rate) is not knows

    @pytest.mark.parametrize(("days", "told"), [(55, 55), (56, 56), (57, 56)])
    def test_it_says_how_many_days_it_rests_on(self, days: int, told: int) -> None:
        assert ahead([Decimal(1)] * days).days_of_history == told


AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=6)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    history=st.lists(AMOUNTS, max_size=70),
    spent=AMOUNTS,
    hours=st.integers(min_value=0, max_value=31 * 24),
)
def test_the_range_holds_the_expected_and_never_less_than_what_is_spent(
    history: list[Decimal], spent: Decimal, hours: int
) -> None:
    end = MONDAY + 31 * DAY
    found = forecast(history, spent=spent, start=MONDAY, end=end, at=MONDAY + hours * HOUR)

    assert found.expected >= spent
    if found.low is not None and found.high is not None:
        assert spent <= found.low <= found.expected <= found.high
