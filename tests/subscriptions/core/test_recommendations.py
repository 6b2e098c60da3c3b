"""When a saving is worth telling, and how sure it is: tables below, at and above each boundary."""

from decimal import Decimal

import pytest

from subscriptions.core.recommendations import (
    Confidence,
    a_month,
    confidence,
    confidence_of_plan,
    is_worth_telling,
)

LOW, MEDIUM, HIGH = Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH
EVEN = (10, 10, 10, 10)


@pytest.mark.parametrize(
    ("calls", "days", "weeks", "expected"),
    [
        (1_000, 21, EVEN, HIGH),
        (999, 21, EVEN, MEDIUM),
        (1_000, 20, EVEN, MEDIUM),
        # The mean is 10: each week must save 5.
        (1_000, 21, (5, 15, 10, 10), HIGH),
        (1_000, 21, (4, 16, 10, 10), MEDIUM),
        (100, 7, (0, 10, 10, 10), MEDIUM),
        (99, 7, EVEN, LOW),
        (100, 6, EVEN, LOW),
        (100, 7, (0, 0, 10, 10), LOW),
        (1_000, 21, (0, 0, 20, 20), LOW),
        (1_000, 21, (-10, 20, 15, 15), MEDIUM),
        (1_000, 21, (0, 0, 0, 0), LOW),
    ],
)
def test_confidence_counts_calls_days_and_weeks(
    calls: int, days: int, weeks: tuple[int, ...], expected: Confidence
) -> None:
    assert confidence(calls=calls, days=days, weekly_savings=[Decimal(each) for each in weeks]) is expected


@pytest.mark.parametrize(
    ("periods", "agreeing", "expected"),
    [(1, 1, LOW), (2, 2, MEDIUM), (2, 1, LOW), (3, 3, HIGH), (3, 2, LOW)],
)
def test_of_a_plan_confidence_counts_periods_that_agree(
    periods: int, agreeing: int, expected: Confidence
) -> None:
    assert confidence_of_plan(periods=periods, agreeing=agreeing) is expected


@pytest.mark.parametrize(
    ("saved_a_month", "saving", "now", "expected"),
    [
        ("0.99", "0.99", "1", False),
        ("1", "1", "1", True),
        ("100", "4.99", "100", False),
        ("100", "5", "100", True),
        ("-5", "-5", "100", False),
        ("0", "0", "0", False),
    ],
)
def test_less_than_a_dollar_a_month_or_a_twentieth_is_not_worth_telling(
    saved_a_month: str, saving: str, now: str, expected: bool
) -> None:
    said = is_worth_telling(a_month=Decimal(saved_a_month), saving=Decimal(saving), now=Decimal(now))

    assert said is expected


def test_a_month_is_thirty_days_rounded_half_even_to_the_decimals_of_a_cost() -> None:
    assert a_month(Decimal(28), days=28) == 30
    assert a_month(Decimal(1), days=28) == Decimal("1.071428571428571429")  # 30 / 28
