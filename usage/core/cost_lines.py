"""How a cost came about, line by line: quantity × unit price = amount. Pure.

`usage.core.rating` alone knows which tokens a price charges and which it leaves to another one. It is asked
here once for each price, with that price at 1 and the others at 0: what comes out is the quantity charged at
it. So the lines cannot be another definition of a cost than the one calls are rated by.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from usage.core.rating import Price, Quantities, Rates, TokenPrices, UnitPrices, rate
from usage.core.repricing import EXACT, sum_exactly
from usage.core.surcharges import SECONDS_AN_HOUR, SurchargeTerms, surcharge

ONE, NOTHING = Decimal(1), Decimal(0)


class CostLine(NamedTuple):
    """`quantity` units called `unit` (a field of TokenPrices or UnitPrices) at `unit_price` USD each."""

    unit: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal


def cost_lines(quantities: Quantities, price: Price, *, batch: bool = False) -> list[CostLine]:
    """What `quantities` cost at `price`, in the order of its fields; what was not consumed is left out.

    The amounts add up to `rate(quantities, price, batch=batch).total`.
    """
    rates = price.rates(batch=batch)
    tokens = rates.tokens_at(quantities.input_tokens)
    charged = {**tokens._asdict(), **rates.units._asdict()}
    lines = []
    for unit, unit_price in charged.items():
        if unit_price is None:
            continue
        quantity = rate(quantities, price._replace(standard=_only(unit, charged), batch=None)).total
        if quantity:
            lines.append(CostLine(unit, quantity, unit_price, EXACT.multiply(quantity, unit_price)))
    return lines


def surcharge_lines(quantities: Quantities, terms: SurchargeTerms) -> list[CostLine]:
    """What `terms` add, with the units "request" and "hour"; adds up to `surcharge(terms, quantities)`.

    The amount of an hour is rounded as the surcharge is, its quantity only for reading.
    """
    lines = []
    if terms.per_request and quantities.requests:
        requests = Decimal(quantities.requests)
        lines.append(
            CostLine("request", requests, terms.per_request, EXACT.multiply(requests, terms.per_request))
        )
    if terms.per_hour and quantities.seconds:
        amount = surcharge(terms._replace(per_request=NOTHING), quantities)
        lines.append(CostLine("hour", quantities.seconds / SECONDS_AN_HOUR, terms.per_hour, amount))
    return lines


def total_of(lines: Sequence[CostLine]) -> Decimal:
    """All `lines` together, unrounded."""
    return sum_exactly(line.amount for line in lines)


def _only(unit: str, charged: dict[str, Decimal | None]) -> Rates:
    """The rates in which `unit` costs 1 and whatever else has a price 0."""
    prices = {name: None if price is None else NOTHING for name, price in charged.items()} | {unit: ONE}
    return Rates(
        TokenPrices(**{name: prices[name] for name in TokenPrices._fields}),
        units=UnitPrices(**{name: prices[name] for name in UnitPrices._fields}),
    )
