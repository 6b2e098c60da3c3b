"""Invoices pushed to Stripe and paid there."""

from decimal import Decimal

import pytest

from subscriptions.core.invoices import InvoiceState
from subscriptions.models import Payment, PaymentState
from tests.support.cast import an_account
from tests.support.paying import a_saved_card, an_invoice, collection_of, library, pushed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_stripe")]


def test_an_invoice_is_charged_to_the_card() -> None:
    account = an_account()
    a_saved_card(account)
    invoice = an_invoice(account)

    pushed()

    invoice.refresh_from_db()
    payment = Payment.objects.get()
    assert invoice.state == InvoiceState.PAID
    assert (payment.state, payment.amount, payment.method) == (
        PaymentState.SUCCEEDED,
        Decimal(30),
        "visa 4242",
    )
    twin = library().v1.invoices.retrieve(collection_of(invoice).stripe_invoice_id or "")
    assert (twin.status, twin.amount_paid, twin.metadata["number"]) == ("paid", 3000, invoice.number)
