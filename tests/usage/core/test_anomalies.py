"""When a day's spend is unusual for the account: each bound below, at and above it."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pytest

from usage.core.anomalies import Unusual, odd_days, unusual

# Median 10; of 0, 0, 0, 1, 1, 2, 2 the median is 1.
A_WEEK = (8, 9, 10, 10, 10, 11, 12)


def usd(*amounts: int | str) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


def told(today: str, history: Sequence[Decimal]) -> bool:
    return unusual(Decimal(today), history=history) is not None


@pytest.mark.parametrize(("today", "expected"), [("29.99", False), ("30", True), ("30.01", True)])
def test_three_times_the_median_is_unusual(today: str, expected: bool) -> None:
    assert told(today, usd(*A_WEEK)) is expected


@pytest.mark.parametrize(("today", "expected"), [("0.99", False), ("1", True), ("1.01", True)])
def test_less_than_a_dollar_never_is(today: str, expected: bool) -> None:
    # Three times the median is 0.03.
    assert told(today, usd(*["0.01"] * 7)) is expected


@pytest.mark.parametrize(("today", "expected"), [("54.4779", False), ("54.478", False), ("54.4781", True)])
def test_beyond_six_deviations_of_an_unsteady_account_is(today: str, expected: bool) -> None:
    # Median 10, deviations 0, 5, 5, 5, 5, 10, 10: MAD 5. 10 + 6 × 1.4826 × 5 = 54.478, more than 3 × 10.
    assert told(today, usd(0, 5, 5, 10, 15, 15, 20)) is expected


@pytest.mark.parametrize(("days", "expected"), [(6, False), (7, True), (8, True)])
def test_with_less_than_a_week_nothing_is_usual_yet(days: int, expected: bool) -> None:
    assert told("1000", usd(*[10] * days)) is expected


def test_it_says_what_was_expected_and_how_many_times_that_was_spent() -> None:
    assert unusual(Decimal(45), history=usd(*A_WEEK)) == Unusual(
        spent=Decimal(45), expected=Decimal(10), factor=Decimal("4.5"), same_weekday=False
    )


def test_where_nothing_is_spent_a_dollar_is_without_a_factor() -> None:
    found = unusual(Decimal(1), history=usd(*[0] * 7))

    assert found is not None
    assert (found.expected, found.factor) == (0, None)


def test_one_day_out_of_the_ordinary_does_not_make_the_next_ordinary() -> None:
    # A mean would be (6 × 10 + 1000) / 7 = 151.
    assert told("40", usd(10, 10, 10, 1000, 10, 10, 10))


# Today's weekday costs 100, every other day 1. The first of a week of history is today's weekday.
WEEKLY = usd(100, 1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("weeks", "today", "expected"),
    [
        # Three of the weekday are too few: all days, whose median is 1.
        (3, "100", True),
        # Four are enough: median 100, unusual from 300 on.
        (4, "100", False),
        (4, "299.99", False),
        (4, "300", True),
        (5, "100", False),
    ],
)
def test_a_weekday_that_is_always_dear_is_compared_with_its_like(
    weeks: int, today: str, expected: bool
) -> None:
    assert told(today, WEEKLY * weeks) is expected


def test_a_weekday_that_is_always_quiet_is_unusual_sooner() -> None:
    quiet_today = usd(1, 100, 100, 100, 100, 100, 1) * 4
    found = unusual(Decimal(50), history=quiet_today)

    assert found is not None
    assert (found.expected, found.factor, found.same_weekday) == (1, 50, True)


START = date(2026, 1, 5)
DAY = timedelta(days=1)


def odd(days: Sequence[Decimal]) -> list[tuple[int, str, Decimal]]:
    """The number, direction and expected cost of the days that stand out."""
    return [
        ((found.day - START).days, found.direction, found.expected) for found in odd_days(days, start=START)
    ]


def with_day(days: Sequence[Decimal], number: int, cost: str) -> list[Decimal]:
    changed = list(days)
    changed[number] = Decimal(cost)
    return changed


STEADY = usd(*[10] * 42)


class TestOddDays:
    @pytest.mark.parametrize("number", [0, 1, 20, 40, 41])
    def test_a_day_stands_out_wherever_it_is(self, number: int) -> None:
        assert odd(with_day(STEADY, number, "100")) == [(number, "up", 10)]
        assert odd(with_day(STEADY, number, "1")) == [(number, "down", 10)]

    @pytest.mark.parametrize(
        ("cost", "expected"),
        [("30", []), ("30.01", ["up"]), ("3.34", []), ("3.33", ["down"]), ("0", ["down"])],
    )
    def test_three_times_as_much_or_a_third_is_odd(self, cost: str, expected: list[str]) -> None:
        assert [direction for _, direction, _ in odd(with_day(STEADY, 20, cost))] == expected

    @pytest.mark.parametrize(
        ("usual", "cost", "expected"),
        [
            ("0.2", "0.99", []),
            ("0.2", "1", ["up"]),
            ("0.99", "0", []),
            ("1", "0", ["down"]),
        ],
    )
    def test_less_than_a_dollar_never_is(self, usual: str, cost: str, expected: list[str]) -> None:
        days = with_day(usd(*[usual] * 42), 20, cost)

        assert [direction for _, direction, _ in odd(days)] == expected

    @pytest.mark.parametrize(("days", "expected"), [(13, 0), (14, 1)])
    def test_it_takes_two_weeks(self, days: int, expected: int) -> None:
        assert len(odd(with_day(usd(*[10] * days), 5, "100"))) == expected

    def test_weekends_are_compared_with_weekends(self) -> None:
        weeks = usd(100, 100, 100, 100, 100, 10, 10) * 6

        assert odd(weeks) == []
        # A Saturday like a Wednesday stands out from Saturdays, but not from the week around it.
        assert odd(with_day(weeks, 19, "100")) == []
        assert odd(with_day(weeks, 19, "400")) == [(19, "up", 100)]

    @pytest.mark.parametrize(("lasting", "expected"), [(1, [41]), (3, [39, 40, 41]), (4, []), (20, [])])
    def test_a_level_that_lasts_half_a_week_is_none(self, lasting: int, expected: list[int]) -> None:
        days = usd(*[10] * (42 - lasting), *[50] * lasting)

        assert [number for number, _, _ in odd(days)] == expected

    def test_an_unsteady_account_needs_more_to_be_odd(self) -> None:
        # Median 10, MAD 5: 10 + 6 × 1.4826 × 5 = 54.478 on every weekday.
        days = usd(*[amount for amount in (5, 10, 15, 5, 10, 15, 5, 10, 15) for _ in range(7)])

        assert odd(with_day(days, 31, "54")) == []
        assert [number for number, _, _ in odd(with_day(days, 31, "55"))] == [31]

    def test_an_idle_account_is_not_odd_whenever_it_is_used(self) -> None:
        days = usd(*([0] * 5 + [10]) * 7)

        assert odd(days) == []
        assert odd(with_day(days, 23, "100")) == [(23, "up", 10)]

    @pytest.mark.parametrize(("others", "expected"), [(3, 0), (4, 10)])
    def test_four_other_days_with_use_say_what_one_costs(self, others: int, expected: int) -> None:
        days = usd(*[0] * 56)
        for number in range(others):
            days[10 + 9 * number] = Decimal(10)
        days[30] = Decimal(100)

        assert (30, "up", expected) in odd(days)

    @pytest.mark.parametrize(
        ("usual", "cost", "reason"),
        [
            ("10", "45", "4.5 times the $10.00 that was to be expected."),
            ("0", "45", "$45.00 on a day on which nothing is usually spent."),
            ("10", "2", "20% of the $10.00 that was to be expected."),
            ("1234.5", "0", "Nothing was spent; $1,234.50 was to be expected."),
        ],
    )
    def test_it_says_why(self, usual: str, cost: str, reason: str) -> None:
        [found] = odd_days(with_day(usd(*[usual] * 42), 20, cost), start=START)

        assert found.reason == reason
        assert found.day == START + 20 * DAY
