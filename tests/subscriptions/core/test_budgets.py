"""When a budget slows calls down and by how much."""

from decimal import Decimal

import pytest

from subscriptions.core.budgets import is_near, slowed


@pytest.mark.parametrize(
    ("used", "near"),
    [
        ("7.999999999999999999", False),
        ("8", True),
        ("8.000000000000000001", True),
        ("11", True),
        ("0", False),
    ],
)
def test_eighty_percent_of_ten_dollars_is_eight(used: str, near: bool) -> None:
    assert is_near(used=Decimal(used), budget=Decimal(10), percent=80) is near


@pytest.mark.parametrize(
    ("rate", "percent", "left"),
    [
        (60, 50, 30),
        (7, 50, 3),  # 3.5
        (10, 99, 9),  # 9.9
        (100, 1, 1),
        (99, 1, 1),  # 0.99: not nothing
        (1, 50, 1),
    ],
)
def test_rates_are_scaled_down_to_whole_calls_but_never_to_nothing(
    rate: int, percent: int, left: int
) -> None:
    assert slowed(Decimal(rate), percent=percent) == left
