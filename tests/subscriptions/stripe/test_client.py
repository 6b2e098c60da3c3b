"""Every call of the client against the simulator, and every way in which Stripe can refuse one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import stripe

from subscriptions.stripe import client, conversion
from subscriptions.stripe.errors import (
    CardDeclined,
    StripeError,
    StripeFailed,
    StripeMissing,
    StripeOff,
    StripeRefused,
    StripeUnavailable,
)
from subscriptions.stripe.simulator.server import Simulator
from tests.support.paying import library

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def a_customer(name: str = "acme") -> str:
    return client.create_customer(account_id=7, external_id=name, key=f"customer-{name}")


def a_twin(customer: str, *, key: str = "invoice-1", due_in_days: int | None = None) -> Any:
    return client.create_invoice(
        customer, ours=1, number="2026-000001", account="acme", due_in_days=due_in_days, key=key
    )


def an_open_twin(customer: str, amount: str = "30") -> Any:
    twin = a_twin(customer)
    client.add_lines(twin.id, lines=[("Team", Decimal(amount) + 5), ("Credit", Decimal(-5))], key="lines-1")
    return client.finalize(twin.id, key="finalize-1")


def with_card(customer: str, test_card: str = "pm_card_visa") -> str:
    method = library().v1.payment_methods.attach(test_card, {"customer": customer})
    client.make_default(customer, card_id=method.id)
    return method.id


def test_the_version_is_the_librarys() -> None:
    assert stripe.api_version == client.API_VERSION


@pytest.mark.parametrize(
    ("usd", "cents"), [("0", 0), ("0.01", 1), ("-5", -500), ("12345678.90", 1_234_567_890)]
)
def test_amounts_are_cents_there_and_usd_here(usd: str, cents: int) -> None:
    assert conversion.cents(Decimal(usd)) == cents
    assert conversion.usd(cents) == Decimal(usd)


def test_a_fraction_of_a_cent_is_no_amount() -> None:
    with pytest.raises(ValueError, match="whole number of cents"):
        conversion.cents(Decimal("0.005"))


@pytest.mark.usefixtures("at_stripe")
class TestCalls:
    def test_a_call_under_the_same_key_is_done_once(self) -> None:
        assert a_customer() == a_customer()
        assert a_twin(a_customer()).id == a_twin(a_customer()).id

    def test_a_customer_is_found_by_our_account(self) -> None:
        first, _ = a_customer(), a_customer("again")

        assert client.find_customer(account_id=7, since=LONG_AGO) == first
        assert client.find_customer(account_id=8, since=LONG_AGO) is None
        assert client.find_customer(account_id=7, since=datetime.now(UTC) + timedelta(days=1)) is None

    def test_the_card_that_pays_is_known(self) -> None:
        customer = a_customer()
        assert client.default_card(customer) is None

        card_id = with_card(customer)

        card = client.default_card(customer)
        assert card is not None
        assert (card.id, card.brand, card.last4) == (card_id, "visa", "4242")
        assert client.customer_of_card(card_id) == customer

    def test_a_draft_says_whose_it_is_and_does_nothing_by_itself(self) -> None:
        twin = a_twin(a_customer())

        there = library().v1.invoices.retrieve(twin.id)
        assert (twin.ours, twin.status, twin.has_lines) == (1, "draft", False)
        assert (there.auto_advance, there.description) == (False, "Invoice 2026-000001")
        assert there.metadata is not None
        assert there.metadata.to_dict() == {"invoice": "1", "number": "2026-000001", "account": "acme"}

    def test_without_a_card_it_waits_to_be_paid_by_hand(self) -> None:
        twin = a_twin(a_customer(), due_in_days=14)

        assert library().v1.invoices.retrieve(twin.id).collection_method == "send_invoice"

    def test_lines_add_up_to_what_is_due(self) -> None:
        twin = an_open_twin(a_customer())

        assert (twin.status, twin.total, twin.amount_remaining) == ("open", 30, 30)
        assert twin.hosted_url
        assert len(twin.payment_intent_ids) == 1

    def test_a_charge_tells_what_was_paid_and_with_what(self) -> None:
        customer = a_customer()
        with_card(customer)
        twin = an_open_twin(customer)

        client.pay(twin.id, key="pay-1-1")

        paid = client.invoice(twin.id)
        (charge,) = client.charges_of(paid)
        assert (paid.status, paid.amount_paid, charge.amount, charge.method) == ("paid", 30, 30, "visa 4242")
        assert client.charge(charge.id) == charge
        assert list(client.charges()) == [charge]
        assert client.invoice_of_payment(charge.payment_intent_id) == twin.id

    def test_a_declined_card_says_why(self) -> None:
        customer = a_customer()
        with_card(customer, "pm_card_chargeCustomerFail")
        twin = an_open_twin(customer)

        with pytest.raises(CardDeclined) as declined:
            client.pay(twin.id, key="pay-1-1")

        (charge,) = client.charges_of(client.invoice(twin.id))
        assert (declined.value.error_code, declined.value.status) == ("card_declined", 402)
        assert (charge.status, charge.failure_code) == ("failed", "card_declined")

    def test_invoices_are_found_by_ours(self) -> None:
        customer = a_customer()
        first, second = a_twin(customer), a_twin(customer, key="invoice-1-again")

        assert [twin.id for twin in client.find_invoices(customer, ours=1)] == [first.id, second.id]
        assert client.find_invoices(customer, ours=2) == []
        assert {twin.id for twin in client.invoices()} == {first.id, second.id}

    def test_refunds_and_credit_notes_are_found_by_our_number(self) -> None:
        customer = a_customer()
        with_card(customer)
        twin = an_open_twin(customer)
        note = client.create_credit_note(
            twin.id, amount=Decimal(10), number="CN-1", memo="Sorry.", key="creditnote-1"
        )
        client.pay(twin.id, key="pay-1-1")
        (charge,) = client.charges_of(client.invoice(twin.id))
        made = client.create_refund(charge.id, amount=Decimal(5), number="CN-2", key="refund-2")

        assert client.find_credit_note(twin.id, number="CN-1") == note
        assert client.find_credit_note(twin.id, number="CN-9") is None
        assert client.credit_note_invoice(note) == twin.id
        assert client.find_refund(charge.id, number="CN-2") == made == client.refund(made.id)
        assert client.find_refund(charge.id, number="CN-9") is None
        assert (charge.amount, client.charge(charge.id).refunded) == (20, 5)


class TestFailing:
    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("error_500", StripeFailed),
            ("rate_limited_429", StripeUnavailable),
            ("timeout_before", StripeUnavailable),
            ("connection_reset", StripeUnavailable),
        ],
    )
    def test_an_outage_is_something_to_try_again(
        self, at_stripe: Simulator, kind: str, error: type[StripeError]
    ) -> None:
        at_stripe.faults.add(method="POST", path="/v1/customers", kind=kind)

        with pytest.raises(StripeUnavailable) as failed:
            a_customer()

        assert type(failed.value) is error
        assert failed.value.details["retry_after"] == client.WAIT_S

    def test_the_same_key_for_something_else_is_told_apart(self, at_stripe: Simulator) -> None:
        a_customer()

        with pytest.raises(StripeFailed):
            client.create_customer(account_id=8, external_id="globex", key="customer-acme")

    def test_what_is_not_there_is_missing(self, at_stripe: Simulator) -> None:
        with pytest.raises(StripeMissing, match="No such invoice: 'in_1'"):
            client.invoice("in_1")

    def test_what_cannot_be_done_is_refused(self, at_stripe: Simulator) -> None:
        twin = a_twin(a_customer())

        with pytest.raises(StripeRefused, match="can only pass in open"):
            client.void(twin.id, key="void-1")

    def test_a_wrong_key_is_never_quoted(self, at_stripe: Simulator, settings: Any) -> None:
        settings.STRIPE_API_KEY = "sk_live_51SECRET"

        with pytest.raises(StripeUnavailable) as refused:
            client.check()

        assert "SECRET" not in refused.value.message

    def test_where_cards_are_not_charged_nobody_is_asked(self, settings: Any) -> None:
        settings.STRIPE_MODE = "off"

        with pytest.raises(StripeOff):
            client.check()
