"""Credit notes: the one way to correct a finalized invoice in the customer's favour.

What is still open is reduced; what was paid goes back to the card, or to the account's credit. Stripe hears
of it as of everything: by a state on the row.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet, Sum

from subscriptions import credits, invoicing, payments, tax_reports
from subscriptions.actors import Actor
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import (
    BillingHistory,
    CreditGrant,
    CreditKind,
    CreditNote,
    CreditNoteKind,
    InvoiceEventKind,
    Payment,
    PaymentState,
)
from usage.core.errors import Conflict, InvalidRequest
from usage.core.money import ZERO, format_amount, is_cents

PREFIX = "CN-"


def issue(
    invoice: BillingHistory, *, kind: CreditNoteKind, amount: Decimal, reason: str, at: datetime, by: Actor
) -> CreditNote:
    """Write a credit note over `amount` USD of the invoice.

    Raises Conflict where nothing of the invoice can be credited this way, InvalidRequest for an amount beyond
    what can be, or one that would leave too little to be charged.
    """
    if not reason:
        raise InvalidRequest("reason: say why, the customer reads it.")
    with transaction.atomic():
        invoice = invoicing.locked(invoice)
        most = creditable(invoice, kind)
        if not most:
            raise Conflict(
                f"{invoice} ({invoice.get_state_display().lower()}): nothing of it can be credited this way.",
                code="nothing_to_credit",
            )
        if not is_cents(amount) or not 0 < amount <= most:
            raise InvalidRequest(f"amount: between 0.01 and {format_amount(most)} USD, in whole cents.")
        note = CreditNote.objects.create(
            number=invoicing.next_number(PREFIX, at=at),
            account=invoice.account,
            invoice=invoice,
            kind=kind,
            amount=amount,
            reason=reason,
            grant=_grant(invoice, amount, reason, at=at, by=by) if kind is CreditNoteKind.TO_CREDIT else None,
            push_at=None if kind is CreditNoteKind.TO_CREDIT else at,
            created_at=at,
            actor=by.name,
            actor_user=by.user,
        )
        tax_reports.credited(note, at=at)
        what = InvoiceEventKind.REFUNDED if kind is CreditNoteKind.TO_CARD else InvoiceEventKind.CREDITED
        if kind is CreditNoteKind.REDUCE:
            _reduce(invoice, amount, at=at, by=by)
        invoicing.note(invoice, what, at=at, by=by, reason=f"{note.number}: {reason}", amount=amount)
    return note


def creditable(invoice: BillingHistory, kind: CreditNoteKind) -> Decimal:
    """USD of the invoice that a credit note of `kind` can be over at most."""
    if invoice.state in (InvoiceState.OPEN, InvoiceState.UNCOLLECTIBLE):
        return invoice.amount_remaining if kind is CreditNoteKind.REDUCE else ZERO
    if invoice.state != InvoiceState.PAID or kind is CreditNoteKind.REDUCE:
        return ZERO
    notes = CreditNote.objects.filter(invoice=invoice)
    # Refunds that are still on their way to Stripe are not on the charge yet.
    pending = _sum(notes.filter(kind=CreditNoteKind.TO_CARD, stripe_refund_id=""))
    given = _sum(notes.filter(kind=CreditNoteKind.TO_CREDIT)) + _taken_back(invoice) + pending
    settled: Decimal = max(invoice.amount_paid + invoice.credit_applied - given, ZERO)
    if kind is CreditNoteKind.TO_CREDIT:
        return settled
    by_card = Payment.objects.filter(
        invoice=invoice, state=PaymentState.SUCCEEDED, stripe_charge_id__isnull=False
    )
    # A refund is of one charge.
    charged: Decimal = by_card.aggregate(left=Max(F("amount") - F("refunded")))["left"] or ZERO
    return max(min(settled, charged - pending), ZERO)


def _taken_back(invoice: BillingHistory) -> Decimal:
    """USD of the invoice's payments that went back, whoever saw to it, or are or were lost in a dispute."""
    paid = Payment.objects.filter(invoice=invoice)
    contested = Q(state__in=[PaymentState.DISPUTED, PaymentState.LOST])
    return _sum(paid.filter(contested)) + _sum(paid.exclude(contested), "refunded")


def _sum(rows: QuerySet[Any], column: str = "amount") -> Decimal:
    found: Decimal | None = rows.aggregate(sum=Sum(column))["sum"]
    return found or ZERO


def _grant(invoice: BillingHistory, amount: Decimal, reason: str, *, at: datetime, by: Actor) -> CreditGrant:
    why = f"Credit note to invoice {invoice.number}: {reason}"[:300]
    return credits.grant(invoice.account, kind=CreditKind.REFUND, amount=amount, reason=why, at=at, by=by)


def _reduce(invoice: BillingHistory, amount: Decimal, *, at: datetime, by: Actor) -> None:
    invoice.amount_credited += amount
    if 0 < invoice.amount_remaining < settings.INVOICE_MINIMUM_CHARGE:
        raise InvalidRequest(
            f"amount: this leaves {format_amount(invoice.amount_remaining)} USD, too little to be charged; "
            "credit all of it."
        )
    payments.settle(invoice, at=at, by=by)
