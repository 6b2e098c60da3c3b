"""What a payment does to its invoice and to the subscription, and what a failed one does."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from subscriptions import credits, lifecycle, payments
from subscriptions.models import BillingHistory, InvoiceCollection, Payment, UserSubscription
from subscriptions.payments import Charge
from tests.support.cast import an_account
from tests.support.invoices import APRIL, MARCH, a_customer, close, first_invoice
from tests.support.subscribing import TESTS, again
from usage.core.errors import Conflict, InvalidRequest

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
# Days after the first attempt.
ATTEMPTS = (0, 3, 8, 15)


@pytest.fixture
def subscription() -> UserSubscription:
    return a_customer(account=an_account())


@pytest.fixture
def invoice(subscription: UserSubscription) -> BillingHistory:
    return first_invoice(subscription)


def a_charge(
    charge_id: str = "ch_1", *, amount: str = "30", failed: str = "", at: datetime = MARCH
) -> Charge:
    return Charge(
        id=charge_id,
        payment_intent_id="pi_1",
        amount=Decimal(amount),
        method="visa 4242",
        at=at,
        failure_code=failed,
        failure_message="Your card was declined." if failed else "",
    )


def fail(invoice: BillingHistory, number: int, *, at: datetime = MARCH) -> None:
    payments.record(invoice, a_charge(f"ch_failed_{number}", failed="card_declined", at=at), at=at)


def fail_to_the_last(invoice: BillingHistory) -> None:
    for number, days in enumerate(ATTEMPTS):
        fail(invoice, number, at=MARCH + days * DAY)


def kinds_of(invoice: BillingHistory) -> list[str]:
    return list(invoice.events.values_list("kind", flat=True))


def test_a_charge_pays_the_invoice(invoice: BillingHistory) -> None:
    payments.record(invoice, a_charge(), at=MARCH)

    invoice.refresh_from_db()
    assert (invoice.state, invoice.amount_paid, invoice.paid_at) == ("paid", 30, MARCH)
    assert kinds_of(invoice) == ["drafted", "finalized", "paid"]


def test_a_charge_that_is_told_of_twice_counts_once(invoice: BillingHistory) -> None:
    first = payments.record(invoice, a_charge(), at=MARCH)

    assert payments.record(invoice, a_charge(), at=MARCH + DAY) == first
    assert Payment.objects.count() == 1
    assert credits.balance_of(invoice.account, at=MARCH) == 0


def test_what_is_paid_twice_becomes_a_credit(invoice: BillingHistory) -> None:
    payments.record(invoice, a_charge("ch_1"), at=MARCH)
    payments.record(invoice, a_charge("ch_2"), at=MARCH)

    assert credits.balance_of(invoice.account, at=MARCH) == 30


def test_a_failed_charge_makes_the_subscription_past_due_and_is_tried_again(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    fail(invoice, 1)

    collection = InvoiceCollection.objects.get(invoice=invoice)
    assert again(subscription).state == "past_due"
    assert (collection.failed_attempts, collection.next_payment_at) == (1, MARCH + 3 * DAY)
    assert collection.last_failure == "Your card was declined."


def test_after_the_last_attempt_the_subscription_is_paused(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    for number, days in enumerate(ATTEMPTS[:-1]):
        fail(invoice, number, at=MARCH + days * DAY)
        assert again(subscription).state == "past_due"

    fail(invoice, 3, at=MARCH + 15 * DAY)

    assert again(subscription).state == "paused"
    assert InvoiceCollection.objects.get(invoice=invoice).next_payment_at is None
    invoice.refresh_from_db()
    assert invoice.state == "open"


def test_a_customer_who_tries_several_cards_on_stripes_page_uses_up_no_attempts(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    for number in range(4):
        fail(invoice, number, at=MARCH + number * timedelta(minutes=1))

    collection = InvoiceCollection.objects.get(invoice=invoice)
    assert (collection.failed_attempts, collection.next_payment_at) == (1, MARCH + 3 * DAY)
    assert (again(subscription).state, Payment.objects.count()) == ("past_due", 4)


def test_a_payment_gives_a_paused_subscription_back(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    fail_to_the_last(invoice)

    payments.record(invoice, a_charge(), at=MARCH + 16 * DAY)

    assert again(subscription).state == "active"
    assert [change.kind for change in subscription.changes.order_by("id")] == [
        "started", "payment_failed", "paused", "resumed", "payment_received",
    ]  # fmt: skip


def test_a_pause_by_hand_is_not_ended_by_a_payment(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    lifecycle.pause(subscription, at=MARCH, by=TESTS)

    payments.record(invoice, a_charge(), at=MARCH + DAY)

    assert again(subscription).state == "paused"


def test_while_another_invoice_is_in_arrears_it_stays_past_due(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    second = close(subscription)
    fail(invoice, 1)
    fail(second, 2, at=APRIL)

    payments.record(second, a_charge("ch_second"), at=APRIL + DAY)
    assert again(subscription).state == "past_due"

    payments.record(invoice, a_charge("ch_first"), at=APRIL + 2 * DAY)
    assert again(subscription).state == "active"


def test_a_due_invoice_without_a_card_counts_as_a_failed_attempt(
    subscription: UserSubscription, invoice: BillingHistory
) -> None:
    payments.lacks_card(invoice, at=MARCH + 14 * DAY)

    assert again(subscription).state == "past_due"
    assert not Payment.objects.exists()


def test_money_that_came_another_way_is_recorded_by_hand(invoice: BillingHistory) -> None:
    for amount, state in (("10", "open"), ("20", "paid")):
        payments.record_by_hand(
            invoice, amount=Decimal(amount), method="bank transfer", reference="RF18", at=MARCH, by=TESTS
        )
        invoice.refresh_from_db()
        assert invoice.state == state

    with pytest.raises(Conflict, match="nothing of it is open"):
        payments.record_by_hand(invoice, amount=Decimal(1), method="cash", reference="", at=MARCH, by=TESTS)


@pytest.mark.parametrize("amount", ["0", "-1", "30.01", "0.001"])
def test_by_hand_no_more_is_recorded_than_is_open(invoice: BillingHistory, amount: str) -> None:
    with pytest.raises(InvalidRequest, match=r"between 0\.01 and 30 USD"):
        payments.record_by_hand(
            invoice, amount=Decimal(amount), method="cash", reference="", at=MARCH, by=TESTS
        )
