"""The parts of an invoice as people read it: fees, usage, adjustments, each with its sum. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from subscriptions.core.invoices import OF_USAGE, LineKind
from usage.core.money import ZERO

FEES = frozenset({LineKind.BASE_FEE, LineKind.PRORATION_CREDIT, LineKind.PRORATION_CHARGE})
PARTS = (
    ("Fees", FEES),
    ("Usage", OF_USAGE),
    ("Adjustments", frozenset(LineKind) - FEES - OF_USAGE),
)


BilledLine = TypeVar("BilledLine")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineGroup(Generic[BilledLine]):
    """Lines of one part, in their order, and what they add up to."""

    title: str
    lines: list[BilledLine]
    total: Decimal


def grouped(
    lines: Iterable[BilledLine], *, billed: Callable[[BilledLine], tuple[str, Decimal]]
) -> list[LineGroup[BilledLine]]:
    """Every line in its part; parts without lines are left out. `billed` tells a line's kind and cents."""
    known = [(line, *billed(line)) for line in lines]
    groups = [
        LineGroup(
            title=title,
            lines=[line for line, kind, _ in known if LineKind(kind) in kinds],
            total=sum((cents for _, kind, cents in known if LineKind(kind) in kinds), ZERO),
        )
        for title, kinds in PARTS
    ]
    return [group for group in groups if group.lines]
