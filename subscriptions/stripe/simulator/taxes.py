"""Tax: one rate per country of the customer, on top of every line."""

from dataclasses import dataclass
from decimal import Decimal

from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.money import rounded
from subscriptions.stripe.simulator.store import Json


@dataclass(frozen=True)
class Rate:
    name: str
    percent: int


RATES = {
    "AT": Rate("VAT", 20),
    "DE": Rate("VAT", 19),
    "ES": Rate("VAT", 21),
    "FR": Rate("VAT", 20),
    "GB": Rate("VAT", 20),
    "IE": Rate("VAT", 23),
    "IT": Rate("VAT", 22),
    "NL": Rate("VAT", 21),
}
NO_RATE = Rate("Tax", 0)
NONE_DUE = {"exempt": "customer_exempt", "reverse": "reverse_charge"}


def of_line(call: Call, amount: int, *, customer: Json) -> Json:
    """The tax on one line of the customer's invoice, as an entry of `taxes`."""
    country = (customer.get("address") or {}).get("country")
    rate = rate_in(country or "")
    exemption = NONE_DUE.get(customer["tax_exempt"])
    reason = exemption or ("standard_rated" if rate.percent else "not_collecting")
    return {
        "amount": 0 if exemption else due(amount, rate),
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": _tax_rate(call, country=country or "none", rate=rate)},
        "taxability_reason": reason,
        "taxable_amount": 0 if exemption or not rate.percent else amount,
        "type": "tax_rate_details",
    }


def rate_in(country: str) -> Rate:
    return RATES.get(country, NO_RATE)


def due(amount: int, rate: Rate) -> int:
    """What a rate comes to, on top of the amount."""
    return rounded(Decimal(amount) * rate.percent / 100)


def summed(taxes: list[Json]) -> list[Json]:
    """One entry per rate and reason."""
    totals: dict[tuple[str, str], Json] = {}
    for tax in taxes:
        key = (tax["tax_rate_details"]["tax_rate"], tax["taxability_reason"])
        total = totals.setdefault(key, {**tax, "amount": 0, "taxable_amount": 0})
        total["amount"] += tax["amount"]
        total["taxable_amount"] += tax["taxable_amount"]
    return list(totals.values())


def _tax_rate(call: Call, *, country: str, rate: Rate) -> str:
    rate_id = f"txr_{country.lower()}"
    if call.store.find(rate_id) is None:
        body = {
            "id": rate_id,
            "object": "tax_rate",
            "active": True,
            "country": None if country == "none" else country,
            "created": call.now,
            "description": None,
            "display_name": rate.name,
            "effective_percentage": rate.percent,
            "inclusive": False,
            "jurisdiction": country,
            "jurisdiction_level": "country",
            "livemode": False,
            "metadata": {},
            "percentage": rate.percent,
            "rate_type": "percentage",
            "state": None,
            "tax_type": "vat",
        }
        call.store.insert(body)
    return rate_id
