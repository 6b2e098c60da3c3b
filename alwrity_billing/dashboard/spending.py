"""What the billing period has cost so far and is expected to, beside what bounds it: one drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from alerts import words
from alwrity_billing.dashboard.limit_bars import ceilings_of
from usage.core.money import ZERO
from usage.limits import LimitState
from usage.models import LimitMode, LimitSource
from usage.queries import Projected

# The right end of the drawing, as a share of the largest amount in it.
HEADROOM = Decimal("1.08")
HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What bounds the cost of the period: its name, how much of it is spent, and where it stands (percent of
    the drawing's width; None beyond its end).
    """

    name: str
    amount: Decimal
    spent_percent: Decimal
    left: Decimal
    is_exceeded: bool
    will_be_exceeded: bool
    refuses: bool
    x: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The period's cost; `expected` at its end, with the range that holds four results of five where the
    account's weekdays are known. All `…_x` are percent of the drawing's width.
    """

    spent: Decimal
    expected: Decimal | None
    low: Decimal | None
    high: Decimal | None
    by_weekdays: bool
    ceilings: tuple[Ceiling, ...]
    spent_x: Decimal
    expected_x: Decimal
    low_x: Decimal
    high_x: Decimal


def spending_of(spent: Decimal, *, projected: Projected | None, states: Sequence[LimitState]) -> Spending:
    """The drawing of a period that has cost `spent`, as it was last projected, under limits as they are."""
    expected = None if projected is None else max(projected.expected, spent)
    low, high = _range(projected, spent)
    bounds = ceilings_of(states)
    furthest = max(filter(None, (spent, expected, high)), default=ZERO)
    width = HEADROOM * _scale(furthest, [state.amount or ZERO for state in bounds])
    return Spending(
        spent=spent,
        expected=expected,
        low=low,
        high=high,
        by_weekdays=projected is not None and projected.by_weekdays,
        ceilings=tuple(_ceiling(state, spent, expected, width) for state in bounds),
        spent_x=_x(spent, width),
        expected_x=_x(expected or spent, width),
        low_x=_x(low or ZERO, width),
        high_x=_x(high or ZERO, width),
    )


def _range(projected: Projected | None, spent: Decimal) -> tuple[Decimal | None, Decimal | None]:
    if projected is None or projected.low is None or projected.high is None:
        return None, None
    return max(projected.low, spent), max(projected.high, spent)


def _scale(furthest: Decimal, amounts: Sequence[Decimal]) -> Decimal:
    """What the drawing has to hold: all that is spent or expected, and the first bound beyond it, unless that
    is so far off that nothing else could be seen.
    """
    beyond = next((amount for amount in amounts if amount >= furthest), None)
    if beyond is not None and (not furthest or beyond <= 20 * furthest):
        return beyond
    return furthest or Decimal(1)


def _ceiling(state: LimitState, spent: Decimal, expected: Decimal | None, width: Decimal) -> Ceiling:
    amount = state.amount or ZERO
    name = "Your budget" if state.source == LimitSource.BUDGET else words.limit_name(state).capitalize()
    return Ceiling(
        name=name,
        amount=amount,
        spent_percent=100 * spent / amount,
        left=max(amount - spent, ZERO),
        is_exceeded=spent >= amount,
        will_be_exceeded=spent < amount and expected is not None and expected > amount,
        refuses=state.mode == LimitMode.BLOCK,
        x=_x(amount, width) if amount <= width else None,
    )


def _x(amount: Decimal, width: Decimal) -> Decimal:
    return (100 * amount / width).quantize(HUNDREDTH, rounding=ROUND_HALF_EVEN)
