"""Charges, tax rates and what issuers say of charges: read here, made when a card is charged."""

from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.listing import page
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json


def retrieve(call: Call) -> Json:
    return call.at_path("charge")


def update(call: Call) -> Json:
    charge = call.at_path("charge")
    call.may_change("description", "metadata")
    description = call.params.get("description", charge["description"])
    return call.change(
        charge, event="charge.updated", metadata=call.with_metadata(charge), description=description
    )


def list_charges(call: Call) -> Json:
    matching = {name: call.params.get(name) for name in ("customer", "payment_intent")}
    return page(call, "charge", url="/v1/charges", matching=matching)


def retrieve_warning(call: Call) -> Json:
    return call.at_path("radar.early_fraud_warning")


def list_warnings(call: Call) -> Json:
    matching = {name: call.params.get(name) for name in ("charge", "payment_intent")}
    return page(call, "radar.early_fraud_warning", url="/v1/radar/early_fraud_warnings", matching=matching)


def retrieve_tax_rate(call: Call) -> Json:
    return call.at_path("tax_rate")


def list_tax_rates(call: Call) -> Json:
    return page(call, "tax_rate", url="/v1/tax_rates")


ROUTES = [
    Route("GET", "/v1/charges", "ChargeListParams", list_charges),
    Route("GET", "/v1/charges/*", "ChargeRetrieveParams", retrieve),
    Route("POST", "/v1/charges/*", "ChargeUpdateParams", update),
    Route("GET", "/v1/radar/early_fraud_warnings", "radar.EarlyFraudWarningListParams", list_warnings),
    Route(
        "GET", "/v1/radar/early_fraud_warnings/*", "radar.EarlyFraudWarningRetrieveParams", retrieve_warning
    ),
    Route("GET", "/v1/tax_rates", "TaxRateListParams", list_tax_rates),
    Route("GET", "/v1/tax_rates/*", "TaxRateRetrieveParams", retrieve_tax_rate),
]
