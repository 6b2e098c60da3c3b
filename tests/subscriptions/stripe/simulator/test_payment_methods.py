"""Whose card it is."""

from typing import Any

import pytest

from tests.support.stripe_simulator import a_customer, event_types, refused


@pytest.fixture
def customer(api: Any) -> Any:
    """Ada, with a Visa by default."""
    return a_customer(api)


def test_a_token_is_a_new_card_each_time(api: Any, customer: Any) -> None:
    again = api.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    assert again.id != customer.invoice_settings.default_payment_method
    assert len(api.payment_methods.list({"customer": customer.id, "type": "card"}).data) == 2


def test_attaching_is_told(api: Any, customer: Any) -> None:
    assert "payment_method.attached" in event_types(api)


def test_a_card_belongs_to_one_customer(api: Any, customer: Any) -> None:
    other = a_customer(api, card=None)

    with refused() as error:
        api.payment_methods.attach(customer.invoice_settings.default_payment_method, {"customer": other.id})

    assert error().code == "payment_method_unexpected_state"


def test_a_detached_card_is_nobodys_default_and_stays_away(api: Any, customer: Any) -> None:
    card = customer.invoice_settings.default_payment_method

    detached = api.payment_methods.detach(card)

    assert detached.customer is None
    assert api.customers.retrieve(customer.id).invoice_settings.default_payment_method is None
    with refused() as error:
        api.payment_methods.attach(card, {"customer": customer.id})
    assert error().code == "payment_method_unexpected_state"


def test_a_card_is_detached_once(api: Any, customer: Any) -> None:
    card = customer.invoice_settings.default_payment_method
    api.payment_methods.detach(card)

    with refused():
        api.payment_methods.detach(card)


def test_a_customers_card_is_read_through_the_customer(api: Any, customer: Any) -> None:
    card = customer.invoice_settings.default_payment_method

    assert api.customers.payment_methods.retrieve(customer.id, card).id == card


def test_the_expiry_can_change(api: Any, customer: Any) -> None:
    card = customer.invoice_settings.default_payment_method

    found = api.payment_methods.update(card, {"card": {"exp_month": 3, "exp_year": 2040}})

    assert (found.card.exp_month, found.card.exp_year, found.card.last4) == (3, 2040, "4242")


def test_other_kinds_are_not_simulated(api: Any) -> None:
    with refused() as error:
        api.payment_methods.create({"type": "sepa_debit"})

    assert error().param == "type"
