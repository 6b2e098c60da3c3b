"""Customers: who pays, with which card by default."""

from typing import Any

from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.listing import page
from subscriptions.stripe.simulator.resources import payment_methods
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, new_id, new_token

PREFIX_LENGTH = 8
ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")
PLAIN_FIELDS = (
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
)


def create(call: Call) -> Json:
    customer = {
        **_blank(call),
        **_given(call, {}),
        "metadata": call.with_metadata({}),
    }
    call.store.insert(customer)
    if token := call.params.get("payment_method"):
        payment_methods.attach_to(call, token, customer=customer["id"])
    customer["invoice_settings"] = _invoice_settings(call, customer)
    return call.save(customer, event="customer.created")


def retrieve(call: Call) -> Json:
    found = call.store.find(call.path_id)
    if found and found["object"] == "customer" and found.get("deleted"):
        return found
    return call.at_path("customer")


def update(call: Call) -> Json:
    customer = call.at_path("customer")
    changed = {**customer, **_given(call, customer), "metadata": call.with_metadata(customer)}
    changed["invoice_settings"] = _invoice_settings(call, customer)
    return call.save(changed, event="customer.updated")


def delete(call: Call) -> Json:
    customer = call.at_path("customer")
    for method in call.store.select("payment_method", matching={"customer": customer["id"]}):
        payment_methods.detach_from(call, method)
    deleted = call.save({"id": customer["id"], "object": "customer", "deleted": True})
    call.emit("customer.deleted", customer)
    return deleted


def list_customers(call: Call) -> Json:
    matching = {"email": call.params.get("email"), "livemode": False}  # what was deleted has no mode
    return page(call, "customer", url="/v1/customers", matching=matching)


def list_payment_methods(call: Call) -> Json:
    customer = call.at_path("customer", param="customer")
    matching = {"customer": customer["id"], "type": call.params.get("type")}
    return page(
        call, "payment_method", url=f"/v1/customers/{customer['id']}/payment_methods", matching=matching
    )


def retrieve_payment_method(call: Call) -> Json:
    customer = call.at_path("customer", param="customer")
    return payment_methods.owned(call, call.path_ids[1], customer=customer["id"], param="payment_method")


def _blank(call: Call) -> Json:
    return {
        "id": new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "business_name": None,
        "created": call.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "individual_name": None,
        "invoice_prefix": new_token(PREFIX_LENGTH).upper(),
        "livemode": False,
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def _given(call: Call, customer: Json) -> Json:
    """The fields this call sets; an empty text unsets one."""
    fields: Json = {
        name: call.params[name] or (0 if name == "balance" else None)
        for name in PLAIN_FIELDS
        if name in call.params
    }
    if "tax_exempt" in fields:
        fields["tax_exempt"] = fields["tax_exempt"] or "none"
    if "address" in call.params:
        fields["address"] = _address(call.params["address"], customer.get("address"))
    return fields


def _address(given: Any, kept: Json | None) -> Json | None:
    if not given:
        return None
    merged = {**(kept or {}), **given}
    return {name: merged.get(name) or None for name in ADDRESS_FIELDS}


def _invoice_settings(call: Call, customer: Json) -> Json:
    kept = customer.get("invoice_settings") or {
        "custom_fields": None,
        "default_payment_method": None,
        "footer": None,
        "rendering_options": None,
    }
    given = call.params.get("invoice_settings", {})
    chosen = given.get("default_payment_method")
    if chosen:
        param = "invoice_settings[default_payment_method]"
        method = payment_methods.owned(call, chosen, customer=customer["id"], param=param)
        given = {**given, "default_payment_method": method["id"]}
    return {**kept, **{name: value or None for name, value in given.items()}}


def with_default(call: Call, customer: Json, *, method_id: str) -> Json:
    """The customer, whose invoices this card now pays."""
    settings = {**customer["invoice_settings"], "default_payment_method": method_id}
    return call.change(customer, event="customer.updated", invoice_settings=settings)


def check_tax_location(customer: Json) -> None:
    """Raises ApiError if the customer has no country, without which no tax is computed."""
    if not (customer.get("address") or {}).get("country"):
        raise ApiError(
            "The customer's location isn't recognized. Set a valid customer address in order to "
            "automatically calculate tax.",
            code="customer_tax_location_invalid",
        )


ROUTES = [
    Route("POST", "/v1/customers", "CustomerCreateParams", create),
    Route("GET", "/v1/customers", "CustomerListParams", list_customers),
    Route("GET", "/v1/customers/*", "CustomerRetrieveParams", retrieve),
    Route("POST", "/v1/customers/*", "CustomerUpdateParams", update),
    Route("DELETE", "/v1/customers/*", "CustomerDeleteParams", delete),
    Route(
        "GET",
        "/v1/customers/*/payment_methods",
        "CustomerPaymentMethodListParams",
        list_payment_methods,
    ),
    Route(
        "GET",
        "/v1/customers/*/payment_methods/*",
        "CustomerPaymentMethodRetrieveParams",
        retrieve_payment_method,
    ),
]
