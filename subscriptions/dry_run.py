"""A whole month of invoices computed again without writing anything, beside what was issued."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from subscriptions import billing_terms, invoice_lines, invoicing, previews
from subscriptions.core.invoices import Line, LineKind, round_lines
from subscriptions.models import BillingHistory, InvoiceItem, SubscriptionChange
from usage import period_usage
from usage.core.errors import BillingError
from usage.core.money import ZERO
from usage.models import Account, BillingPeriod

PERIODS_AT_A_TIME = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One billing period: what was issued (None: nothing, or not yet) and what it comes to when computed now.

    `problem` says why it cannot be computed.
    """

    account: Account
    period: BillingPeriod
    number: str
    issued: Decimal | None
    computed: Decimal
    problem: str = ""

    @property
    def differs(self) -> bool:
        """Whether an issued invoice is not what it would be now."""
        return bool(self.problem) or (self.issued is not None and self.issued != self.computed)


def compare(*, start: datetime, end: datetime, at: datetime) -> Iterator[Comparison]:
    """Every billing period that ends in [start, end): those closed as they were billed, those over as closing
    them would, those running as far as they are known at `at`. Subtotals in USD; one account after the other.
    """
    periods = BillingPeriod.objects.filter(period_end__gte=start, period_end__lt=end)
    found = periods.select_related("account", "invoice").order_by("account_id", "period_start")
    for period in found.iterator(chunk_size=PERIODS_AT_A_TIME):
        try:
            yield _compare(period, at=at)
        except BillingError as wrong:
            yield Comparison(
                account=period.account, period=period, number="", issued=None, computed=ZERO,
                problem=wrong.message,
            )  # fmt: skip


def _compare(period: BillingPeriod, *, at: datetime) -> Comparison:
    invoice: BillingHistory | None = getattr(period, "invoice", None)
    if invoice is not None:
        computed = _subtotal(_again(invoice, period))
    elif period.closed_at is not None:
        computed = ZERO
    elif period.period_end <= at:
        computed = _subtotal(invoicing.lines_of_period(period)[0])
    else:
        upcoming = previews.upcoming(period.account, at=at)
        computed = ZERO if upcoming is None else upcoming.total
    return Comparison(
        account=period.account,
        period=period,
        number="" if invoice is None else invoice.number or "draft",
        issued=None if invoice is None else invoice.subtotal,
        computed=computed,
    )


def _again(invoice: BillingHistory, period: BillingPeriod) -> list[Line]:
    """The lines of an issued invoice, computed again: its changes and items, and the usage as logged now."""
    terms = billing_terms.terms_at(invoice.account, period_end=period.period_end)
    changes = SubscriptionChange.objects.filter(invoice_lines__invoice=invoice).distinct().order_by("id")
    plans = ("version_after__plan", "version_before__plan")
    items = InvoiceItem.objects.filter(line__invoice=invoice).order_by("id")
    lines = invoice_lines.of_changes(list(changes.select_related(*plans)))
    if terms is not None:
        lines += invoice_lines.of_period(period_usage.groups_of(period), terms, period=period)
    lines += invoice_lines.of_items(list(items))
    carried = invoice.lines.filter(kind=LineKind.CARRIED_OVER)
    return lines + [invoicing.carried_over(invoice, -line.precise_amount) for line in carried]


def _subtotal(lines: list[Line]) -> Decimal:
    return sum(round_lines([line.precise for line in lines]), ZERO)
