"""When a budget slows calls down and when it is used up. Pure."""

from decimal import ROUND_FLOOR, Decimal

SLOWEST = Decimal(1)


def is_near(*, used: Decimal, budget: Decimal, percent: int) -> bool:
    """Whether `used` has reached `percent` of `budget` (both USD, the budget positive)."""
    return 100 * used >= percent * budget


def slowed(rate: Decimal, *, percent: int) -> Decimal:
    """`percent` of `rate` in whole calls, rounded down, but at least one: slowing down is not stopping."""
    return max(SLOWEST, (rate * percent / 100).to_integral_value(rounding=ROUND_FLOOR))
