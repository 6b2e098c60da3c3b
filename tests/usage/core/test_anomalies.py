"""When a day's spend is unusual for the account: each bound below, at and above it."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from usage.core.anomalies import Unusual, unusual

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
