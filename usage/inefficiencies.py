"""What of an account's usage is spent without need, said with its numbers: read from rollups, priced by the
price book.

Only what the totals of a model prove is said: how many calls failed, what uncached input costs where the
model has a cheaper price for cached input, writes to a cache that is hardly read, and reasoning that is most
of the output. Prices are the model's standard ones in force; what a long-context tier, batch processing or a
surcharge adds or takes off is left out. What an alternative would have cost is another matter: that takes
the calls themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from usage import pricebook
from usage.analytics import Breakdown
from usage.core.errors import PricingException
from usage.core.money import ZERO, to_cents
from usage.core.rating import TokenPrices
from usage.providers import PROVIDERS
from usage.queries import Totals

FEWEST_CALLS = 20
HIGH_ERROR_PERCENT = 5
LOW_CACHED_PERCENT = 20
HIGH_REASONING_PERCENT = 50
# What costs less is not worth a sentence.
SMALLEST_COST = Decimal(1)
MOST_TOLD = 10


class Kind(StrEnum):
    """What is inefficient about a model's calls."""

    FAILED_CALLS = "failed_calls"
    UNCACHED_INPUT = "uncached_input"
    UNREAD_CACHE = "unread_cache"
    REASONING = "reasoning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inefficiency:
    """One model's ("provider/model") calls with one fault. `percent` is the share at fault: of calls that
    failed, of input that was cached, of written tokens that were read, of output that was reasoning.

    `cost` is what it is about, USD unrounded: all calls of the model for failures, else the tokens at fault.
    `cost_cached` is what uncached input would cost read from the cache. `statement` says it for people.
    """

    kind: Kind
    model: str
    totals: Totals
    percent: Decimal
    cost: Decimal
    statement: str
    cost_cached: Decimal | None = None


Check = Callable[[str, Totals, TokenPrices], Inefficiency | None]


def inefficiencies(models: Breakdown, *, at: datetime) -> list[Inefficiency]:
    """What stands out in usage by model, the most expensive first, at the prices in force at `at`.

    One query, and one more when the price book has changed.
    """
    book = pricebook.current_book()
    found = []
    for group in models.groups:
        prices = _token_prices(book, group.key, at=at)
        told = [check(group.key, group.totals, prices) for check in CHECKS]
        found += [each for each in told if each is not None]
    return sorted(found, key=lambda each: (-each.cost, each.model, each.kind))[:MOST_TOLD]


def failed_calls(model: str, totals: Totals, _: TokenPrices) -> Inefficiency | None:
    """At least 5 percent of at least 20 calls failed."""
    if totals.calls < FEWEST_CALLS or totals.error_rate < HIGH_ERROR_PERCENT:
        return None
    return Inefficiency(
        kind=Kind.FAILED_CALLS,
        model=model,
        totals=totals,
        percent=totals.error_rate,
        cost=totals.cost,
        statement=f"{totals.errors:,} of {totals.calls:,} calls of {model} failed "
        f"({totals.error_rate:.1f} %). All its calls cost {_usd(totals.cost)}.",
    )


def uncached_input(model: str, totals: Totals, prices: TokenPrices) -> Inefficiency | None:
    """Less than 20 percent of the input was cached, though that is cheaper, and the rest cost 1 USD or more.

    Of 1,000,000 input tokens at 2.50 USD a million 100,000 were cached, at half the price: the other 900,000
    cost 2.25 USD, and 1.125 USD if they were.
    """
    if prices.input is None or prices.cached_input is None or prices.cached_input >= prices.input:
        return None
    uncached = totals.input_tokens - totals.cached_input_tokens - totals.cache_write_tokens
    cost, cost_cached = uncached * prices.input, uncached * prices.cached_input
    if totals.cached_percent >= LOW_CACHED_PERCENT or cost < SMALLEST_COST:
        return None
    return Inefficiency(
        kind=Kind.UNCACHED_INPUT,
        model=model,
        totals=totals,
        percent=totals.cached_percent,
        cost=cost,
        cost_cached=cost_cached,
        statement=f"{totals.cached_percent:.1f} % of {totals.input_tokens:,} input tokens of {model} were "
        f"cached. {uncached:,} were not and cost {_usd(cost)}; from the cache they would have "
        f"cost {_usd(cost_cached)}.",
    )


def unread_cache(model: str, totals: Totals, prices: TokenPrices) -> Inefficiency | None:
    """More tokens were written to the cache, at more than the price of input, than were read from it."""
    if prices.input is None or prices.cache_write is None or prices.cache_write <= prices.input:
        return None
    written, read = totals.cache_write_tokens, totals.cached_input_tokens
    cost = written * prices.cache_write
    if read >= written or cost < SMALLEST_COST:
        return None
    return Inefficiency(
        kind=Kind.UNREAD_CACHE,
        model=model,
        totals=totals,
        percent=Decimal(100 * read) / written,
        cost=cost,
        statement=f"{written:,} tokens were written to the cache of {model} for {_usd(cost)}, and "
        f"{read:,} read from it.",
    )


def reasoning(model: str, totals: Totals, prices: TokenPrices) -> Inefficiency | None:
    """At least half of the output was reasoning, and that cost 1 USD or more."""
    price = prices.output if prices.reasoning is None else prices.reasoning
    cost = totals.reasoning_tokens * (price or ZERO)
    if totals.reasoning_percent < HIGH_REASONING_PERCENT or cost < SMALLEST_COST:
        return None
    return Inefficiency(
        kind=Kind.REASONING,
        model=model,
        totals=totals,
        percent=totals.reasoning_percent,
        cost=cost,
        statement=f"{totals.reasoning_percent:.1f} % of {totals.output_tokens:,} output tokens of {model} "
        f"were reasoning, which cost {_usd(cost)}.",
    )


CHECKS: Sequence[Check] = (failed_calls, uncached_input, unread_cache, reasoning)


def _token_prices(book: pricebook.PriceBook, key: str, *, at: datetime) -> TokenPrices:
    """The standard prices of the model, none where the book has none."""
    provider, _, model = key.partition("/")
    if provider not in PROVIDERS:
        return TokenPrices()
    try:
        return book.find(provider, model, at=at).standard.tokens
    except PricingException:
        return TokenPrices()


def _usd(amount: Decimal) -> str:
    return f"{to_cents(amount):,f} USD"
