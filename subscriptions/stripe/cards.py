"""The card that pays an account's invoices: Stripe has it, the profile knows what its owner may see of it."""

from datetime import datetime

from django.db import transaction

from subscriptions import dunning
from subscriptions.models import BillingProfile
from subscriptions.stripe import client, customers
from subscriptions.stripe.errors import StripeMissing
from subscriptions.stripe.remote import RemoteCard


def sync(profile: BillingProfile, *, at: datetime) -> None:
    """Take over the customer's default card from Stripe; one that is new pays what is open."""
    if not profile.stripe_customer_id:
        return
    try:
        card = client.default_card(profile.stripe_customer_id)
    except StripeMissing:
        customers.forget(profile, at=at)
        return
    with transaction.atomic():
        known = BillingProfile.objects.select_for_update().get(pk=profile.pk)
        before = known.payment_method_id
        if _take_over(known, card, at=at) and card is not None and card.id != before:
            dunning.try_again(known.account, at=at)


def prefer(profile: BillingProfile, card: RemoteCard) -> None:
    """Make a card that was just saved the one that pays, unless a newer one does."""
    customer_id = profile.stripe_customer_id or ""
    present = client.default_card(customer_id)
    if present is None or card.created_at >= present.created_at:
        client.make_default(customer_id, card_id=card.id)


def _take_over(profile: BillingProfile, card: RemoteCard | None, *, at: datetime) -> bool:
    """Whether that changed the locked profile."""
    columns = {
        "payment_method_id": card.id if card else "",
        "card_brand": card.brand if card else "",
        "card_last4": card.last4 if card else "",
        "card_exp_month": card.exp_month if card else None,
        "card_exp_year": card.exp_year if card else None,
    }
    if all(getattr(profile, name) == value for name, value in columns.items()):
        return False
    for name, value in columns.items():
        setattr(profile, name, value)
    profile.updated_at = at
    profile.save(update_fields=[*columns, "updated_at"])
    return True
