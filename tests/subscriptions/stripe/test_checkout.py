"""Saving a card on Stripe's page, and subscribing with it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from subscriptions import changes
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import (
    BillingHistory,
    BillingProfile,
    ChangeKind,
    CompletedCheckout,
    InvoiceCollection,
    SubscriptionChange,
    UserSubscription,
)
from subscriptions.stripe import checkout
from tests.support.cast import NOW, an_account
from tests.support.concurrency import at_once
from tests.support.paying import BACK, a_checkout, a_saved_card, an_invoice, library, pushed
from tests.support.subscribing import MONTHLY, TESTS, YEARLY, a_plan
from usage.core.errors import SubscriptionException
from usage.models import Account

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_stripe")]

MASTERCARD = "5555555555554444"


def card_of(account: Account) -> str:
    profile = BillingProfile.objects.get(account=account)
    return f"{profile.card_brand} {profile.card_last4} {profile.card_exp_month}/{profile.card_exp_year}"


def test_a_saved_card_is_known_by_what_its_owner_may_see() -> None:
    account = an_account()
    session_id = a_checkout(account)

    assert checkout.complete(session_id, at=NOW)

    assert card_of(account) == "visa 4242 12/2040"
    assert not UserSubscription.objects.exists()


def test_the_page_says_what_is_charged_now() -> None:
    account = an_account()
    plan = a_plan(price="29.90")

    checkout.checkout_url(account, plan=plan, cycle=YEARLY, return_url=BACK, at=NOW)

    (session,) = library().v1.checkout.sessions.list().data
    assert session.custom_text.submit is not None
    assert session.custom_text.submit.message == "Team, yearly. You will be charged 299.00 USD now."
    assert session.success_url == f"{BACK}?checkout=done"


def test_a_trial_says_that_nothing_is_charged_now() -> None:
    checkout.checkout_url(an_account(), plan=a_plan(trial_days=14), cycle=MONTHLY, return_url=BACK, at=NOW)

    (session,) = library().v1.checkout.sessions.list().data
    assert session.custom_text.submit is not None
    assert session.custom_text.submit.message.endswith("Nothing is charged now.")


def test_with_the_card_comes_the_plan_and_its_invoice_is_paid() -> None:
    account = an_account()
    session_id = a_checkout(account, plan=a_plan())

    checkout.complete(session_id, at=NOW)
    pushed()

    assert UserSubscription.objects.get(account=account).plan.key == "team"
    assert BillingHistory.objects.get().state == InvoiceState.PAID
    change = SubscriptionChange.objects.get()
    assert (change.kind, change.actor) == (ChangeKind.STARTED, "Stripe Checkout")


def test_a_session_that_is_completed_again_later_changes_nothing() -> None:
    account = an_account()
    small, large = a_plan("small", price="10"), a_plan("large", price="50")
    session_id = a_checkout(account, plan=small)
    checkout.complete(session_id, at=NOW)
    changes.subscribe(account, plan=large, cycle=MONTHLY, at=NOW + timedelta(days=1), by=TESTS)

    assert checkout.complete(session_id, at=NOW + timedelta(days=2))

    subscription = UserSubscription.objects.get()
    assert (subscription.plan, subscription.pending_plan) == (large, None)


@pytest.mark.django_db(transaction=True)
def test_a_session_completed_at_once_by_many_subscribes_once() -> None:
    account = an_account()
    session_id = a_checkout(account, plan=a_plan())

    answers = at_once(lambda _: checkout.complete(session_id, at=NOW), times=4)

    assert answers == [True] * 4
    assert CompletedCheckout.objects.count() == 1
    assert SubscriptionChange.objects.count() == 1
    assert BillingHistory.objects.count() == 1


def test_an_unfinished_session_is_of_no_interest() -> None:
    checkout.card_url(an_account(), return_url=BACK, at=NOW)
    (session,) = library().v1.checkout.sessions.list().data

    assert not checkout.complete(session.id, at=NOW)


def test_a_newer_card_takes_the_place_of_the_older_in_whatever_order_they_are_told() -> None:
    account = an_account()
    with time_machine.travel(NOW, tick=False) as clock:
        older = a_checkout(account)
        clock.shift(timedelta(minutes=1))
        newer = a_checkout(account, number=MASTERCARD)

        for session_id in (newer, older):
            checkout.complete(session_id, at=NOW)

    assert card_of(account).startswith("mastercard 4444")


def test_a_new_card_pays_what_is_open() -> None:
    account = an_account()
    a_saved_card(account, "pm_card_chargeCustomerFail")
    invoice = an_invoice(account)
    pushed()
    invoice.refresh_from_db()
    assert invoice.state == InvoiceState.OPEN

    checkout.complete(a_checkout(account, number=MASTERCARD), at=NOW + timedelta(hours=1))

    assert InvoiceCollection.objects.get().next_payment_at == NOW + timedelta(hours=1)


def test_a_plan_that_is_not_the_accounts_to_choose_has_no_page() -> None:
    with pytest.raises(SubscriptionException):
        checkout.checkout_url(
            an_account(), plan=a_plan(visibility="hidden"), cycle=MONTHLY, return_url=BACK, at=NOW
        )


def test_the_portal_leads_back(settings: Any) -> None:
    url = checkout.portal_url(an_account(), return_url=BACK, at=NOW)

    assert url.startswith(f"{settings.STRIPE_API_BASE}/portal/")
