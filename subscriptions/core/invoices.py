"""What an invoice says: its states, the lines that usage comes to, and how lines are rounded.

Pure: no Django, no clock. Amounts are USD with the 18 decimals of every cost; only `round_lines` makes cents.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from enum import StrEnum
from typing import Any, NamedTuple

from subscriptions.core.proration import SMALLEST
from subscriptions.core.terms import Term
from usage.core.main_units import main_quantity
from usage.core.money import ZERO, format_amount, to_cents
from usage.core.period_usage import UsageGroup
from usage.core.repricing import sum_exactly

# Sums and products of amounts with 36 digits, divided once.
WIDE = Context(prec=100)


class InvoiceState(StrEnum):
    """Where an invoice stands. A draft has no number; from open on its content never changes."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


# An uncollectible invoice can still be paid, or given up for good.
TRANSITIONS: Mapping[InvoiceState, frozenset[InvoiceState]] = {
    InvoiceState.DRAFT: frozenset({InvoiceState.OPEN, InvoiceState.PAID}),
    InvoiceState.OPEN: frozenset({InvoiceState.PAID, InvoiceState.VOID, InvoiceState.UNCOLLECTIBLE}),
    InvoiceState.UNCOLLECTIBLE: frozenset({InvoiceState.PAID, InvoiceState.VOID}),
    InvoiceState.PAID: frozenset(),
    InvoiceState.VOID: frozenset(),
}


class LineKind(StrEnum):
    """What a line charges or gives back."""

    BASE_FEE = "base_fee"
    PRORATION_CREDIT = "proration_credit"
    PRORATION_CHARGE = "proration_charge"
    USAGE = "usage"
    LATE_USAGE = "late_usage"
    INCLUDED = "included"
    ABOVE_MAXIMUM = "above_maximum"
    MARKUP = "markup"
    ADJUSTMENT = "adjustment"
    CARRIED_OVER = "carried_over"


# The lines whose evidence is rows of the usage log.
METERED = frozenset({LineKind.USAGE, LineKind.LATE_USAGE})
# All that the usage of one period comes to; together they are its overage with the markup.
OF_USAGE = METERED | {LineKind.INCLUDED, LineKind.ABOVE_MAXIMUM, LineKind.MARKUP}


class UsageTerms(NamedTuple):
    """What a period's usage costs: up to `included` nothing (None: all of it is included), beyond it its cost
    and the markup if the plan `bills`, else nothing; usage above `maximum` is never charged.
    """

    included: Decimal | None
    bills: bool
    markup_percent: Decimal = ZERO
    maximum: Decimal | None = None


class UsageCharge(NamedTuple):
    """How a period's usage of `cost` splits; `overage` + `markup` is what it is charged with."""

    cost: Decimal
    included: Decimal
    above_maximum: Decimal
    overage: Decimal
    markup: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an invoice before it is rounded."""

    kind: LineKind
    description: str
    precise: Decimal
    term: Term
    provider: str = ""
    model: str = ""
    quantity: Decimal | None = None
    unit: str = ""
    price_id: int | None = None
    version_id: int | None = None
    change_id: int | None = None
    item_id: int | None = None
    event_count: int = 0
    evidence: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def charge_for(cost: Decimal, terms: UsageTerms) -> UsageCharge:
    """What usage of `cost` in a period comes to under `terms`; the markup is rounded to 18 decimals."""
    with localcontext(WIDE):
        if not terms.bills or terms.included is None:
            return UsageCharge(cost, cost, ZERO, ZERO, ZERO)
        included = min(cost, terms.included)
        maximum = cost if terms.maximum is None else max(terms.maximum, included)
        above = max(ZERO, cost - maximum)
        overage = cost - included - above
        markup = (overage * terms.markup_percent / 100).quantize(SMALLEST, rounding=ROUND_HALF_EVEN)
        return UsageCharge(cost, included, above, overage, markup)


def usage_lines(
    groups: Sequence[UsageGroup],
    terms: UsageTerms,
    *,
    term: Term,
    plan: str,
    version_id: int,
    name_of: Callable[[str], str],
) -> list[Line]:
    """The lines of a period's usage: each group at its cost, then what is taken off and put on. `name_of`
    says how a provider writes itself.
    """
    if not groups:
        return []
    charge = charge_for(sum_exactly(group.cost for group in groups), terms)
    markup_percent = format_amount(terms.markup_percent)
    after = [
        (LineKind.INCLUDED, f"Included in {plan}", -charge.included),
        (LineKind.ABOVE_MAXIMUM, "Beyond the most a period may cost: not charged", -charge.above_maximum),
        (LineKind.MARKUP, f"{markup_percent} % on usage beyond what is included", charge.markup),
    ]
    return [
        _line_of(group, provider=name_of(group.provider), term=term, version_id=version_id)
        for group in groups
    ] + [
        Line(kind=kind, description=text, precise=amount, term=term, version_id=version_id)
        for kind, text, amount in after
        if amount
    ]


def round_lines(precise: Sequence[Decimal]) -> list[Decimal]:
    """Each amount in cents, so that they add up to the rounded sum of the precise ones.

    A line is rounded with the remainder of those before it: it is less than a cent from its precise amount,
    and however many small lines there are, the total is off by half a cent at most.
    """
    rounded, so_far, before = [], ZERO, ZERO
    for amount in precise:
        with localcontext(WIDE):
            so_far += amount
            upto = to_cents(so_far)
            rounded.append(upto - before)
        before = upto
    return rounded


def allows(before: InvoiceState, after: InvoiceState) -> bool:
    """Whether an invoice in state `before` may become `after`."""
    return after in TRANSITIONS[before]


def _line_of(group: UsageGroup, *, provider: str, term: Term, version_id: int) -> Line:
    unit, quantity = main_quantity(group.quantities, calls=group.calls)
    calls = f"{group.calls:,} call{'' if group.calls == 1 else 's'}"
    name = f"{group.model} ({provider})" if group.model else provider
    late = ", recorded late" if group.late else ""
    return Line(
        kind=LineKind.LATE_USAGE if group.late else LineKind.USAGE,
        description=f"{name}: {calls}{_unpriced(group)}{late}",
        precise=group.cost,
        # Late usage says when it happened, which is not the period that bills it.
        term=Term(group.first_at, group.last_at) if group.late else term,
        provider=group.provider,
        model=group.model,
        quantity=quantity,
        unit=unit,
        price_id=group.price_id,
        version_id=version_id,
        event_count=group.calls,
        evidence=group.evidence,
        details={
            "quantities": {name: str(count) for name, count in group.quantities.items() if count},
            "surcharge": format_amount(group.surcharge),
            "first_at": group.first_at.isoformat(),
            "last_at": group.last_at.isoformat(),
        },
    )


def _unpriced(group: UsageGroup) -> str:
    """Why no price rated the calls; of totals, which have no evidence, nobody knows."""
    if group.price_id or not group.evidence:
        return ""
    return ", at the cost reported" if group.cost else ", nothing to pay"
