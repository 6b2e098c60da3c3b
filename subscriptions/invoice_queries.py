"""Every read of invoices that is more than one line. Customers know invoices from their number on: drafts are
never among what is found here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

from django.db.models import CharField, F, Prefetch, QuerySet, Value

from subscriptions.core.invoices import InvoiceState, allows
from subscriptions.models import (
    BillingHistory,
    BillingProfile,
    CreditEntry,
    CreditGrant,
    CreditNote,
    InvoiceEvent,
    InvoiceLine,
    LineKindChoices,
    Payment,
)
from subscriptions.queries import MAX_OFFSET
from usage.core.errors import NotFound
from usage.models import Account, APIUsageLog, BillingPeriod

LARGEST_ID = 2**63 - 1

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """Some rows, newest first; `total_count` is of all pages."""

    rows: Sequence[Row]
    total_count: int
    has_more: bool


class TransactionKind(StrEnum):
    """What a transaction is."""

    INVOICE = "invoice"
    PAYMENT = "payment"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An invoice, payment or credit note of an account.

    `amount` is USD: an invoice's total, what a payment or a credit note is over. `number` is the document's
    own, empty for a payment; `invoice_number` that of the invoice it belongs to. `note` is the invoice's
    reason, the payment's method, or why the credit note was written.
    """

    kind: TransactionKind
    id: int
    at: datetime
    amount: Decimal
    state: str
    number: str
    invoice_number: str
    note: str


def invoices_of(account: Account, *, limit: int, offset: int) -> Page[BillingHistory]:
    """A page of the account's invoices, newest first. Raises ValueError for a page out of bounds."""
    found = BillingHistory.objects.filter(account=account, number__isnull=False)
    return page_of(found.select_related("collection").order_by("-id"), limit=limit, offset=offset)


def invoice_of(account: Account, reference: str) -> BillingHistory:
    """The account's invoice of that number or id, with its lines, events, payments and credit notes.

    Raises NotFound, in the same words, for a draft, another account's invoice, and none.
    """
    found = BillingHistory.objects.filter(account=account, number__isnull=False)
    if reference.isascii() and reference.isdecimal():
        found = found.filter(pk=min(int(reference[:20]), LARGEST_ID))
    else:
        # PostgreSQL's text holds no NUL, which an URL may well contain.
        found = found.filter(number=reference.replace("\x00", ""))
    invoice = _whole(found).first()
    if invoice is None:
        raise NotFound("There is no such invoice.", code="invoice_unknown")
    return invoice


def line_billing(call: APIUsageLog, period: BillingPeriod) -> InvoiceLine | None:
    """The line that bills `call`, of the invoice that `period` (the call's) was closed with; None while there
    is no such invoice with a number.
    """
    late = call.occurred_at < period.period_start
    lines = InvoiceLine.objects.filter(
        invoice__billing_period=period,
        invoice__number__isnull=False,
        kind=LineKindChoices.LATE_USAGE if late else LineKindChoices.USAGE,
        provider=call.provider,
        model=call.model,
        price=call.price_id,
    )
    return lines.select_related("invoice__collection").first()


def payment_url(invoice: BillingHistory) -> str:
    """Where the customer can pay the invoice now; empty where nothing is to pay, or nobody collects it."""
    collection = getattr(invoice, "collection", None)
    if collection is None or not allows(InvoiceState(invoice.state), InvoiceState.PAID):
        return ""
    return str(collection.hosted_url)


def transactions_of(account: Account, *, limit: int, offset: int) -> Page[Transaction]:
    """A page of the account's invoices, payments and credit notes together, newest first.

    Raises ValueError for a page out of bounds.
    """
    invoices = BillingHistory.objects.filter(account=account, number__isnull=False)
    kinds = (
        _rows(
            invoices,
            TransactionKind.INVOICE,
            on=F("finalized_at"),
            sum=F("total"),
            status=F("state"),
            own=F("number"),
            of_invoice=F("number"),
            note=F("reason"),
        ),
        _rows(
            Payment.objects.filter(account=account),
            TransactionKind.PAYMENT,
            on=F("at"),
            sum=F("amount"),
            status=F("state"),
            own=Value("", output_field=CharField()),
            of_invoice=F("invoice__number"),
            note=F("method"),
        ),
        _rows(
            CreditNote.objects.filter(account=account),
            TransactionKind.CREDIT_NOTE,
            on=F("created_at"),
            sum=F("amount"),
            status=F("kind"),
            own=F("number"),
            of_invoice=F("invoice__number"),
            note=F("reason"),
        ),
    )
    found = kinds[0].union(*kinds[1:], all=True).order_by("-on", "-what", "-pk")
    page = page_of(found, limit=limit, offset=offset)
    return Page(
        rows=[_transaction(*row) for row in page.rows],
        total_count=page.total_count,
        has_more=page.has_more,
    )


def grants_of(account: Account, *, at_most: int) -> list[CreditGrant]:
    """The account's credits, newest first."""
    return list(CreditGrant.objects.filter(account=account).order_by("-id")[:at_most])


def ledger_of(account: Account, *, limit: int, offset: int) -> Page[CreditEntry]:
    """A page of what happened to the account's credits, newest first. Raises ValueError out of bounds."""
    found = CreditEntry.objects.filter(account=account).select_related("grant", "invoice")
    return page_of(found.order_by("-id"), limit=limit, offset=offset)


def profile_of(account: Account) -> BillingProfile | None:
    """Whom the account's invoices go to, and its card; None where nothing is known yet."""
    return BillingProfile.objects.filter(account=account).first()


def page_of(found: "QuerySet[Any, Row]", *, limit: int, offset: int) -> Page[Row]:
    """Rows `offset` to `offset` + `limit` of an ordered set; reads one more to know whether more follow, and
    counts all only where the page does not show where they end.
    """
    if limit < 1 or not 0 <= offset <= MAX_OFFSET:
        raise ValueError(f"a page needs a limit of at least 1 and an offset in 0..{MAX_OFFSET}")
    rows = list(found[offset : offset + limit + 1])
    has_more = len(rows) > limit
    is_last = not has_more and (rows or not offset)
    total_count = offset + len(rows) if is_last else found.count()
    return Page(rows=rows[:limit], total_count=total_count, has_more=has_more)


def _whole(invoices: "QuerySet[BillingHistory]") -> "QuerySet[BillingHistory]":
    return invoices.select_related("account", "collection", "plan_version__plan").prefetch_related(
        Prefetch("lines", InvoiceLine.objects.order_by("position")),
        Prefetch("events", InvoiceEvent.objects.order_by("id")),
        Prefetch("payments", Payment.objects.order_by("id")),
        Prefetch("credit_notes", CreditNote.objects.order_by("id")),
    )


def _rows(found: "QuerySet[Any]", kind: TransactionKind, **columns: Any) -> "QuerySet[Any, Any]":
    what = Value(kind.value, output_field=CharField())
    rows: QuerySet[Any, Any] = found.order_by().values_list("pk").annotate(what=what, **columns)
    return rows


def _transaction(
    pk: int, kind: str, at: datetime, amount: Decimal, state: str, number: str, invoice_number: str, note: str
) -> Transaction:
    return Transaction(
        kind=TransactionKind(kind),
        id=pk,
        at=at,
        amount=amount,
        state=state,
        number=number,
        invoice_number=invoice_number,
        note=note,
    )
