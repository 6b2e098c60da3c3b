"""What Stripe knows of an invoice and its charges, taken over. Whoever tells, in whatever order and however
often: it is fetched, and written down once.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from subscriptions import invoicing, lifecycle, payments, settling
from subscriptions.actors import SYSTEM
from subscriptions.core.invoices import InvoiceState
from subscriptions.core.states import USABLE, State
from subscriptions.models import (
    BillingHistory,
    CreditNote,
    CreditNoteKind,
    InvoiceCollection,
    InvoiceEventKind,
    Payment,
    PaymentState,
    UserSubscription,
)
from subscriptions.stripe import client, holds
from subscriptions.stripe.remote import RemoteCharge, RemoteDispute, RemoteInvoice
from usage.core.errors import Conflict
from usage.core.money import ZERO

SUCCEEDED, FAILED = "succeeded", "failed"
WON = frozenset({"won", "warning_closed", "prevented"})
LOST = frozenset({"lost"})


def invoice(ours: BillingHistory, twin: RemoteInvoice, *, at: datetime) -> None:
    """Take over what happened to the twin of one of our invoices."""
    InvoiceCollection.objects.filter(invoice=ours).update(
        stripe_status=twin.status, hosted_url=twin.hosted_url[:1000]
    )
    for tried in client.charges_of(twin):
        _record(ours, tried, at=at)
    _settle_as_there(ours, twin, at=at)


def invoice_by_id(stripe_invoice_id: str, *, at: datetime) -> bool:
    """Take over an invoice by its id at Stripe; whether it is one of ours."""
    twin = client.invoice(stripe_invoice_id)
    known = InvoiceCollection.objects.filter(stripe_invoice_id=twin.id).select_related("invoice").first()
    if known is None:
        return False
    invoice(known.invoice, twin, at=at)
    return True


def charge(charge_id: str, *, at: datetime) -> bool:
    """Take over a charge: what it paid, what of it was given back or is disputed; whether it is of ours."""
    found = client.charge(charge_id)
    payment = Payment.objects.filter(stripe_charge_id=charge_id).select_related("invoice").first()
    if payment is None:
        paid = client.invoice_of_payment(found.payment_intent_id) if found.payment_intent_id else None
        if paid is None or not invoice_by_id(paid, at=at):
            return False
        payment = Payment.objects.filter(stripe_charge_id=charge_id).select_related("invoice").first()
    if payment is not None:
        apply(payment, found, at=at)
    return payment is not None


def apply(payment: Payment, found: RemoteCharge, *, at: datetime) -> None:
    """Write down what became of a charge that is recorded."""
    dispute = client.dispute_of(found.id) if found.disputed else None
    with transaction.atomic():
        ours = invoicing.locked(payment.invoice)
        payment = Payment.objects.select_for_update().select_related("account").get(pk=payment.pk)
        given_back = found.refunded - payment.refunded
        payment.refunded = found.refunded
        if dispute is not None:
            _contest(payment, ours, dispute, at=at)
        payment.state = _state(payment)
        payment.save(update_fields=["refunded", "state", "stripe_dispute_id", "dispute_status"])
        if given_back > 0:
            _note_refund(ours, given_back, at=at)
        if dispute is not None and dispute.status in WON:
            holds.dispute_is_over(payment.account, at=at)


def warn(charge_id: str, *, fraud_type: str, at: datetime) -> bool:
    """The card's issuer suspects fraud: charge the account no more and let it make no calls, until somebody
    has looked. Whether the charge is of ours.
    """
    if not charge(charge_id, at=at):
        return False
    with transaction.atomic():
        new = Payment.objects.filter(stripe_charge_id=charge_id, fraud_warning="")
        if new.update(fraud_warning=fraud_type[:64]):
            payment = Payment.objects.select_related("account").get(stripe_charge_id=charge_id)
            holds.put(payment.account, holds.FRAUD, at=at)
            _pause(payment, f"The card's issuer warns of fraud ({fraud_type}).", cause="fraud_warning", at=at)
    return True


def _record(ours: BillingHistory, tried: RemoteCharge, *, at: datetime) -> None:
    if tried.status not in (SUCCEEDED, FAILED):
        return
    payment = payments.record(
        ours,
        payments.Charge(
            id=tried.id,
            payment_intent_id=tried.payment_intent_id,
            amount=tried.amount,
            method=tried.method,
            at=tried.at,
            failure_code=tried.failure_code,
            failure_message=tried.failure_message,
        ),
        at=at,
    )
    if payment.refunded != tried.refunded or tried.disputed:
        apply(payment, tried, at=at)


def _settle_as_there(ours: BillingHistory, twin: RemoteInvoice, *, at: datetime) -> None:
    """What was done with the invoice in Stripe's dashboard is done here."""
    ours = BillingHistory.objects.get(pk=ours.pk)
    if ours.state not in (InvoiceState.OPEN, InvoiceState.UNCOLLECTIBLE):
        return
    try:
        if twin.status == "paid":
            payments.record_by_hand(
                ours,
                amount=ours.amount_remaining,
                method="outside Stripe",
                reference=f"Marked as paid at Stripe: {twin.id}",
                at=at,
                by=SYSTEM,
            )
        elif twin.status == "void":
            settling.void(ours, at=at, by=SYSTEM, reason="Voided at Stripe.")
        elif twin.status == "uncollectible" and ours.state == InvoiceState.OPEN:
            settling.give_up(ours, at=at, by=SYSTEM, reason="Given up at Stripe.")
    except Conflict:
        # Another one took it over, or part of it is paid here: `reconcile` tells what then differs.
        return


def _contest(payment: Payment, ours: BillingHistory, dispute: RemoteDispute, *, at: datetime) -> None:
    ended = payment.stripe_dispute_id == dispute.id and payment.dispute_status in WON | LOST
    if ended and dispute.status not in WON | LOST:
        # Fetched before it ended, and written by a worker that was slower than the one who saw it end.
        return
    if not payment.stripe_dispute_id:
        invoicing.note(
            ours, InvoiceEventKind.DISPUTED, at=at, by=SYSTEM, reason=f"Disputed: {dispute.reason}"
        )
    if dispute.status not in WON and payment.dispute_status != dispute.status:
        holds.put(payment.account, holds.DISPUTED, at=at)
    if dispute.status in LOST and payment.dispute_status not in LOST:
        _pause(payment, "A payment was lost in a dispute.", cause="dispute_lost", at=at)
    payment.stripe_dispute_id, payment.dispute_status = dispute.id, dispute.status


def _state(payment: Payment) -> PaymentState:
    if payment.state == PaymentState.FAILED:
        return PaymentState.FAILED
    if payment.dispute_status in LOST:
        return PaymentState.LOST
    if payment.dispute_status and payment.dispute_status not in WON:
        return PaymentState.DISPUTED
    return PaymentState.REFUNDED if payment.refunded == payment.amount else PaymentState.SUCCEEDED


def _note_refund(ours: BillingHistory, given_back: Decimal, *, at: datetime) -> None:
    """Note what was given back in Stripe's dashboard; our own credit notes are noted already."""
    ordered = CreditNote.objects.filter(invoice=ours, kind=CreditNoteKind.TO_CARD)
    refunded = Payment.objects.filter(invoice=ours).aggregate(sum=Sum("refunded"))["sum"] or ZERO
    elsewhere = refunded - (ordered.aggregate(sum=Sum("amount"))["sum"] or ZERO)
    if elsewhere > 0:
        amount = min(given_back, elsewhere)
        invoicing.note(
            ours, InvoiceEventKind.REFUNDED, at=at, by=SYSTEM, reason="Refunded at Stripe.", amount=amount
        )


def _pause(payment: Payment, reason: str, *, cause: str, at: datetime) -> None:
    subscription = UserSubscription.objects.filter(account=payment.account_id).first()
    if subscription is not None and State(subscription.state) in USABLE:
        lifecycle.pause(subscription, at=at, by=SYSTEM, reason=reason, cause=cause)
