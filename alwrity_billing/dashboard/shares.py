"""A row's part of the whole, as every table of usage shows it."""

from decimal import Decimal

from usage.core.money import ZERO
from usage.queries import Totals


def share_of(part: Totals, cost: Decimal) -> Decimal:
    """What `part` cost, in percent of `cost`; 0 of nothing."""
    return 100 * part.cost / cost if cost else ZERO
