"""Accounts that pay: with a card on their profile, and with one at the simulator."""

from datetime import datetime

import stripe
from django.conf import settings

from subscriptions import month_close
from subscriptions.actors import Actor
from subscriptions.models import BillingHistory, BillingProfile, InvoiceCollection
from subscriptions.stripe import cards, client, customers, push, rows
from tests.support.cast import NOW, an_account
from tests.support.subscribing import a_plan, start
from usage.models import Account

AT_MOST = 100
STAFF = Actor(name="staff")


def a_card(account: Account, *, at: datetime = NOW) -> BillingProfile:
    """The account's profile with a card, as if it had been saved at Stripe."""
    card = {
        "stripe_customer_id": f"cus_{account.pk}",
        "payment_method_id": f"pm_{account.pk}",
        "card_brand": "visa",
        "card_last4": "4242",
        "card_exp_month": 12,
        "card_exp_year": 2040,
        "updated_at": at,
    }
    profile, _ = BillingProfile.objects.update_or_create(account=account, defaults=card)
    return profile


def library() -> stripe.StripeClient:
    """Stripe's library, for what customers and staff do at Stripe."""
    return stripe.StripeClient(settings.STRIPE_API_KEY, base_addresses={"api": settings.STRIPE_API_BASE})


def a_saved_card(account: Account, test_card: str = "pm_card_visa", *, at: datetime = NOW) -> BillingProfile:
    """The account's profile after a card was saved at Stripe."""
    profile = customers.ensured(account, at=at)
    customer_id = profile.stripe_customer_id or ""
    method = library().v1.payment_methods.attach(test_card, {"customer": customer_id})
    client.make_default(customer_id, card_id=method.id)
    cards.sync(profile, at=at)
    profile.refresh_from_db()
    return profile


def an_invoice(account: Account | None = None, *, price: str = "30", at: datetime = NOW) -> BillingHistory:
    """The final invoice of a subscription's first month."""
    account = account or an_account()
    invoice = month_close.invoice_of(start(a_plan(price=price), account=account, at=at), at=at)
    assert invoice is not None
    return invoice


def pushed(*, at: datetime = NOW) -> None:
    """Stripe hears of all that is due."""
    while push.push_due(at=at, limit=AT_MOST):
        pass


def pushed_until_quiet(*, at: datetime = NOW, most: int = 5) -> None:
    """The same, failures tried again each time their wait is over."""
    for number in range(most):
        pushed(at=at + number * rows.LONGEST_RETRY)


def collection_of(invoice: BillingHistory) -> InvoiceCollection:
    return InvoiceCollection.objects.select_related("invoice").get(invoice=invoice)
