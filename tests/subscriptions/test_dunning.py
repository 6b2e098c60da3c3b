"""Unpaid invoices and the subscription's own life: terms that end, pauses, cancellations meanwhile."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from subscriptions import changes, lifecycle, payments
from subscriptions.models import BillingHistory, Payment, UserSubscription
from tests.subscriptions.test_payments import a_charge, fail, fail_to_the_last
from tests.support.cast import an_account
from tests.support.invoices import APRIL, MARCH, a_customer, first_invoice
from tests.support.paying import a_card
from tests.support.subscribing import MONTHLY, TESTS, again
from usage.core.errors import SubscriptionException

pytestmark = pytest.mark.django_db
LATER = APRIL + timedelta(seconds=30)
PAUSED = MARCH + timedelta(days=16)


@pytest.fixture
def subscription() -> UserSubscription:
    return a_customer(account=an_account())


@pytest.fixture
def invoice(subscription: UserSubscription) -> BillingHistory:
    return first_invoice(subscription)


def choose_again(subscription: UserSubscription, *, by_staff: bool = False) -> UserSubscription:
    return changes.subscribe(
        subscription.account, plan=subscription.plan, cycle=MONTHLY, at=LATER, by=TESTS, by_staff=by_staff
    )


class TestACancellationThatNobodyHasSeenToYet:
    def test_a_failed_charge_is_recorded(
        self, subscription: UserSubscription, invoice: BillingHistory
    ) -> None:
        lifecycle.cancel(subscription, at=MARCH, by=TESTS)

        fail(invoice, 1, at=LATER)

        assert Payment.objects.get().state == "failed"
        assert again(subscription).state == "canceled"

    @pytest.mark.parametrize("go_unpaid", [lambda invoice: fail(invoice, 1), fail_to_the_last])
    def test_a_payment_is_recorded(
        self,
        subscription: UserSubscription,
        invoice: BillingHistory,
        go_unpaid: Callable[[BillingHistory], None],
    ) -> None:
        go_unpaid(invoice)
        lifecycle.cancel(subscription, at=PAUSED, by=TESTS)

        payments.record(invoice, a_charge(), at=LATER)

        invoice.refresh_from_db()
        assert (invoice.state, again(subscription).state) == ("paid", "canceled")


def test_a_pause_that_would_end_by_itself_becomes_one_that_lasts_until_the_invoice_is_paid(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    lifecycle.pause(subscription, at=MARCH, by=TESTS, resumes_at=APRIL, automatic=True)

    fail_to_the_last(invoice)

    paused = again(subscription)
    assert (paused.state, paused.resumes_at, paused.paused_automatically) == ("paused", None, False)
    payments.record(invoice, a_charge(), at=PAUSED)
    assert again(subscription).state == "active"


def test_who_has_canceled_pays_what_is_open_before_beginning_anew(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    fail(invoice, 1)
    lifecycle.cancel(subscription, at=MARCH, by=TESTS, at_term_end=False)

    with pytest.raises(SubscriptionException, match="settle it") as refused:
        choose_again(subscription)
    assert refused.value.error_code == "payment_due"

    payments.record(invoice, a_charge(), at=MARCH)
    a_card(subscription.account)
    assert choose_again(subscription).state == "active"


def test_staff_can_let_somebody_begin_anew_with_an_open_invoice(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    fail(invoice, 1)
    lifecycle.cancel(subscription, at=MARCH, by=TESTS, at_term_end=False)

    assert choose_again(subscription, by_staff=True).state == "active"
