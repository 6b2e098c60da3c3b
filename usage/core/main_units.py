"""What calls are counted in where one number has to do: tokens, or else the unit they consumed."""

from collections.abc import Mapping
from decimal import Decimal

from usage.core.money import ZERO

# First of those that were consumed; calls where nothing else was.
MAIN_UNITS = (
    ("token", ("input_tokens", "output_tokens")),
    ("image", ("images",)),
    ("page", ("pages",)),
    ("search", ("searches",)),
    ("second", ("seconds",)),
    ("character", ("characters",)),
    ("request", ("requests",)),
)


def main_quantity(quantities: Mapping[str, int | Decimal], *, calls: int) -> tuple[str, Decimal]:
    """The unit of so many `calls` that consumed `quantities`, and how much of it."""
    for unit, names in MAIN_UNITS:
        counted = sum((Decimal(quantities.get(name, 0)) for name in names), ZERO)
        if counted:
            return unit, counted
    return "call", Decimal(calls)
