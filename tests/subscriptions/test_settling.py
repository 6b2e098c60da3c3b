"""Ending an invoice unpaid."""

from decimal import Decimal

import pytest

from subscriptions import payments, settling
from subscriptions.models import BillingHistory, InvoiceCollection
from tests.subscriptions.test_payments import a_charge, fail
from tests.support.cast import an_account
from tests.support.invoices import MARCH, a_customer, first_invoice
from tests.support.subscribing import TESTS, again
from usage.core.errors import Conflict, InvalidRequest

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice() -> BillingHistory:
    return first_invoice(a_customer(account=an_account()))


def test_a_void_invoice_asks_for_nothing_and_ends_the_arrears(invoice: BillingHistory) -> None:
    fail(invoice, 1)

    settling.void(invoice, at=MARCH, by=TESTS, reason="Wrong customer.")

    invoice.refresh_from_db()
    assert (invoice.state, invoice.ended_at) == ("void", MARCH)
    assert again(invoice.account.subscription).state == "active"
    event = invoice.events.last()
    assert (event.kind, event.actor, event.reason) == ("voided", "tests", "Wrong customer.")


def test_what_is_given_up_can_still_be_paid_and_leaves_the_subscription_as_it_is(
    invoice: BillingHistory,
) -> None:
    fail(invoice, 1)

    settling.give_up(invoice, at=MARCH, by=TESTS, reason="Moved away.")

    assert again(invoice.account.subscription).state == "past_due"
    assert InvoiceCollection.objects.get(invoice=invoice).next_payment_at is None
    payments.record(invoice, a_charge(), at=MARCH)
    invoice.refresh_from_db()
    assert (invoice.state, invoice.ended_at) == ("paid", None)


def test_what_is_paid_cannot_be_voided_or_given_up(invoice: BillingHistory) -> None:
    payments.record(invoice, a_charge(), at=MARCH)

    for end in (settling.void, settling.give_up):
        with pytest.raises(Conflict):
            end(invoice, at=MARCH, by=TESTS, reason="No.")


def test_what_is_paid_in_part_cannot_be_voided(invoice: BillingHistory) -> None:
    payments.record_by_hand(invoice, amount=Decimal(1), method="cash", reference="", at=MARCH, by=TESTS)

    with pytest.raises(Conflict, match="credit note"):
        settling.void(invoice, at=MARCH, by=TESTS, reason="No.")


def test_money_for_a_void_invoice_becomes_a_credit(invoice: BillingHistory) -> None:
    settling.void(invoice, at=MARCH, by=TESTS, reason="Mistake.")

    payments.record(invoice, a_charge(), at=MARCH)

    assert invoice.account.credit_grants.get().balance == 30
    invoice.refresh_from_db()
    assert invoice.state == "void"


def test_a_reason_is_asked_for(invoice: BillingHistory) -> None:
    with pytest.raises(InvalidRequest, match="reason"):
        settling.void(invoice, at=MARCH, by=TESTS, reason="")
