"""Which thresholds an amount has reached."""

from collections.abc import Iterable
from decimal import Decimal

from alerts.core.findings import Severity

REACHED = 100
URGENT_FROM = 80
DEFAULT_LIMIT_THRESHOLDS = (80, 90, 100)


def crossed(used: Decimal, amount: Decimal, thresholds: Iterable[int]) -> list[int]:
    """The thresholds, in percent of `amount` and ascending, that `used` has reached; none of an amount of 0,
    which is nothing to use up.
    """
    if amount <= 0:
        return []
    return [each for each in sorted(set(thresholds)) if 100 * used >= each * amount]


def severity_of(threshold: int) -> Severity:
    """An error from 100 percent, a warning from 80."""
    if threshold >= REACHED:
        return Severity.ERROR
    return Severity.WARNING if threshold >= URGENT_FROM else Severity.INFO
