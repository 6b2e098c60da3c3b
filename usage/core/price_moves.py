"""By how much a price moved: what decides whether a refreshed price is applied or held back."""

from collections.abc import Iterator
from decimal import Decimal

from usage.core.money import ZERO
from usage.core.rating import Price, Rates, TokenPrices, UnitPrices

UNCHANGED = Decimal(1)
# What a price that was free, or becomes free, moves by: more than any limit.
BOUNDLESS = Decimal("Infinity")


def largest_move(old: Price, new: Price) -> tuple[str, Decimal]:
    """The unit price that moved most from `old` to `new`, and its factor (≥ 1, up or down alike).

    Every token class is compared at every context size at which either price changes tier. What has no price
    costs nothing, so a unit that appears or vanishes moves by more than any limit.
    """
    largest = ("", UNCHANGED)
    for name, before, after in _pairs(old, new):
        if before != after:
            factor = max(after / before, before / after) if before and after else BOUNDLESS
            if factor > largest[1]:
                largest = (name, factor)
    return largest


def _pairs(old: Price, new: Price) -> Iterator[tuple[str, Decimal, Decimal]]:
    yield from _rate_pairs("", old.standard, new.standard)
    if old.batch is not None and new.batch is not None:
        yield from _rate_pairs("batch ", old.batch, new.batch)


def _rate_pairs(label: str, old: Rates, new: Rates) -> Iterator[tuple[str, Decimal, Decimal]]:
    sizes = {0} | {tier.above_input_tokens + 1 for tier in (*old.tiers, *new.tiers)}
    for size in sorted(sizes):
        context = f" above {size - 1} input tokens" if size else ""
        for name, before, after in zip(
            TokenPrices._fields,
            as_charged(old.tokens_at(size)),
            as_charged(new.tokens_at(size)),
            strict=True,
        ):
            yield f"{label}{name}{context}", before or ZERO, after or ZERO
    for name, before, after in zip(UnitPrices._fields, old.units, new.units, strict=True):
        yield f"{label}{name}", before or ZERO, after or ZERO


def as_charged(tokens: TokenPrices) -> TokenPrices:
    """`tokens` with every class that has no price of its own at the price of the class containing it."""
    return TokenPrices(
        input=tokens.input,
        cached_input=tokens.input if tokens.cached_input is None else tokens.cached_input,
        cache_write=tokens.input if tokens.cache_write is None else tokens.cache_write,
        output=tokens.output,
        reasoning=tokens.output if tokens.reasoning is None else tokens.reasoning,
    )
