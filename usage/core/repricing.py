"""Rating many calls at once, to the last digit: within one tier a price is linear in the quantities.

Calls that pay the same price per token form a bucket; what they consumed together costs what they cost one
by one. `usage.core.rating` rates both, so the two cannot define a cost differently.
"""

from collections.abc import Iterable
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, localcontext
from typing import Any, NamedTuple

from usage.core.rating import Price, Quantities, Rates, rate

# The sums of a month have more digits than one call's: with the usual 28 a product could be rounded. What
# this arithmetic could not represent would raise instead of rounding.
EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, DivisionByZero])


class Bucket(NamedTuple):
    """Calls that pay the same price per token: batch or not, and how many thresholds their input exceeds."""

    batch: bool = False
    tiers_exceeded: int = 0


def thresholds(price: Price, *, batch: bool) -> tuple[int, ...]:
    """The numbers of input tokens above which a call changes tier, ascending."""
    return tuple(tier.above_input_tokens for tier in price.rates(batch=batch).tiers)


def rate_together(quantities: Quantities, price: Price, *, bucket: Bucket) -> Decimal:
    """What the calls of `bucket` cost in USD at `price`, that together consumed `quantities`."""
    flat = price._replace(standard=rates_of(bucket, price), batch=None)
    with localcontext(EXACT):
        return rate(quantities, flat).total


def sum_exactly(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of `amounts`, unrounded however large they are."""
    with localcontext(EXACT):
        return sum(amounts, Decimal(0))


def together(one: Quantities, other: Quantities) -> Quantities:
    """What both consumed."""
    counts: Iterable[tuple[Any, Any]] = zip(one, other, strict=True)
    return Quantities(*(count + added for count, added in counts))


def unpriced(quantities: Quantities, price: Price, *, bucket: Bucket) -> list[str]:
    """What the calls of `bucket` consumed and `price` charges nothing for, not even a rate of zero.

    Requests are left out: that every call is one does not mean that calls are charged for.
    """
    rates = rates_of(bucket, price)
    tokens, units = rates.tokens, rates.units
    plain_input = quantities.input_tokens
    plain_input -= 0 if tokens.cached_input is None else quantities.cached_input_tokens
    plain_input -= 0 if tokens.cache_write is None else quantities.cache_write_tokens
    plain_output = quantities.output_tokens
    plain_output -= 0 if tokens.reasoning is None else quantities.reasoning_tokens
    consumed: list[tuple[str, int | Decimal, Decimal | None]] = [
        ("input tokens", plain_input, tokens.input),
        ("output tokens", plain_output, tokens.output),
        ("searches", quantities.searches, units.search),
        ("images", quantities.images, units.image),
        ("pages", quantities.pages, units.page),
        ("seconds", quantities.seconds, units.second),
        ("characters", quantities.characters, units.character),
    ]
    return [name for name, amount, unit_price in consumed if amount and unit_price is None]


def rates_of(bucket: Bucket, price: Price) -> Rates:
    """The rates every call of `bucket` pays, without tiers."""
    rates = price.rates(batch=bucket.batch)
    tokens = rates.tiers[bucket.tiers_exceeded - 1].tokens if bucket.tiers_exceeded else rates.tokens
    return Rates(tokens, units=rates.units)
