"""Rating: quantities × price → cost. Pure, exact, without a clock.

Token classes nest: cached, cache-written and plain input together are the input; reasoning is part of the
output. A class without a price of its own is charged as the class that contains it. Long-context tiers
follow the providers' "cliff": once the call's input tokens exceed a tier's threshold, every token of the
call pays that tier's rates (ai.google.dev/gemini-api/docs/pricing, and genai-prices' `TieredPrices`).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from usage.core.money import ZERO, parse_price

# Request types whose calls were processed in a provider's batch queue and pay its batch prices.
BATCH_REQUEST_TYPES = frozenset({"batch", "ai_batch"})


class Quantities(NamedTuple):
    """What one call consumed. Input includes cached and cache-written tokens, output includes reasoning."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    requests: int = 0
    searches: int = 0
    images: int = 0
    pages: int = 0
    seconds: Decimal = ZERO
    characters: int = 0


class TokenPrices(NamedTuple):
    """USD per token; None means the class is charged as the one containing it (output and input: nothing)."""

    input: Decimal | None = None
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    output: Decimal | None = None
    reasoning: Decimal | None = None


class Tier(NamedTuple):
    """Token prices of calls with more input tokens than `above_input_tokens`."""

    above_input_tokens: int
    tokens: TokenPrices


class UnitPrices(NamedTuple):
    """USD per single unit; None means the provider does not price that unit."""

    request: Decimal | None = None
    search: Decimal | None = None
    image: Decimal | None = None
    page: Decimal | None = None
    second: Decimal | None = None
    character: Decimal | None = None


class Rates(NamedTuple):
    """Everything one way of processing costs: tokens, their long-context tiers (ascending), units."""

    tokens: TokenPrices = TokenPrices()
    tiers: tuple[Tier, ...] = ()
    units: UnitPrices = UnitPrices()

    def tokens_at(self, input_tokens: int) -> TokenPrices:
        """The token prices of a call with `input_tokens`: above a threshold, not at it."""
        chosen = self.tokens
        for tier in self.tiers:
            if input_tokens <= tier.above_input_tokens:
                break
            chosen = tier.tokens
        return chosen


class Price(NamedTuple):
    """One row of the price book, ready to rate with. `id` is the row's; `model` the book's own name."""

    id: int
    provider: str
    model: str
    standard: Rates
    batch: Rates | None = None
    source: str = ""

    def rates(self, *, batch: bool) -> Rates:
        """The batch rates where they are asked for and there are any, else the standard ones."""
        return self.batch if batch and self.batch is not None else self.standard


class Cost(NamedTuple):
    """USD, unrounded. `total` = `input` + `output` + what units and requests cost."""

    input: Decimal
    output: Decimal
    total: Decimal


FREE = Cost(ZERO, ZERO, ZERO)


def impossible(quantities: Quantities) -> tuple[str, str] | None:
    """The quantity that cannot be, as (its name, why), or None when all of them can."""
    amounts: tuple[int | Decimal, ...] = quantities
    if min(amounts) < 0:
        return Quantities._fields[amounts.index(min(amounts))], "must not be negative"
    if quantities.cached_input_tokens + quantities.cache_write_tokens > quantities.input_tokens:
        part = "cached_input_tokens" if quantities.cached_input_tokens else "cache_write_tokens"
        return part, "cached and cache-written tokens are part of input_tokens and cannot exceed them"
    if quantities.reasoning_tokens > quantities.output_tokens:
        return "reasoning_tokens", "reasoning tokens are part of output_tokens and cannot exceed them"
    return None


def rate(quantities: Quantities, price: Price, *, batch: bool = False) -> Cost:
    """The exact cost of possible `quantities` (see `impossible`) at `price`.

    `batch` asks for the price's batch rates where it has them.
    """
    rates = price.rates(batch=batch)
    tokens = rates.tokens_at(quantities.input_tokens) if rates.tiers else rates.tokens
    input_cost = _input_cost(quantities, tokens)
    output_cost = _output_cost(quantities, tokens)
    total = input_cost + output_cost
    counts: tuple[int | Decimal, ...] = quantities[len(TokenPrices._fields) :]
    for count, unit_price in zip(counts, rates.units, strict=True):
        if count and unit_price is not None:
            total += count * unit_price
    return Cost(input_cost, output_cost, total)


def dearest(price: Price, *, input_tokens: int, batch: bool = False) -> TokenPrices:
    """The most a token of a call with `input_tokens` can cost, whatever class it turns out to be of.

    Both prices are at the tier the call reaches; None where the model has no such tokens.
    """
    tokens = price.rates(batch=batch).tokens_at(input_tokens)
    return TokenPrices(
        input=_most(tokens.input, tokens.cached_input, tokens.cache_write),
        output=_most(tokens.output, tokens.reasoning),
    )


def _most(*prices: Decimal | None) -> Decimal | None:
    return max((price for price in prices if price is not None), default=None)


def is_priced(quantities: Quantities, price: Price, *, batch: bool = False) -> bool:
    """Whether anything consumed has a rate (of zero, perhaps), or nothing was consumed at all."""
    rates = price.rates(batch=batch)
    tokens = rates.tokens_at(quantities.input_tokens)
    counts: tuple[int | Decimal, ...] = quantities
    consumed = [rate for count, rate in zip(counts, (*tokens, *rates.units), strict=True) if count]
    return not consumed or any(rate is not None for rate in consumed)


def _input_cost(quantities: Quantities, tokens: TokenPrices) -> Decimal:
    plain = quantities.input_tokens
    cost = ZERO
    if quantities.cached_input_tokens and tokens.cached_input is not None:
        plain -= quantities.cached_input_tokens
        cost += quantities.cached_input_tokens * tokens.cached_input
    if quantities.cache_write_tokens and tokens.cache_write is not None:
        plain -= quantities.cache_write_tokens
        cost += quantities.cache_write_tokens * tokens.cache_write
    if plain and tokens.input is not None:
        cost += plain * tokens.input
    return cost


def _output_cost(quantities: Quantities, tokens: TokenPrices) -> Decimal:
    plain = quantities.output_tokens
    cost = ZERO
    if quantities.reasoning_tokens and tokens.reasoning is not None:
        plain -= quantities.reasoning_tokens
        cost += quantities.reasoning_tokens * tokens.reasoning
    if plain and tokens.output is not None:
        cost += plain * tokens.output
    return cost


def rates_from_json(rates: Mapping[str, Any]) -> Rates:
    """Read `{"input": "0.0000025", "search": "0.01", "tiers": [{"above_input_tokens": 200000, "input": …}]}`.

    Raises ValueError for an unknown name, an amount that is not a decimal string, or thresholds that do not
    ascend.
    """
    prices = _amounts(rates, known=(*TokenPrices._fields, *UnitPrices._fields, "tiers"))
    return Rates(
        TokenPrices(**{name: prices[name] for name in TokenPrices._fields if name in prices}),
        tiers_from_json(rates.get("tiers", [])),
        UnitPrices(**{name: prices[name] for name in UnitPrices._fields if name in prices}),
    )


def tiers_from_json(tiers: Sequence[Mapping[str, Any]]) -> tuple[Tier, ...]:
    """Read a row's `tiers`; raises ValueError as `rates_from_json` does."""
    read: list[Tier] = []
    for tier in tiers:
        threshold = tier.get("above_input_tokens")
        if not isinstance(threshold, int) or isinstance(threshold, bool) or threshold < 0:
            raise ValueError("above_input_tokens must be a whole number of tokens")
        if read and threshold <= read[-1].above_input_tokens:
            raise ValueError("tiers must ascend by above_input_tokens")
        prices = _amounts(tier, known=(*TokenPrices._fields, "above_input_tokens"))
        read.append(Tier(threshold, TokenPrices(**prices)))
    return tuple(read)


def _amounts(prices: Mapping[str, Any], *, known: tuple[str, ...]) -> dict[str, Decimal]:
    """The amounts among `prices`; what is not an amount (`tiers`, `above_input_tokens`) is left out."""
    unknown = prices.keys() - set(known)
    if unknown:
        raise ValueError(f"unknown price {min(unknown)!r}; known are {', '.join(known)}")
    amounts = {name: text for name, text in prices.items() if name not in ("tiers", "above_input_tokens")}
    for name, text in amounts.items():
        if not isinstance(text, str):
            raise ValueError(f"{name} must be a decimal string, not {text!r}")
    return {name: parse_price(text) for name, text in amounts.items()}
