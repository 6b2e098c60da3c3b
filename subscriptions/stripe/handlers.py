"""What each kind of event makes us do: fetch what it is about, and take that over.

An event only says where to look, so that order and repetition do not matter.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from subscriptions.models import BillingProfile
from subscriptions.stripe import cards, checkout, client, customers, refunds, sync
from subscriptions.stripe.errors import StripeMissing

# Called with the object's id and `at`; answers whether it was about something of ours.
Handler = Callable[..., bool]


def handle(kind: str, *, object_id: str, at: datetime) -> bool:
    """Take over what the event is about; False for what is of no interest, not ours, or gone."""
    handler = HANDLERS.get(kind)
    if handler is None or not object_id:
        return False
    try:
        return handler(object_id, at=at)
    except StripeMissing:
        return False


def _customer(customer_id: str, *, at: datetime) -> bool:
    profile = BillingProfile.objects.filter(stripe_customer_id=customer_id).first()
    if profile is not None:
        cards.sync(profile, at=at)
    return profile is not None


def _customer_deleted(customer_id: str, *, at: datetime) -> bool:
    profile = BillingProfile.objects.filter(stripe_customer_id=customer_id).first()
    if profile is not None:
        customers.forget(profile, at=at)
    return profile is not None


def _card(card_id: str, *, at: datetime) -> bool:
    # A card that was taken off its customer does not say whose it was.
    holder = BillingProfile.objects.filter(payment_method_id=card_id).first()
    customer_id = (holder and holder.stripe_customer_id) or client.customer_of_card(card_id)
    return _customer(customer_id, at=at)


def _setup(setup_intent_id: str, *, at: datetime) -> bool:
    return _customer(client.customer_of_setup(setup_intent_id), at=at)


def _dispute(dispute_id: str, *, at: datetime) -> bool:
    return sync.charge(client.dispute(dispute_id).charge_id, at=at)


def _warning(warning_id: str, *, at: datetime) -> bool:
    warning = client.warning(warning_id)
    return sync.warn(warning.charge_id, fraud_type=warning.fraud_type, at=at)


def _credit_note(note_id: str, *, at: datetime) -> bool:
    return sync.invoice_by_id(client.credit_note_invoice(note_id), at=at)


def _each(names: str, handler: Handler, *, of: str) -> dict[str, Handler]:
    return {f"{of}.{name}": handler for name in names.split()}


_INVOICE = "finalized updated paid payment_failed payment_succeeded voided marked_uncollectible"
HANDLERS: Mapping[str, Handler] = {
    **_each(_INVOICE, sync.invoice_by_id, of="invoice"),
    **_each("succeeded failed updated refunded expired", sync.charge, of="charge"),
    **_each("created updated closed funds_withdrawn funds_reinstated", _dispute, of="charge.dispute"),
    **_each("created updated failed", refunds.take_over, of="refund"),
    **_each("created updated voided", _credit_note, of="credit_note"),
    **_each("created", _warning, of="radar.early_fraud_warning"),
    **_each("updated", _customer, of="customer"),
    **_each("deleted", _customer_deleted, of="customer"),
    **_each("attached detached updated automatically_updated", _card, of="payment_method"),
    **_each("succeeded", _setup, of="setup_intent"),
    **_each("completed", checkout.complete, of="checkout.session"),
}
