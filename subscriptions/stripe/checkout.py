"""Stripe's pages for customers: to save a card, with a plan that it is for, and to manage cards."""

import hashlib
import json
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.db import transaction

from subscriptions import changes, month_close, plans
from subscriptions.actors import Actor
from subscriptions.core.terms import BillingCycle
from subscriptions.models import BillingProfile, CompletedCheckout, SubscriptionPlan, UserSubscription
from subscriptions.stripe import cards, client, customers
from subscriptions.stripe.errors import StripeRefused
from usage.core.money import to_cents
from usage.models import Account

CHECKOUT = Actor(name="Stripe Checkout")


def checkout_url(
    account: Account,
    *,
    plan: SubscriptionPlan,
    cycle: BillingCycle,
    return_url: str,
    at: datetime,
    key: str = "",
) -> str:
    """A page on which a card is saved; then the account is subscribed to the plan, and charged what the page
    says. Asked again under the same `key`, it is the same page as long as it says the same. Raises
    SubscriptionException when the plan is not the account's to choose.
    """
    plans.require_sold(plan, account=account, by_staff=False)
    due = to_cents(changes.due_now(account, plan=plan, cycle=cycle, at=at))
    tax = ", and tax where it is due" if settings.STRIPE_TAX else ""
    charged = f"You will be charged {due:,.2f} USD now{tax}." if due else "Nothing is charged now."
    return _page(
        account,
        metadata={"plan": str(plan.pk), "cycle": cycle.value},
        message=f"{plan.name}, {cycle.value}. {charged}",
        return_url=return_url,
        at=at,
        key=key,
    )


def card_url(account: Account, *, return_url: str, at: datetime, key: str = "") -> str:
    """A page on which a card is saved, which then pays the account's invoices; the same one for a `key`."""
    return _page(account, metadata={}, message="", return_url=return_url, at=at, key=key)


def portal_url(account: Account, *, return_url: str, at: datetime) -> str:
    """A page on which cards are managed."""
    profile = customers.ensured(account, at=at)
    return client.create_portal(profile.stripe_customer_id or "", return_url=return_url)


def complete(session_id: str, *, at: datetime) -> bool:
    """Take over the card that was saved in a session, and subscribe to its plan: for each session once.

    Whether the session is of one of our customers. Raises what `changes.subscribe` does.
    """
    session = client.checkout(session_id)
    profile = (
        BillingProfile.objects.select_related("account")
        .filter(stripe_customer_id=session.customer_id or None)
        .first()
    )
    if profile is None or not session.is_complete or session.card is None:
        return False
    if CompletedCheckout.objects.filter(session_id=session_id).exists():
        return True
    cards.prefer(profile, session.card)
    cards.sync(profile, at=at)
    subscription = _complete_once(
        session_id,
        profile.account,
        plan_id=session.metadata.get("plan", ""),
        cycle=session.metadata.get("cycle", ""),
        at=at,
    )
    if subscription is not None:
        # Left undone by a killed run, the sweep of changes does it.
        month_close.invoice_of(subscription, at=at)
    return True


def _complete_once(
    session_id: str, account: Account, *, plan_id: str, cycle: str, at: datetime
) -> UserSubscription | None:
    with transaction.atomic():
        _, is_new = CompletedCheckout.objects.get_or_create(
            session_id=session_id, defaults={"account": account, "completed_at": at}
        )
        if not is_new or not plan_id:
            return None
        plan = SubscriptionPlan.objects.filter(pk=plan_id).first()
        if plan is None:
            raise StripeRefused(f"The session {session_id} names plan {plan_id}, and there is none.")
        return changes.subscribe(account, plan=plan, cycle=BillingCycle(cycle), at=at, by=CHECKOUT)


def _page(
    account: Account, *, metadata: dict[str, str], message: str, return_url: str, at: datetime, key: str
) -> str:
    customer_id = customers.ensured(account, at=at).stripe_customer_id or ""
    return client.create_checkout(
        customer_id,
        metadata={"account": account.external_id, **metadata},
        message=message,
        success_url=_with(return_url, checkout="done"),
        cancel_url=_with(return_url, checkout="canceled"),
        key=_key(key, customer_id, metadata, message, return_url) if key else None,
    )


def _key(*asked: object) -> str:
    """Stripe's idempotency key for what a client asks for under a key of its own.

    All that is asked is part of it: an amount that has changed meanwhile, or a key that another account or
    another request has, makes another page.
    """
    return f"page-{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()}"


def _with(url: str, **parameters: str) -> str:
    """The address with parameters in its query, before what it may have behind a #."""
    parts = urlsplit(url)
    told = urlencode(parameters)
    return parts._replace(query=f"{parts.query}&{told}" if parts.query else told).geturl()
