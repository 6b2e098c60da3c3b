from decimal import Decimal

import pytest

from alerts.core.findings import Severity
from alerts.core.thresholds import crossed, severity_of


@pytest.mark.parametrize(
    ("used", "amount", "thresholds", "reached"),
    [
        ("7.99", "10", [80, 90, 100], []),
        ("8", "10", [80, 90, 100], [80]),
        ("8.999999999999999999", "10", [80, 90, 100], [80]),
        ("12", "10", [100, 80, 90, 80], [80, 90, 100]),
        ("0", "0", [80], []),  # nothing to use up
        ("5", "0", [80], []),
        ("0", "10", [1], []),
        ("30", "10", [100, 250, 300, 301], [100, 250, 300]),
        ("10", "10", [], []),
    ],
)
def test_thresholds_are_reached_at_and_above_their_share(
    used: str, amount: str, thresholds: list[int], reached: list[int]
) -> None:
    assert crossed(Decimal(used), Decimal(amount), thresholds) == reached


@pytest.mark.parametrize(
    ("threshold", "severity"),
    [
        (50, Severity.INFO),
        (79, Severity.INFO),
        (80, Severity.WARNING),
        (99, Severity.WARNING),
        (100, Severity.ERROR),
    ],
)
def test_the_fuller_the_more_urgent(threshold: int, severity: Severity) -> None:
    assert severity_of(threshold) is severity
