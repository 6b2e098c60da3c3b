"""Proving an invoice: every line rebuilt from the log, the plan and the prices, compared to the last digit.

What differs is told line by line, and for usage event by event. Reads only; the log is streamed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from subscriptions import billing_terms, invoice_lines, term_ends
from subscriptions.core.invoices import OF_USAGE, InvoiceState, Line, LineKind, round_lines
from subscriptions.core.proration import Fee, rest_of
from subscriptions.core.terms import BillingCycle, Term
from subscriptions.models import (
    BillingHistory,
    ChangeKind,
    CreditEntry,
    CreditEntryKind,
    InvoiceLine,
    SubscriptionChange,
)
from usage import period_proof, period_usage, retention
from usage.core.money import ZERO, format_amount

PRUNED = "the usage log of its period was pruned"
# Changes whose fee is that of a whole term.
WHOLE_TERMS = [ChangeKind.STARTED, ChangeKind.REACTIVATED, ChangeKind.RENEWED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What of an invoice cannot be proved: the line (0: the invoice itself), why, and the row of the log."""

    position: int
    problem: str
    log_id: int | None = None

    def __str__(self) -> str:
        where = f"line {self.position}" if self.position else "invoice"
        return f"{where}: {self.problem}"


def verify(invoice: BillingHistory) -> Iterator[Finding]:
    """What of `invoice` cannot be proved; nothing where all of it can."""
    changes = ("change__version_after__plan", "change__version_before__plan")
    lines = list(invoice.lines.select_related(*changes, "item"))
    yield from _sums(invoice, lines)
    for line in lines:
        yield from _fee(line) if line.change is not None else ()
        yield from _item(line) if line.item is not None else ()
    of_log = _log(invoice, lines)
    period = invoice.billing_period
    if period is None or not retention.may_be_pruned(period):
        yield from of_log
    elif next(of_log, None) is not None:
        # What differs is what is missing: naming it line by line would look like a wrong invoice.
        yield Finding(position=0, problem=f"{PRUNED} ({period}): its usage can be proved no more")


def _log(invoice: BillingHistory, lines: Sequence[InvoiceLine]) -> Iterator[Finding]:
    """What the log of the invoice's period does not prove, line by line and event by event."""
    yield from _usage(invoice, [line for line in lines if LineKind(line.kind) in OF_USAGE])
    if invoice.billing_period is not None and any(line.event_count for line in lines):
        for wrong in period_proof.discrepancies(invoice.billing_period):
            yield Finding(position=0, problem=str(wrong), log_id=wrong.log_id)


def _sums(invoice: BillingHistory, lines: list[InvoiceLine]) -> Iterator[Finding]:
    rounded = round_lines([line.precise_amount for line in lines])
    for line, amount in zip(lines, rounded, strict=True):
        if line.amount != amount:
            yield Finding(position=line.position, problem=_differs("in cents", line.amount, amount))
    subtotal = sum(rounded, ZERO)
    if invoice.subtotal != subtotal:
        yield Finding(position=0, problem=_differs("the subtotal", invoice.subtotal, subtotal))
    if invoice.state == InvoiceState.DRAFT:
        return
    entries = CreditEntry.objects.filter(invoice=invoice, kind=CreditEntryKind.APPLIED)
    applied = -(entries.aggregate(sum=Sum("amount"))["sum"] or ZERO)
    if invoice.credit_applied != applied:
        yield Finding(position=0, problem=_differs("credits applied", invoice.credit_applied, applied))


def _fee(line: InvoiceLine) -> Iterator[Finding]:
    """The line is the change's, and the change cost what the plan and the time say."""
    change = line.change
    if change is None:
        return
    rebuilt = {each.kind: each for each in invoice_lines.of_changes([change])}
    expected = rebuilt.get(LineKind(line.kind))
    if expected is None or expected.precise != line.precise_amount:
        amount = ZERO if expected is None else expected.precise
        yield Finding(position=line.position, problem=_differs("the fee", line.precise_amount, amount))
    due = _due_by_plan(change, LineKind(line.kind))
    if due is not None and due != line.precise_amount:
        yield Finding(position=line.position, problem=_differs("by the plan", line.precise_amount, due))


def _due_by_plan(change: SubscriptionChange, kind: LineKind) -> Decimal | None:
    """What the change costs by the prices of its plan version, or the fee paid before, and the time alone."""
    if kind is LineKind.PRORATION_CREDIT and change.term_before_start and change.term_before_end:
        paid = Decimal(change.details["proration"]["credit"]["of_fee"])
        return -rest_of(Fee(paid, Term(change.term_before_start, change.term_before_end)), at=change.at)
    fee = term_ends.fee_of(change.version_after, BillingCycle(change.billing_cycle))
    term = Term(change.term_start, change.term_end)
    if kind is LineKind.PRORATION_CHARGE or change.kind == ChangeKind.RESUMED:
        return rest_of(Fee(fee, term), at=change.at)
    return fee if kind is LineKind.BASE_FEE and change.kind in WHOLE_TERMS else None


def _item(line: InvoiceLine) -> Iterator[Finding]:
    item = line.item
    if item is not None and item.amount != line.precise_amount:
        yield Finding(position=line.position, problem=_differs("the item", line.precise_amount, item.amount))


def _usage(invoice: BillingHistory, lines: list[InvoiceLine]) -> Iterator[Finding]:
    """The usage lines are those that the log has now, under the terms then in force."""
    period = invoice.billing_period
    if period is None:
        return
    terms = billing_terms.terms_at(invoice.account, period_end=period.period_end)
    groups = period_usage.read_groups(period)
    expected = [] if terms is None else invoice_lines.of_period(groups, terms, period=period)
    rebuilt = {_key(line.kind, line.provider, line.model, line.price_id): line for line in expected}
    for line in lines:
        match = rebuilt.pop(_key(line.kind, line.provider, line.model, line.price_id), None)
        yield from _compared(line, match)
    for left in rebuilt.values():
        unbilled = f"{left.description}, {format_amount(left.precise)} USD"
        yield Finding(position=0, problem=f"the log has usage that no line bills: {unbilled}")


def _compared(line: InvoiceLine, match: Line | None) -> Iterator[Finding]:
    position = line.position
    if match is None:
        yield Finding(position=position, problem=f"the log has nothing for it: {line.description}")
        return
    if match.precise != line.precise_amount:
        yield Finding(position=position, problem=_differs("the log", line.precise_amount, match.precise))
    if match.event_count != line.event_count:
        problem = f"{line.event_count} events were billed, the log has {match.event_count}"
        yield Finding(position=position, problem=problem)
    if match.quantity != line.quantity:
        problem = f"{line.quantity} {line.unit}s were billed, the log has {match.quantity}"
        yield Finding(position=position, problem=problem)
    if match.evidence != line.evidence:
        yield Finding(position=position, problem="the hash over the events' ids and costs differs")


def _key(kind: str, provider: str, model: str, price_id: int | None) -> tuple[str, str, str, int | None]:
    return LineKind(kind), provider, model, price_id


def _differs(what: str, found: Decimal, expected: Decimal) -> str:
    return f"{what}: it says {format_amount(found)}, proved is {format_amount(expected)}"
