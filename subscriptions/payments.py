"""Payments: what was paid or could not be, each charge recorded once whoever tells of it and how often.

Locks: the invoice, then what follows from it (`subscriptions.dunning`).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from subscriptions import credits, dunning, invoicing
from subscriptions.actors import SYSTEM, Actor
from subscriptions.core.invoices import InvoiceState, allows
from subscriptions.models import (
    BillingHistory,
    CreditKind,
    InvoiceCollection,
    InvoiceEventKind,
    Payment,
    PaymentState,
)
from usage.core.errors import Conflict, InvalidRequest
from usage.core.money import ZERO, format_amount, is_cents

NO_CARD = "no_payment_method"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A charge as Stripe reports it. `amount` is USD; a failed one says why."""

    id: str
    payment_intent_id: str
    amount: Decimal
    method: str
    at: datetime
    failure_code: str = ""
    failure_message: str = ""

    @property
    def has_failed(self) -> bool:
        return bool(self.failure_code)


def record(invoice: BillingHistory, charge: Charge, *, at: datetime) -> Payment:
    """Record what a charge of the invoice came to; one that is known is left as it is."""
    with transaction.atomic():
        invoice = invoicing.locked(invoice)
        known = Payment.objects.filter(stripe_charge_id=charge.id).first()
        if known is not None:
            return known
        payment = Payment.objects.create(
            account=invoice.account,
            invoice=invoice,
            state=PaymentState.FAILED if charge.has_failed else PaymentState.SUCCEEDED,
            amount=charge.amount,
            stripe_charge_id=charge.id,
            stripe_payment_intent_id=charge.payment_intent_id,
            method=charge.method,
            failure_code=charge.failure_code,
            failure_message=charge.failure_message[:300],
            at=charge.at,
            actor=SYSTEM.name,
        )
        if not charge.has_failed:
            _receive(invoice, charge.amount, at=at, by=SYSTEM)
        elif invoice.state == InvoiceState.OPEN and dunning.is_attempt(invoice, charge.at):
            dunning.failed(invoice, code=charge.failure_code, message=charge.failure_message, at=at)
    return payment


def lacks_card(invoice: BillingHistory, *, at: datetime) -> None:
    """An invoice is due and there is no card to charge: that counts as a failed attempt."""
    with transaction.atomic():
        invoice = invoicing.locked(invoice)
        if invoice.state == InvoiceState.OPEN:
            dunning.failed(invoice, code=NO_CARD, message="There is no card to charge.", at=at)


def refused(invoice: BillingHistory, *, attempt: int, code: str, message: str, at: datetime) -> None:
    """A card was refused. Counts as this attempt, unless a failed charge that was recorded is it."""
    with transaction.atomic():
        invoice = invoicing.locked(invoice)
        known = InvoiceCollection.objects.get(invoice=invoice).failed_attempts
        if invoice.state == InvoiceState.OPEN and known < attempt:
            dunning.failed(invoice, code=code, message=message, at=at)


def record_by_hand(
    invoice: BillingHistory, *, amount: Decimal, method: str, reference: str, at: datetime, by: Actor
) -> Payment:
    """Record money that came another way than through Stripe, such as a bank transfer, for an open invoice.

    Raises Conflict when nothing is open, InvalidRequest for more than is.
    """
    with transaction.atomic():
        invoice = invoicing.locked(invoice)
        if not allows(InvoiceState(invoice.state), InvoiceState.PAID) or invoice.number is None:
            raise Conflict(f"{invoice} is {invoice.get_state_display().lower()}: nothing of it is open.")
        if not is_cents(amount) or not 0 < amount <= invoice.amount_remaining:
            remaining = format_amount(invoice.amount_remaining)
            raise InvalidRequest(f"amount: between 0.01 and {remaining} USD, in whole cents.")
        payment = Payment.objects.create(
            account=invoice.account,
            invoice=invoice,
            state=PaymentState.SUCCEEDED,
            amount=amount,
            method=method,
            reference=reference,
            at=at,
            actor=by.name,
        )
        _receive(invoice, amount, at=at, by=by)
        # Stripe's page is to ask for what is left, and for no more.
        dunning.tell(invoice, at=at)
    return payment


def _receive(invoice: BillingHistory, amount: Decimal, *, at: datetime, by: Actor) -> None:
    """Count `amount` towards a locked invoice; what is beyond what it still asks for becomes a credit."""
    can_be_paid = invoice.state in (InvoiceState.OPEN, InvoiceState.UNCOLLECTIBLE)
    counted = min(amount, invoice.amount_remaining) if can_be_paid else ZERO
    if counted:
        invoice.amount_paid += counted
        settle(invoice, at=at, by=by)
    if counted < amount:
        credits.grant(
            invoice.account,
            kind=CreditKind.REFUND,
            amount=amount - counted,
            reason=f"Paid beyond what invoice {invoice.number} asked for.",
            at=at,
            by=SYSTEM,
        )


def settle(invoice: BillingHistory, *, at: datetime, by: Actor) -> None:
    """Save a locked invoice whose paid or credited amount has grown: nothing left makes it paid."""
    if not invoice.amount_remaining:
        invoice.state, invoice.paid_at, invoice.ended_at = InvoiceState.PAID, at, None
    invoice.save(update_fields=["state", "amount_paid", "amount_credited", "paid_at", "ended_at"])
    if invoice.state == InvoiceState.PAID:
        invoicing.note(invoice, InvoiceEventKind.PAID, at=at, by=by, amount=invoice.amount_paid)
        dunning.settled(invoice, at=at)
