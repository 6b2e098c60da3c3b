"""Calculations of Stripe Tax: what comes on top of some amounts for a customer at an address."""

import re

from subscriptions.stripe.simulator import taxes
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.countries import COUNTRIES
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, listed, new_id

DAY_S = 24 * 60 * 60
EXPIRES_AFTER_S = 90 * DAY_S
MOST_LINES = 100
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
TAX_CODE = re.compile(r"txcd_\d{8}")
NOT_SIMULATED = ("customer", "ship_from_details", "tax_date")
OF_CUSTOMERS_NOT_SIMULATED = ("ip_address", "tax_ids", "taxability_override")


def create(call: Call) -> Json:
    _refuse(call.params, NOT_SIMULATED, at="")
    address = _address(call.params.get("customer_details") or {})
    rate = taxes.rate_in(address["country"])
    lines = [_line(each, rate=rate) for each in _checked_lines(call.params["line_items"])]
    amount, tax = sum(each["amount"] for each in lines), sum(each["amount_tax"] for each in lines)
    return call.make(
        {
            "id": new_id("taxcalc"),
            "object": "tax.calculation",
            "amount_total": amount + tax,
            "currency": call.params["currency"],
            "customer": None,
            "customer_details": {
                "address": address,
                "address_source": call.params["customer_details"].get("address_source"),
                "ip_address": None,
                "tax_ids": [],
                "taxability_override": "none",
            },
            "expires_at": call.now + EXPIRES_AFTER_S,
            "_line_items": lines,
            "livemode": False,
            "ship_from_details": None,
            "shipping_cost": None,
            "tax_amount_exclusive": tax,
            "tax_amount_inclusive": 0,
            "tax_breakdown": [_breakdown(address["country"], rate, amount=amount, tax=tax)],
            "tax_date": call.now,
        }
    )


def retrieve(call: Call) -> Json:
    return call.at_path("tax.calculation")


def list_lines(call: Call) -> Json:
    found = call.at_path("tax.calculation")
    return listed(found["_line_items"], url=f"/v1/tax/calculations/{found['id']}/line_items")


def _address(details: Json) -> Json:
    """The customer's address. Raises ApiError where it does not say where that is."""
    _refuse(details, OF_CUSTOMERS_NOT_SIMULATED, at="customer_details")
    if "address" not in details:
        raise ApiError(
            "Missing required param: customer_details[address].",
            code="parameter_missing",
            param="customer_details[address]",
        )
    if not details.get("address_source"):
        raise ApiError(
            "Missing required param: customer_details[address_source].",
            code="parameter_missing",
            param="customer_details[address_source]",
        )
    address = {part: details["address"].get(part) or None for part in ADDRESS}
    country = address["country"]
    if country not in COUNTRIES:
        raise ApiError(
            f"Country '{country or ''}' is unknown. Try using a 2-character alphanumeric country code "
            "instead, such as 'US', 'EG', or 'GB'.",
            code="customer_tax_location_invalid",
            param="customer_details[address][country]",
        )
    is_known = {
        "US": bool(address["postal_code"]),
        "CA": bool(address["postal_code"] or address["state"]),
    }
    if not is_known.get(country, True):
        raise ApiError(
            "We could not determine the customer's tax location based on the provided customer address.",
            code="customer_tax_location_invalid",
            param="customer_details[address]",
        )
    return address


def _checked_lines(given: list[Json]) -> list[Json]:
    references = [each["reference"] for each in given if "reference" in each]
    if not 0 < len(given) <= MOST_LINES:
        raise ApiError(f"Between 1 and {MOST_LINES} line items can be taxed.", param="line_items")
    if len(set(references)) < len(references):
        raise ApiError("The references of line items must be unique.", param="line_items")
    for number, each in enumerate(given):
        at = f"line_items[{number}]"
        _refuse(each, ("product", "performance_location", "metadata"), at=at)
        if each["amount"] < 0:
            raise ApiError(
                "Invalid positive integer", code="parameter_invalid_integer", param=f"{at}[amount]"
            )
        code = each.get("tax_code", "txcd_10000000")
        if not TAX_CODE.fullmatch(code):
            raise ApiError(f"No such tax code: '{code}'", code="resource_missing", param=f"{at}[tax_code]")
    return given


def _line(given: Json, *, rate: taxes.Rate) -> Json:
    line_id = new_id("tax_li")
    return {
        "id": line_id,
        "object": "tax.calculation_line_item",
        "amount": given["amount"],
        "amount_tax": taxes.due(given["amount"], rate),
        "livemode": False,
        "metadata": None,
        "performance_location": None,
        "product": None,
        "quantity": given.get("quantity", 1),
        "reference": given.get("reference", line_id),
        "tax_behavior": "exclusive",
        "tax_code": given.get("tax_code", "txcd_10000000"),
    }


def _breakdown(country: str, rate: taxes.Rate, *, amount: int, tax: int) -> Json:
    return {
        "amount": tax,
        "inclusive": False,
        "tax_rate_details": {
            "country": country,
            "flat_amount": None,
            "percentage_decimal": f"{rate.percent}.0",
            "rate_type": "percentage",
            "state": None,
            "tax_type": "vat",
        },
        "taxability_reason": "standard_rated" if rate.percent else "not_collecting",
        "taxable_amount": amount if rate.percent else 0,
    }


def _refuse(given: Json, names: tuple[str, ...], *, at: str) -> None:
    for name in names:
        if name in given:
            param = f"{at}[{name}]" if at else name
            raise ApiError(f"The Stripe simulator does not simulate {param}", param=param)


ROUTES = [
    Route("POST", "/v1/tax/calculations", "tax.CalculationCreateParams", create),
    Route("GET", "/v1/tax/calculations/*", "tax.CalculationRetrieveParams", retrieve),
    Route("GET", "/v1/tax/calculations/*/line_items", "tax.CalculationListLineItemsParams", list_lines),
]
