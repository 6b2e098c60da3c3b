"""Credit notes whose amount goes back to the card: a refund at Stripe, for each once."""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from subscriptions.models import CreditNote, Payment, PaymentState
from subscriptions.stripe import client, rows, sync
from subscriptions.stripe.errors import StripeRefused
from subscriptions.stripe.remote import RemoteRefund
from usage.core.money import format_amount


def push(note: CreditNote, *, at: datetime) -> None:
    """Give the note's amount back to the card that paid.

    Raises StripeRefused where no charge has so much left.
    """
    with rows.asking(note, at=at):
        refund = _known(note) or _made(note)
    found = client.charge(refund.charge_id)
    payment = Payment.objects.select_related("invoice").get(stripe_charge_id=refund.charge_id)
    # Together: what can still be given back is what was charged less both.
    with transaction.atomic():
        CreditNote.objects.filter(pk=note.pk).update(stripe_refund_id=refund.id, refund_status=refund.status)
        sync.apply(payment, found, at=at)


def take_over(refund_id: str, *, at: datetime) -> bool:
    """What became of a refund, whoever made it; whether it is of one of our charges."""
    refund = client.refund(refund_id)
    CreditNote.objects.filter(stripe_refund_id=refund.id).update(refund_status=refund.status)
    return bool(refund.charge_id) and sync.charge(refund.charge_id, at=at)


def _known(note: CreditNote) -> RemoteRefund | None:
    """The refund that an earlier run made: after it, the charge may have too little left to be found."""
    if note.stripe_refund_id:
        return client.refund(note.stripe_refund_id)
    if note.push_began_at is None:
        return None
    charged = Payment.objects.filter(invoice=note.invoice_id, stripe_charge_id__isnull=False)
    ids = charged.exclude(state=PaymentState.FAILED).values_list("stripe_charge_id", flat=True)
    found = (client.find_refund(charge_id or "", number=note.number) for charge_id in ids)
    return next((refund for refund in found if refund is not None), None)


def _made(note: CreditNote) -> RemoteRefund:
    payment = (
        Payment.objects.filter(
            invoice=note.invoice_id, state=PaymentState.SUCCEEDED, stripe_charge_id__isnull=False
        )
        .filter(amount__gte=F("refunded") + note.amount)
        .order_by("pk")
        .first()
    )
    if payment is None:
        raise StripeRefused(f"{note}: no charge has {format_amount(note.amount)} USD left to give back.")
    return client.create_refund(
        payment.stripe_charge_id or "",
        amount=note.amount,
        number=note.number,
        key=note.push_key("refund", note.pk),
    )
