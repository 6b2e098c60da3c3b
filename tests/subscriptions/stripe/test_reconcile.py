"""What differs between Stripe and us is found, told, and repaired where it can be."""

from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from subscriptions.models import BillingHistory, InvoiceCollection, Payment
from subscriptions.stripe import reconcile
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, an_account
from tests.support.paying import a_saved_card, an_invoice, collection_of, library, pushed, twin_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_stripe")]


@pytest.fixture
def invoice(at_stripe: Simulator) -> BillingHistory:
    """One that the card paid."""
    account = an_account()
    a_saved_card(account)
    invoice = an_invoice(account)
    pushed()
    invoice.refresh_from_db()
    return invoice


def told() -> list[str]:
    return [found.says for found in reconcile.differences(at=NOW)]


def test_where_all_is_the_same_nothing_is_told(invoice: BillingHistory) -> None:
    assert told() == []


def test_what_waits_to_be_pushed_is_no_difference(at_stripe: Simulator) -> None:
    an_invoice()

    assert told() == []


def test_an_invoice_without_a_twin(invoice: BillingHistory) -> None:
    InvoiceCollection.objects.update(stripe_invoice_id="in_nowhere")

    assert any("has a second twin" in says for says in told())
    assert f"{invoice} has no twin at Stripe." in told()


def test_a_second_twin(invoice: BillingHistory) -> None:
    twin = twin_of(invoice)
    library().v1.invoices.create(
        {"customer": str(twin.customer), "metadata": {"invoice": str(invoice.pk)}, "currency": "usd"}
    )

    (says,) = told()
    assert says.startswith(f"{invoice} has a second twin at Stripe")


def test_a_twin_of_an_invoice_that_is_not_there() -> None:
    customer = library().v1.customers.create({})
    library().v1.invoices.create({"customer": customer.id, "metadata": {"invoice": "999"}, "currency": "usd"})

    (says,) = told()
    assert "is of our invoice 999, and there is none." in says


def test_an_invoice_of_others_at_stripe_is_none_of_ours() -> None:
    customer = library().v1.customers.create({})
    library().v1.invoices.create({"customer": customer.id, "currency": "usd"})

    assert told() == []


def test_another_state() -> None:
    invoice = an_invoice()
    pushed()
    library().v1.invoices.void_invoice(collection_of(invoice).stripe_invoice_id or "")

    (says,) = told()
    assert says.startswith(f"{invoice} is open here, and void at Stripe")


def test_another_amount() -> None:
    invoice = an_invoice()
    pushed()
    twin_id = collection_of(invoice).stripe_invoice_id or ""
    library().v1.credit_notes.create({"invoice": twin_id, "amount": 500})

    (says,) = told()
    assert "of which 30 is open; at Stripe for 30, of which 25" in says


def test_a_payment_without_a_charge(invoice: BillingHistory) -> None:
    Payment.objects.update(stripe_charge_id="ch_nowhere")

    assert any("no charge ch_nowhere at Stripe" in says for says in told())


def test_a_charge_without_a_payment(invoice: BillingHistory) -> None:
    Payment.objects.all().delete()

    (says,) = told()
    assert says.endswith("is no payment here.")


def test_another_amount_given_back(invoice: BillingHistory) -> None:
    library().v1.refunds.create({"charge": Payment.objects.get().stripe_charge_id or "", "amount": 700})

    (says,) = told()
    assert "0 given back" in says
    assert says.endswith("7.")


class TestCommand:
    def test_it_says_that_all_is_well(
        self, invoice: BillingHistory, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("reconcile_stripe")

        assert capsys.readouterr().out == "Stripe and we say the same.\n"

    def test_it_fails_where_something_differs(
        self, invoice: BillingHistory, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Payment.objects.all().delete()

        with pytest.raises(CommandError, match="1 differ"):
            call_command("reconcile_stripe")

        assert "is no payment here." in capsys.readouterr().out

    def test_it_repairs_what_it_can(self, invoice: BillingHistory) -> None:
        library().v1.refunds.create({"charge": Payment.objects.get().stripe_charge_id or "", "amount": 700})

        with pytest.raises(CommandError, match="1 differ"):
            call_command("reconcile_stripe", repair=True)

        pushed(at=timezone.now())
        assert Payment.objects.get().refunded == Decimal(7)
        call_command("reconcile_stripe")

    def test_a_push_that_was_given_up_is_made_again(self) -> None:
        invoice = an_invoice()
        InvoiceCollection.objects.update(push_at=None, push_attempts=1, push_error="No.")

        with pytest.raises(CommandError, match="1 differ"):
            call_command("reconcile_stripe", repair=True)

        pushed(at=timezone.now())
        assert twin_of(invoice).status == "open"

    def test_without_an_answer_of_stripes_it_says_so(self, at_stripe: Simulator) -> None:
        at_stripe.faults.add(method="GET", path=".*", kind="error_500")

        with pytest.raises(CommandError, match="Stripe failed with 500"):
            call_command("reconcile_stripe")
