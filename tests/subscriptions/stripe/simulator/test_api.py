"""The simulated API as such: who may call, which parameters, what an error looks like."""

from typing import Any

import pytest
import stripe

from subscriptions.stripe.simulator.server import Simulator
from tests.support.stripe_simulator import a_customer, an_open_invoice, refused, v1


@pytest.mark.parametrize("key", ["sk_live_real", "nonsense"])
def test_only_test_keys_are_taken(simulator: Simulator, key: str) -> None:
    with refused(stripe.AuthenticationError) as error:
        v1(simulator, key=key).customers.list()

    assert error().http_status == 401


def test_every_answer_has_a_request_id(api: Any) -> None:
    customer = api.customers.create({})

    assert customer.last_response.headers["Request-Id"].startswith("req_")
    assert customer.last_response.headers["Stripe-Version"] == stripe.api_version


def test_an_error_has_a_request_id(api: Any) -> None:
    with refused() as error:
        api.customers.retrieve("cus_nobody")

    assert error().request_id.startswith("req_")


def test_what_is_not_simulated_says_so(api: Any) -> None:
    with refused() as error:
        api.products.list()

    assert error().http_status == 404
    assert "does not simulate" in error().user_message


def test_a_missing_object_names_its_param(api: Any) -> None:
    with refused() as error:
        api.invoices.create({"customer": "cus_nobody"})

    assert (error().http_status, error().code, error().param) == (404, "resource_missing", "customer")
    assert error().user_message == "No such customer: 'cus_nobody'"


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"nmae": "Ada"}, "nmae"),
        ({"address": {"contry": "DE"}}, "address[contry]"),
        ({"invoice_settings": {"custom_fields": [{"nme": "x"}]}}, "invoice_settings[custom_fields][0][nme]"),
        ({"idempotency_key": "k"}, "idempotency_key"),
    ],
)
def test_an_undeclared_parameter_is_refused_by_name(
    simulator: Simulator, params: dict[str, Any], name: str
) -> None:
    with refused() as error:
        v1(simulator)._requestor.request("post", "/v1/customers", params, base_address="api")

    assert (error().code, error().param) == ("parameter_unknown", name)


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"tax_exempt": "maybe"}, "tax_exempt", None),
        ({"balance": "much"}, "balance", "parameter_invalid_integer"),
        ({"name": {"first": "Ada"}}, "name", None),
        ({"validate": "perhaps"}, "validate", None),
    ],
)
def test_a_value_of_another_type_is_refused(
    api: Any, params: dict[str, Any], param: str, code: str | None
) -> None:
    with refused() as error:
        api.customers.create(params)

    assert (error().param, error().code) == (param, code)


def test_a_required_parameter_is_asked_for(api: Any) -> None:
    with refused() as error:
        api.credit_notes.create({"amount": 100})

    assert (error().code, error().param) == ("parameter_missing", "invoice")


def test_a_required_parameter_is_asked_for_inside_a_list(api: Any) -> None:
    invoice = an_open_invoice(api, a_customer(api))

    with refused() as error:
        api.credit_notes.create({"invoice": invoice.id, "lines": [{"quantity": 1}]})

    assert (error().code, error().param) == ("parameter_missing", "lines[0][type]")


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"discounts": [{"coupon": "HALF"}]}, "discounts"),
        ({"default_tax_rates": ["txr_1"]}, "default_tax_rates"),
        ({"subscription": "sub_1"}, "subscription"),
    ],
)
def test_what_would_change_amounts_unseen_is_refused(api: Any, params: dict[str, Any], param: str) -> None:
    customer = a_customer(api)

    with refused() as error:
        api.invoices.create({"customer": customer.id, **params})

    assert error().param == param


def test_tax_within_a_price_is_refused(api: Any) -> None:
    customer = a_customer(api)

    with refused() as error:
        api.invoice_items.create({"customer": customer.id, "amount": 1, "tax_behavior": "inclusive"})

    assert error().param == "tax_behavior"


def test_a_change_that_is_not_simulated_is_refused(api: Any) -> None:
    intent = api.payment_intents.create({"amount": 500, "currency": "usd"})

    with refused() as error:
        api.payment_intents.update(intent.id, {"amount": 600})

    assert error().param == "amount"


def test_expand_follows_ids(api: Any) -> None:
    customer = a_customer(api)
    invoice = an_open_invoice(api, customer)
    path = "payments.data.payment.payment_intent"

    found = api.invoices.retrieve(
        invoice.id, {"expand": ["customer.invoice_settings.default_payment_method", path]}
    )

    assert found.customer.invoice_settings.default_payment_method.card.last4 == "4242"
    assert found.payments.data[0].payment.payment_intent.amount == 1000


def test_payments_come_only_when_asked_for(api: Any) -> None:
    invoice = an_open_invoice(api, a_customer(api))

    assert "payments" not in api.invoices.retrieve(invoice.id)


@pytest.mark.parametrize("path", ["nothing", "currency", "a.b.c.d.e"])
def test_what_cannot_be_expanded_is_refused(api: Any, path: str) -> None:
    invoice = an_open_invoice(api, a_customer(api))

    with refused() as error:
        api.invoices.retrieve(invoice.id, {"expand": [path]})

    assert error().param == "expand"
