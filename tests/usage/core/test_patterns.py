"""Peaks of a day, growth and trends, who stands out: each bound below, at and above it."""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from usage.core.patterns import Direction, Peak, growth_percent, middle, peaks, trend


def a_day(calls: Mapping[int, int], *, otherwise: int = 0) -> list[int]:
    return [calls.get(hour, otherwise) for hour in range(24)]


def usd(*amounts: int | str) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


class TestPeaks:
    @pytest.mark.parametrize(
        ("calls", "is_peak"),
        [
            # Of 23 × 10 and 15 the average hour has 245 / 24 = 10.2; 1.5 times that is 15.3.
            (15, False),
            (16, True),  # 246 / 24 = 10.25; 15.375
        ],
    )
    def test_an_hour_with_half_as_many_calls_again_is_one(self, calls: int, is_peak: bool) -> None:
        assert bool(peaks(a_day({9: calls}, otherwise=10))) is is_peak

    def test_at_just_one_and_a_half_times_it_is_one(self) -> None:
        # 240 calls, 10 an hour: hour 9 has 15, hour 3 the five fewer.
        assert [peak.start for peak in peaks(a_day({9: 15, 3: 5}, otherwise=10))] == [9]

    def test_hours_next_to_each_other_are_one_peak_with_its_share_of_all_calls(self) -> None:
        calls = a_day({9: 30, 10: 20, 11: 10})

        # The average hour has 60 / 24 = 2.5.
        assert peaks(calls) == [Peak(start=9, hours=3, percent=Decimal(100))]

    def test_the_busiest_peak_comes_first(self) -> None:
        found = peaks(a_day({2: 20, 14: 50, 15: 30}))

        assert [(str(peak), peak.percent) for peak in found] == [("14:00-16:00", 80), ("02:00-03:00", 20)]

    def test_a_peak_goes_on_over_midnight(self) -> None:
        assert [str(peak) for peak in peaks(a_day({22: 5, 23: 5, 0: 5}))] == ["22:00-01:00"]

    def test_a_peak_up_to_midnight_ends_there(self) -> None:
        assert [str(peak) for peak in peaks(a_day({23: 5}))] == ["23:00-00:00"]

    @pytest.mark.parametrize("otherwise", [0, 1, 1000])
    def test_a_day_that_is_the_same_all_day_has_none(self, otherwise: int) -> None:
        assert peaks(a_day({}, otherwise=otherwise)) == []


@pytest.mark.parametrize(
    ("before", "now", "percent"), [("8", "10", "25"), ("8", "6", "-25"), ("8", "0", "-100"), ("8", "8", "0")]
)
def test_growth_is_told_in_percent(before: str, now: str, percent: str) -> None:
    assert growth_percent(Decimal(before), Decimal(now)) == Decimal(percent)


def test_growth_from_nothing_has_no_percentage() -> None:
    assert growth_percent(Decimal(0), Decimal(5)) is None


class TestTrend:
    @pytest.mark.parametrize(
        ("last_week", "direction"),
        [
            # The week before cost 7 × 10 = 70.
            ("9.00", Direction.DECREASING),  # 63: -10 %
            ("9.01", Direction.STABLE),
            ("10.99", Direction.STABLE),
            ("11.00", Direction.INCREASING),  # 77: +10 %
        ],
    )
    def test_ten_percent_are_a_change(self, last_week: str, direction: Direction) -> None:
        assert trend(usd(*[10] * 7, *[last_week] * 7)).direction is direction

    def test_as_many_whole_weeks_are_compared_as_there_are(self) -> None:
        found = trend(usd(*[1000] * 2, *[2] * 14, *[3] * 14))

        assert (found.weeks, found.before, found.now, found.percent) == (2, 28, 42, 50)

    def test_what_repeats_every_week_is_no_change(self) -> None:
        a_week = [10, 10, 10, 10, 10, 0, 0]

        assert trend(usd(*a_week * 2)).direction is Direction.STABLE

    @pytest.mark.parametrize(
        ("days", "direction"), [(13, Direction.UNKNOWN), (14, Direction.STABLE), (15, Direction.STABLE)]
    )
    def test_it_takes_two_weeks(self, days: int, direction: Direction) -> None:
        assert trend(usd(*[1] * days)).direction is direction

    def test_from_nothing_it_increases_without_a_percentage(self) -> None:
        found = trend(usd(*[0] * 7, *[1] * 7))

        assert (found.direction, found.percent) == (Direction.INCREASING, None)

    def test_where_nothing_was_spent_nothing_is_known(self) -> None:
        # The dollar was spent before the weeks that are compared.
        assert trend(usd(1, *[0] * 14)).direction is Direction.UNKNOWN


class TestMiddle:
    @pytest.mark.parametrize(
        ("cost", "is_heavy", "is_light"),
        [
            ("17.99", False, False),
            ("18", True, False),  # 3 × 6
            ("2.01", False, False),
            ("2", False, True),  # 6 / 3
            ("6", False, False),
        ],
    )
    def test_three_times_the_middle_is_heavy_and_a_third_is_light(
        self, cost: str, is_heavy: bool, is_light: bool
    ) -> None:
        found = middle(usd(1, 6, 100))

        assert found is not None
        assert (found.is_heavy(Decimal(cost)), found.is_light(Decimal(cost))) == (is_heavy, is_light)

    def test_where_the_middle_costs_nothing_whoever_costs_something_is_heavy_and_nobody_light(self) -> None:
        found = middle(usd(0, 0, 5))

        assert found is not None
        assert (found.is_heavy(Decimal(5)), found.is_heavy(Decimal(0))) == (True, False)
        assert found.is_light(Decimal(0)) is False

    @pytest.mark.parametrize(("number", "known"), [(0, False), (2, False), (3, True)])
    def test_it_takes_three(self, number: int, known: bool) -> None:
        assert (middle(usd(*[1] * number)) is not None) is known
