"""Automatic tax by the customer's country."""

from typing import Any

import pytest

from tests.support.stripe_simulator import a_customer, a_draft, an_open_invoice, refused

TAXED = {"automatic_tax": {"enabled": True}}


@pytest.mark.parametrize(
    ("country", "amounts", "tax", "reason"),
    [
        ("DE", (1000, 500), 285, "standard_rated"),  # 190 + 95
        ("DE", (50, 50), 20, "standard_rated"),  # each 9.5, rounded up per line
        ("FR", (1000,), 200, "standard_rated"),
        ("GB", (999,), 200, "standard_rated"),  # 199.8
        ("US", (1000,), 0, "not_collecting"),
    ],
)
def test_tax_comes_on_top(api: Any, country: str, amounts: tuple[int, ...], tax: int, reason: str) -> None:
    draft = a_draft(api, a_customer(api, country=country), *amounts, **TAXED)

    (total,) = draft.total_taxes
    assert (total.amount, total.taxability_reason, total.tax_behavior) == (tax, reason, "exclusive")
    assert (draft.subtotal, draft.total, draft.total_excluding_tax) == (
        sum(amounts),
        sum(amounts) + tax,
        sum(amounts),
    )
    assert draft.automatic_tax.status == "complete"


@pytest.mark.parametrize(("exempt", "reason"), [("exempt", "customer_exempt"), ("reverse", "reverse_charge")])
def test_some_customers_owe_none(api: Any, exempt: str, reason: str) -> None:
    customer = a_customer(api, country="DE", tax_exempt=exempt)

    draft = a_draft(api, customer, 1000, **TAXED)

    assert (draft.total, draft.total_taxes[0].taxability_reason) == (1000, reason)


def test_the_rate_can_be_read(api: Any) -> None:
    draft = a_draft(api, a_customer(api, country="DE"), 1000, **TAXED)

    rate = api.tax_rates.retrieve(draft.total_taxes[0].tax_rate_details.tax_rate)

    assert (rate.percentage, rate.country, rate.inclusive) == (19, "DE", False)


def test_tax_needs_to_know_where_the_customer_is(api: Any) -> None:
    with refused() as error:
        a_draft(api, api.customers.create({"name": "Ada"}), **TAXED)

    assert error().code == "customer_tax_location_invalid"


def test_tax_follows_the_address_until_the_invoice_is_final(api: Any) -> None:
    customer = a_customer(api, country="DE")
    draft, final = a_draft(api, customer, 1000, **TAXED), an_open_invoice(api, customer, 1000, **TAXED)
    api.customers.update(customer.id, {"address": {"country": "FR"}})

    assert api.invoices.finalize_invoice(draft.id).total == 1200
    assert api.invoices.retrieve(final.id).total == 1190


def test_a_taxed_invoice_has_no_negative_line(api: Any) -> None:
    customer = a_customer(api, country="DE")
    draft = a_draft(api, customer, 1000, -200)

    with refused():
        a_draft(api, customer, 1000, -200, **TAXED)
    with refused():
        api.invoices.update(draft.id, TAXED)


def test_there_is_no_tax_unless_asked_for(api: Any) -> None:
    draft = a_draft(api, a_customer(api, country="DE"), 1000)

    assert (draft.total, draft.total_taxes, draft.automatic_tax.enabled) == (1000, [], False)
