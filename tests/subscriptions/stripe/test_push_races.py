"""What is decided while a push is on its way."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from subscriptions.models import BillingHistory, BillingProfile, Payment
from subscriptions.stripe import holds, sync
from tests.support.cast import NOW, an_account
from tests.support.concurrency import holding, wait_for_blocked_session
from tests.support.paying import a_saved_card, an_invoice, collection_of, library, pushed
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


def test_a_dispute_that_was_won_stays_won_when_a_slower_worker_saw_it_open() -> None:
    account = an_account()
    a_saved_card(account, "pm_card_createDispute")
    invoice = an_invoice(account)
    pushed()
    payment = Payment.objects.get()
    (dispute,) = library().v1.disputes.list().data

    def take_over() -> None:
        try:
            sync.charge(payment.stripe_charge_id or "", at=LATER)
        finally:
            connection.close()

    slower = threading.Thread(target=take_over)
    with holding(f"SELECT FROM billing_history WHERE id = {invoice.pk} FOR UPDATE") as release:
        slower.start()
        wait_for_blocked_session()
        Payment.objects.update(stripe_dispute_id=dispute.id, dispute_status="won", state="succeeded")
        holds.lift(account, at=LATER)
        release()
    slower.join()

    payment.refresh_from_db()
    assert (payment.dispute_status, payment.state) == ("won", "succeeded")
    assert not BillingProfile.objects.get(account=account).hold_reason


def test_a_card_that_comes_meanwhile_pays_at_once_and_no_attempt_has_failed() -> None:
    account = an_account()
    invoice = declined(account)
    BillingProfile.objects.update(payment_method_id="", card_last4="")

    push_meanwhile(invoice, lambda: a_saved_card(account, at=LATER))

    assert collection_of(invoice).failed_attempts == 1
    assert Payment.objects.filter(state="succeeded").count() == 1
