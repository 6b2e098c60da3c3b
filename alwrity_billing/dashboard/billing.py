"""What the billing page and an invoice's page show, gathered and ready to be laid out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from subscriptions import attention, credits, invoice_queries, previews
from subscriptions.core.invoices import METERED
from subscriptions.core.line_groups import LineGroup, grouped
from subscriptions.core.states import Move, State, allows
from subscriptions.invoice_queries import Page
from subscriptions.invoice_texts import counts, quantity, span
from subscriptions.models import (
    BillingHistory,
    BillingProfile,
    InvoiceEvent,
    InvoiceEventKind,
    InvoiceLine,
    UserSubscription,
)
from subscriptions.previews import Upcoming, UpcomingLine
from usage.core.money import ZERO
from usage.models import Account

INVOICES_A_PAGE = 12
# Of these events customers read the reason; those of others are notes among our staff.
REASONED = (InvoiceEventKind.PAYMENT_FAILED, InvoiceEventKind.CREDITED, InvoiceEventKind.REFUNDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLine:
    """A line of an invoice, or of one to come; `evidence` is the hash over the calls it bills."""

    kind: str
    description: str
    details: str
    quantity: str
    exact: Decimal
    amount: Decimal
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A row below the lines."""

    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class NextInvoice:
    """The invoice that the running period is heading for."""

    upcoming: Upcoming
    groups: list[LineGroup[ShownLine]]
    sums: list[Sum]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A line of an invoice's story."""

    at: datetime
    what: str
    reason: str
    amount: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePage:
    """An invoice with its lines in their parts, what they come to, and what became of it."""

    invoice: BillingHistory
    groups: list[LineGroup[ShownLine]]
    sums: list[Sum]
    story: list[Happened]
    payment_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingPage:
    """How an account pays: its subscription, card, credit, the next invoice, and a page of those before."""

    subscription: UserSubscription | None
    card: BillingProfile | None
    credit: Decimal
    next_invoice: NextInvoice | None
    invoices: Page[BillingHistory]
    number: int
    payment_on_its_way: bool
    can_cancel: bool
    can_keep: bool

    @property
    def newer(self) -> int:
        return self.number - 1

    @property
    def older(self) -> int:
        return self.number + 1


def billing_of(
    account: Account,
    subscription: UserSubscription | None,
    profile: BillingProfile | None,
    *,
    number: int,
    at: datetime,
) -> BillingPage:
    """The account's billing as of `at`, with the page of invoices of that `number`, from 1 on."""
    # Before the invoices: one that is paid meanwhile is then shown as paid, or the page comes again.
    payment_on_its_way = attention.payment_on_its_way(account, at=at)
    upcoming = previews.upcoming(account, at=at, subscription=subscription)
    can_schedule = subscription is not None and allows(Move.SCHEDULE, before=State(subscription.state))
    is_scheduled = subscription is not None and bool(
        subscription.cancel_at_term_end or subscription.pending_plan_id
    )
    return BillingPage(
        subscription=subscription,
        card=profile if profile is not None and profile.has_card else None,
        credit=credits.balance_of(account, at=at) if upcoming is None else upcoming.balance,
        next_invoice=None if upcoming is None else _next_invoice(upcoming),
        invoices=invoice_queries.invoices_of(
            account, limit=INVOICES_A_PAGE, offset=INVOICES_A_PAGE * (number - 1)
        ),
        number=number,
        payment_on_its_way=payment_on_its_way,
        can_cancel=can_schedule and subscription is not None and not subscription.cancel_at_term_end,
        can_keep=can_schedule and is_scheduled,
    )


def invoice_page(invoice: BillingHistory) -> InvoicePage:
    """The page of an invoice that was read whole."""
    return InvoicePage(
        invoice=invoice,
        groups=_grouped(_line(line, of=invoice) for line in invoice.lines.all()),
        sums=_sums(invoice),
        story=[_happened(event) for event in invoice.events.all() if event.kind != InvoiceEventKind.DRAFTED],
        payment_url=invoice_queries.payment_url(invoice),
    )


def _next_invoice(upcoming: Upcoming) -> NextInvoice:
    sums = [Sum(name="Total", amount=upcoming.total)]
    if upcoming.credit:
        sums.append(Sum(name="Paid from your credit", amount=-upcoming.credit))
    return NextInvoice(
        upcoming=upcoming,
        groups=_grouped(_upcoming_line(line, of=upcoming) for line in upcoming.lines),
        sums=sums,
    )


def _grouped(lines: Iterable[ShownLine]) -> list[LineGroup[ShownLine]]:
    return grouped(lines, billed=lambda line: (line.kind, line.amount))


def _line(line: InvoiceLine, *, of: BillingHistory) -> ShownLine:
    elsewhen = (line.period_start, line.period_end) != (of.period_start, of.period_end)
    return ShownLine(
        kind=line.kind,
        description=line.description,
        details=_joined([span(line.period_start, line.period_end) if elsewhen else "", counts(line.details)]),
        quantity=quantity(line.quantity, line.unit),
        exact=line.precise_amount,
        amount=line.amount,
        evidence=line.evidence if line.kind in METERED else "",
    )


def _upcoming_line(shown: UpcomingLine, *, of: Upcoming) -> ShownLine:
    line = shown.line
    when = "" if line.term == of.period or line.kind in METERED else span(line.term.start, line.term.end)
    return ShownLine(
        kind=line.kind.value,
        description=line.description,
        details=_joined([when, counts(line.details)]),
        quantity=quantity(line.quantity, line.unit),
        exact=line.precise,
        amount=shown.amount,
    )


def _sums(invoice: BillingHistory) -> list[Sum]:
    rows = [
        ("Subtotal", invoice.subtotal, bool(invoice.tax)),
        ("Tax", invoice.tax, bool(invoice.tax)),
        ("Total", invoice.total, True),
        ("Given to you as credit", -min(invoice.total, ZERO), invoice.total < 0),
        ("Paid from your credit", -invoice.credit_applied, bool(invoice.credit_applied)),
        ("Credit notes", -invoice.amount_credited, bool(invoice.amount_credited)),
        ("Paid", -invoice.amount_paid, bool(invoice.amount_paid)),
    ]
    return [Sum(name=name, amount=amount) for name, amount, shown in rows if shown]


def _happened(event: InvoiceEvent) -> Happened:
    return Happened(
        at=event.at,
        what=event.get_kind_display(),
        reason=event.reason if event.kind in REASONED else "",
        amount=event.amount,
    )


def _joined(details: Sequence[str]) -> str:
    return " · ".join(detail for detail in details if detail)
