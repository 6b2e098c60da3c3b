"""What is decided while a push is on its way."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from subscriptions.models import BillingHistory, BillingProfile, Payment
from subscriptions.stripe import holds
from tests.support.cast import NOW, an_account
from tests.support.concurrency import holding, wait_for_blocked_session
from tests.support.paying import a_saved_card, an_invoice, collection_of, pushed
from usage.models import Account

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_stripe")]
LATER = NOW + timedelta(days=14)


def push_meanwhile(invoice: BillingHistory, act: Callable[[], object]) -> None:
    """Push with `act` in the middle: the invoice is at Stripe, and a charge that failed is being written."""

    def push() -> None:
        try:
            pushed(at=LATER)
        finally:
            connection.close()

    pushing = threading.Thread(target=push)
    with holding(f"SELECT FROM billing_history WHERE id = {invoice.pk} FOR UPDATE") as release:
        pushing.start()
        wait_for_blocked_session()
        act()
        release()
    pushing.join()


def declined(account: Account) -> BillingHistory:
    a_saved_card(account, "pm_card_chargeCustomerFail")
    invoice = an_invoice(account)
    pushed()
    return invoice


def test_no_card_is_charged_once_the_account_is_held() -> None:
    account = an_account()
    invoice = declined(account)
    a_saved_card(account, at=LATER)

    push_meanwhile(invoice, lambda: holds.put(account, holds.FRAUD, at=LATER))

    assert not Payment.objects.filter(state="succeeded").exists()
    holds.lift(account, at=LATER)
    pushed(at=LATER)
    assert Payment.objects.filter(state="succeeded").count() == 1


def test_a_card_that_comes_meanwhile_pays_at_once_and_no_attempt_has_failed() -> None:
    account = an_account()
    invoice = declined(account)
    BillingProfile.objects.update(payment_method_id="", card_last4="")

    push_meanwhile(invoice, lambda: a_saved_card(account, at=LATER))

    assert collection_of(invoice).failed_attempts == 1
    assert Payment.objects.filter(state="succeeded").count() == 1
