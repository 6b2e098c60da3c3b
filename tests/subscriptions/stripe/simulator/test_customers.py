"""Customers, and their metadata and addresses."""

from typing import Any

import pytest

from tests.support.stripe_simulator import a_customer, event_types, refused


def test_a_customer_is_as_it_was_made(api: Any) -> None:
    made = api.customers.create(
        {"name": "Ada", "email": "ada@example.test", "address": {"country": "DE", "city": "Bonn"}}
    )

    found = api.customers.retrieve(made.id)

    assert (found.name, found.email, found.address.city, found.address.line1) == (
        "Ada",
        "ada@example.test",
        "Bonn",
        None,
    )
    assert (found.balance, found.tax_exempt, found.livemode) == (0, "none", False)


def test_an_update_says_what_was_before(api: Any) -> None:
    customer = api.customers.create({"name": "Ada"})
    api.customers.update(customer.id, {"name": "Grace"})

    event = api.events.list({"type": "customer.updated"}).data[0]

    assert event.data.object.name == "Grace"
    assert event.data.previous_attributes.to_dict() == {"name": "Ada"}


def test_metadata_is_merged_and_unset(api: Any) -> None:
    customer = api.customers.create({"metadata": {"a": "1", "b": "2"}})

    merged = api.customers.update(customer.id, {"metadata": {"b": "", "c": "3"}})
    emptied = api.customers.update(customer.id, {"metadata": ""})

    assert merged.metadata.to_dict() == {"a": "1", "c": "3"}
    assert emptied.metadata.to_dict() == {}


@pytest.mark.parametrize(
    ("metadata", "is_taken"),
    [
        ({"k" * 40: "v" * 500}, True),
        ({"k" * 41: "v"}, False),
        ({"k": "v" * 501}, False),
        ({str(number): "v" for number in range(50)}, True),
        ({str(number): "v" for number in range(51)}, False),
    ],
)
def test_metadata_has_bounds(api: Any, metadata: dict[str, str], is_taken: bool) -> None:
    if is_taken:
        assert api.customers.create({"metadata": metadata}).metadata.to_dict() == metadata
        return

    with refused() as error:
        api.customers.create({"metadata": metadata})

    assert error().param.startswith("metadata")


def test_an_empty_text_unsets_a_field(api: Any) -> None:
    customer = api.customers.create({"address": {"country": "DE"}, "tax_exempt": "exempt"})

    found = api.customers.update(customer.id, {"address": "", "tax_exempt": ""})

    assert (found.address, found.tax_exempt) == (None, "none")


def test_a_customer_may_begin_with_a_card(api: Any) -> None:
    customer = api.customers.create(
        {
            "payment_method": "pm_card_visa",
            "expand": ["invoice_settings.default_payment_method"],
        }
    )

    assert customer.invoice_settings.default_payment_method is None
    assert [method.card.last4 for method in api.customers.payment_methods.list(customer.id).data] == ["4242"]


def test_the_default_card_must_be_the_customers(api: Any) -> None:
    other = a_customer(api)
    theirs = other.invoice_settings.default_payment_method
    customer = a_customer(api, card=None)

    with refused() as error:
        api.customers.update(customer.id, {"invoice_settings": {"default_payment_method": theirs}})

    assert error().param == "invoice_settings[default_payment_method]"


def test_a_deleted_customer_is_gone(api: Any) -> None:
    customer = a_customer(api)
    api.customers.delete(customer.id)

    assert api.customers.retrieve(customer.id).deleted
    with refused() as error:
        api.customers.update(customer.id, {"name": "Grace"})
    assert error().http_status == 404
    assert event_types(api)[-1] == "customer.deleted"


@pytest.mark.parametrize(("country", "known"), [("DE", "supported"), ("", "unrecognized_location")])
def test_the_tax_location_comes_when_asked_for(api: Any, country: str, known: str) -> None:
    address = {"address": {"country": country}} if country else {}
    customer = api.customers.create({**address, "expand": ["tax"]})

    assert customer.tax.automatic_tax == known
