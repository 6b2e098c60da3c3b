"""Accounts that pay: with a card on their profile, and with one at the simulator."""

import http.client
import json
from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

import stripe
from django.conf import settings
from django.utils import timezone

from subscriptions import month_close
from subscriptions.actors import Actor
from subscriptions.models import BillingHistory, BillingProfile, InvoiceCollection, SubscriptionPlan
from subscriptions.stripe import cards, checkout, client, customers, inbox, push, rows
from tests.support.cast import NOW, an_account
from tests.support.subscribing import MONTHLY, a_plan, start
from usage.models import Account

AT_MOST = 100
STAFF = Actor(name="staff")
BACK = "https://testserver/back"


def a_card(account: Account, *, at: datetime = NOW, **fields: Any) -> BillingProfile:
    """The account's profile with a card that is good for years, as if it had been saved at Stripe."""
    card = {
        "stripe_customer_id": f"cus_{account.pk}",
        "payment_method_id": f"pm_{account.pk}",
        "card_brand": "visa",
        "card_last4": "4242",
        "card_exp_month": 12,
        "card_exp_year": 2040,
        "updated_at": at,
    }
    profile, _ = BillingProfile.objects.update_or_create(account=account, defaults={**card, **fields})
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


def an_invoice(
    account: Account | None = None, *, plan: SubscriptionPlan | None = None, at: datetime = NOW
) -> BillingHistory:
    """The final invoice of a subscription's first month, of 30 USD unless the plan costs something else."""
    subscription = start(plan or a_plan(), account=account or an_account(), at=at)
    invoice = month_close.invoice_of(subscription, at=at)
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


def processed(*, at: datetime | None = None) -> None:
    """All webhooks that wait are processed."""
    while inbox.process_due(at=at or timezone.now(), limit=AT_MOST):
        pass


def signed(body: str, *, at: datetime | None = None) -> str:
    """The header with which Stripe signs a webhook."""
    moment = int((at or timezone.now()).timestamp())
    return stripe.WebhookSignature.generate_signature_header(body, settings.STRIPE_WEBHOOK_SECRET, moment)


def an_event_of_stripe(
    kind: str,
    *,
    object_id: str = "obj_1",
    event_id: str = "",
    created: int = 1_764_000_000,
    livemode: bool = False,
) -> str:
    """The body of a webhook."""
    about = {"object": {"id": object_id}}
    event = {"id": event_id or f"evt_{kind}_{object_id}"[:64], "type": kind, "created": created}
    return json.dumps({**event, "object": "event", "livemode": livemode, "data": about})


def a_checkout(
    account: Account, *, plan: SubscriptionPlan | None = None, number: str = "4242424242424242"
) -> str:
    """The id of a Checkout session in which the account's owner saved a card, for the plan if any."""
    if plan is None:
        url = checkout.card_url(account, return_url=BACK, at=NOW)
    else:
        url = checkout.checkout_url(account, plan=plan, cycle=MONTHLY, return_url=BACK, at=NOW)
    return fill_in(url, number=number)


def fill_in(url: str, *, number: str = "4242424242424242") -> str:
    """Enter a card on Stripe's page at `url`; the id of the session."""
    address = urlsplit(url)
    page = http.client.HTTPConnection(address.netloc, timeout=10)
    try:
        form = urlencode({"number": number, "expiry": "12 / 40", "cvc": "123", "name": "Ada"})
        page.request("POST", address.path, form, {"Content-Type": "application/x-www-form-urlencoded"})
        assert page.getresponse().status == HTTPStatus.SEE_OTHER
    finally:
        page.close()
    return address.path.rsplit("/", 1)[-1]


def twin_of(invoice: BillingHistory) -> stripe.Invoice:
    return library().v1.invoices.retrieve(collection_of(invoice).stripe_invoice_id or "")


def deliver(events: Iterable[stripe.Event] | None = None) -> None:
    """Our inbox gets these webhooks of Stripe's; else all there are, oldest first."""
    if events is None:
        events = list(library().v1.events.list({"limit": AT_MOST}).auto_paging_iter())[::-1]
    for event in events:
        body = json.dumps(event.to_dict(), default=str)
        inbox.receive(body.encode(), signature=signed(body), at=timezone.now())
