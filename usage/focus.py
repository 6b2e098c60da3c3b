"""Usage in the format of the FinOps Foundation: FOCUS 1.2 (focus.finops.org/focus-specification/v1-2).

1.2 is what other senders of usage write, such as LiteLLM and IBM Cloud; 1.3 deprecates ProviderName and
PublisherName, which 1.2 requires. A charge is what one combination of all dimensions came to on one UTC
day. Columns that can never say anything here are left out, which the specification provides for what a
provider does not have: regions, resources, commitments, other currencies. Where this departs from it:

- A charge's tokens may have several unit prices, so there are no ListUnitPrice, ContractedUnitPrice,
  SkuPriceId and SkuPriceDetails, which 1.2 asks of whoever publishes prices (and forbids null in the first
  three for usage); the log of calls tells the price row of each call.
- The four costs are the metered cost. What a plan includes, its fee and its markup are lines of invoices,
  which are not charges of a day.
- The billing period is the one in which the day ends; a call recorded later is in its day's charge, not in
  one with the ChargeClass "Correction", and is billed in a later period.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from usage.analytics import SUMS, Selection, statement, totals_of
from usage.core.calendar import month_of
from usage.core.csv_cells import Cell
from usage.core.main_units import main_quantity
from usage.core.rating import Quantities
from usage.exports import CURRENCY, csv_of
from usage.models import BillingPeriod
from usage.providers import PROVIDERS, name_of
from usage.queries import Totals
from usage.streaming import rows_of
from usage.totals import DIMENSIONS

VERSION = "1.2"
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
# ServiceCategory and ServiceSubcategory of a kind of provider, of those that FOCUS knows, and SkuMeter: what
# of it is metered, the same for all charges of a SKU.
SERVICES = {
    "llm": ("AI and Machine Learning", "Generative AI", "Model Usage"),
    "image": ("AI and Machine Learning", "Generative AI", "Image Generation"),
    "search": ("Analytics", "Search", "Searches"),
    "scrape": ("Analytics", "Data Processing", "Pages Read"),
}
OTHER_SERVICE = ("Other", "Other (Other)", "API Calls")
# Units as FOCUS writes them: plural, capitalized.
UNITS = {
    "token": "Tokens",
    "image": "Images",
    "page": "Pages",
    "search": "Searches",
    "second": "Seconds",
    "character": "Characters",
    "request": "Requests",
    "call": "Calls",
}
TAGS = {"department": "department", "member": "end_user", "project": "project", "team": "team"}
# First the columns of the specification, then our own, each in alphabetical order, as it recommends.
COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_CachedInputTokens",
    "x_Calls",
    "x_Endpoint",
    "x_Errors",
    "x_InputTokens",
    "x_Model",
    "x_OutputTokens",
    "x_RequestType",
)
_SELECT = f"""
SELECT slot, {", ".join(DIMENSIONS)}, {SUMS} FROM part
GROUP BY slot, {", ".join(DIMENSIONS)} ORDER BY slot, {", ".join(DIMENSIONS)}
"""


@dataclass(frozen=True, slots=True)
class Periods:
    """An account's billing periods, to find the one a day belongs to."""

    starts: Sequence[datetime]
    ends: Sequence[datetime]

    @classmethod
    def of(cls, selection: Selection) -> "Periods":
        """Those that `selection` touches."""
        touched = BillingPeriod.objects.filter(
            account=selection.account, period_start__lt=selection.end, period_end__gt=selection.start
        )
        found = list(touched.order_by("period_start").values_list("period_start", "period_end"))
        return cls([start for start, _ in found], [end for _, end in found])

    def at(self, moment: datetime) -> tuple[datetime, datetime]:
        """Start and end of the one that holds `moment`; the calendar month where none was opened."""
        position = bisect_right(self.starts, moment) - 1
        if position < 0 or self.ends[position] <= moment:
            return month_of(moment)
        return self.starts[position], self.ends[position]


def focus_csv(selection: Selection, *, seller: str) -> Iterator[bytes]:
    """The daily charges of what is selected, whole UTC days, as a CSV file; `seller` sells and invoices."""
    return csv_of(COLUMNS, ([row[name] for name in COLUMNS] for row in charges(selection, seller=seller)))


def charges(selection: Selection, *, seller: str) -> Iterator[dict[str, Cell]]:
    """Each charge by the names of its COLUMNS, oldest first. What it cost adds up to the totals selected."""
    periods = Periods.of(selection)
    for day, *rest in rows_of(*statement(selection, _SELECT, interval="day")):
        dimensions = dict(zip(DIMENSIONS, rest, strict=False))
        totals = totals_of(rest[len(DIMENSIONS) :])
        period_start, period_end = periods.at(day + DAY - MICROSECOND)
        yield {
            "BillingAccountId": selection.account.external_id,
            "BillingAccountName": selection.account.name,
            "BillingPeriodStart": period_start,
            "BillingPeriodEnd": period_end,
            "ChargePeriodStart": day,
            "ChargePeriodEnd": day + DAY,
            "InvoiceIssuerName": seller,
            "ProviderName": seller,
            **_cost(totals.cost),
            **_quantity(totals),
            **_what(dimensions, totals),
            **_for_whom(dimensions),
        }


def _cost(cost: Decimal) -> dict[str, Cell]:
    return {
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ContractedCost": cost,
        "ListCost": cost,
        "BillingCurrency": CURRENCY,
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeFrequency": "Usage-Based",
        "PricingCategory": "Standard",
    }


def _quantity(totals: Totals) -> dict[str, Cell]:
    quantities = {name: getattr(totals, name) for name in Quantities._fields}
    unit, amount = main_quantity(quantities, calls=totals.calls)
    return {
        "ConsumedQuantity": amount,
        "ConsumedUnit": UNITS[unit],
        "PricingQuantity": amount,
        "PricingUnit": UNITS[unit],
        "x_CachedInputTokens": totals.cached_input_tokens,
        "x_Calls": totals.calls,
        "x_Errors": totals.errors,
        "x_InputTokens": totals.input_tokens,
        "x_OutputTokens": totals.output_tokens,
    }


def _what(dimensions: dict[str, Any], totals: Totals) -> dict[str, Cell]:
    key, model, request_type = (dimensions[name] for name in ("provider", "model", "request_type"))
    provider = name_of(key)
    category, subcategory, meter = SERVICES[PROVIDERS[key].kind] if key in PROVIDERS else OTHER_SERVICE
    calls = f"{totals.calls:,} call{'' if totals.calls == 1 else 's'}"
    of_type = f", {request_type}" if request_type else ""
    return {
        "ChargeDescription": f"{calls} of {f'{model} ({provider})' if model else provider}{of_type}",
        "PublisherName": provider,
        "ServiceCategory": category,
        "ServiceName": provider,
        "ServiceSubcategory": subcategory,
        "SkuId": f"{key}/{model}" if model else key,
        "SkuMeter": meter,
        "x_Endpoint": dimensions["endpoint"] or None,
        "x_Model": model or None,
        "x_RequestType": request_type or None,
    }


def _for_whom(dimensions: dict[str, Any]) -> dict[str, Cell]:
    team = dimensions["team"] or None
    tags = {name: dimensions[column] for name, column in TAGS.items() if dimensions[column]}
    return {
        "SubAccountId": team,
        "SubAccountName": team,
        "SubAccountType": None if team is None else "Team",
        "Tags": json.dumps(tags, ensure_ascii=False) if tags else None,
    }
