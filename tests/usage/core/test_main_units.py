"""What calls are counted in."""

from decimal import Decimal

import pytest

from usage.core.main_units import main_quantity


@pytest.mark.parametrize(
    ("quantities", "expected"),
    [
        # Tokens come first, input and output together; their parts are not counted twice.
        (
            {"input_tokens": 1_000, "cached_input_tokens": 400, "output_tokens": 100, "images": 2},
            ("token", 1_100),
        ),
        ({"images": 2, "requests": 3}, ("image", 2)),
        ({"seconds": Decimal("1.5"), "requests": 3}, ("second", Decimal("1.5"))),
        ({"requests": 3}, ("request", 3)),
        ({"requests": 0}, ("call", 7)),
        ({}, ("call", 7)),
    ],
)
def test_calls_are_counted_in_the_first_unit_they_consumed(
    quantities: dict[str, int | Decimal], expected: tuple[str, int | Decimal]
) -> None:
    assert main_quantity(quantities, calls=7) == expected
