"""When a replay is worth telling, what it saves a month, and how sure that is. Pure.

The rule for confidence counts what stands behind a saving, not how large it is: calls, the days on which they
were made, and whether every week says the same.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from usage.core.money import COST_PLACES, ZERO
from usage.core.repricing import EXACT, sum_exactly

# What is replayed: whole weeks, so that each weekday counts alike.
WEEKS = 4
WINDOW_DAYS = 7 * WEEKS
# Savings are told for so many days.
MONTH_DAYS = 30
# Less than both is not worth anybody's time.
MINIMUM_USD = Decimal(1)
MINIMUM_PERCENT = Decimal(5)

MANY_CALLS, SOME_CALLS = 1_000, 100
MOST_DAYS, SOME_DAYS = 21, 7
# Billing periods that a plan is compared over.
MOST_PERIODS = 3
SMALLEST = Decimal(1).scaleb(-COST_PLACES)


class Confidence(StrEnum):
    """How sure a saving is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


def confidence(*, calls: int, days: int, weekly_savings: Sequence[Decimal]) -> Confidence:
    """How sure a saving over `WINDOW_DAYS` is, of so many replayed calls, made on so many of the days.

    High: from 1,000 calls on 21 days on, if each of the four weeks saves at least half of their mean. Medium:
    from 100 calls on 7 days on, if at least three of the weeks save something. Low: everything else.
    """
    mean = sum_exactly(weekly_savings) / WEEKS
    steady = len(weekly_savings) == WEEKS and all(2 * saving >= mean for saving in weekly_savings)
    saving_weeks = sum(saving > 0 for saving in weekly_savings)
    if calls >= MANY_CALLS and days >= MOST_DAYS and mean > 0 and steady:
        return Confidence.HIGH
    if calls >= SOME_CALLS and days >= SOME_DAYS and saving_weeks >= WEEKS - 1:
        return Confidence.MEDIUM
    return Confidence.LOW


def confidence_of_plan(*, periods: int, agreeing: int) -> Confidence:
    """How sure it is which plan is cheaper, of so many complete billing periods, of which so many agree.

    High: three periods, and all agree. Medium: two, and both agree. Low: one, or not all of them.
    """
    if agreeing < periods:
        return Confidence.LOW
    return {1: Confidence.LOW, 2: Confidence.MEDIUM}.get(periods, Confidence.HIGH)


def is_worth_telling(*, a_month: Decimal, saving: Decimal, now: Decimal) -> bool:
    """Whether a saving is at least 1 USD a month, and 5 % of what was replayed."""
    return a_month >= MINIMUM_USD and now > 0 and 100 * saving >= MINIMUM_PERCENT * now


def a_month(saving: Decimal, *, days: int) -> Decimal:
    """What saves so much in so many days saves in 30, rounded half-even to the decimals of a cost."""
    carried = EXACT.multiply(saving, Decimal(MONTH_DAYS))
    return (carried / days).quantize(SMALLEST, rounding=ROUND_HALF_EVEN) if saving else ZERO
