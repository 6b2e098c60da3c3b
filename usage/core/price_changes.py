"""What a price states, rate by rate, and how two prices of one model differ."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from usage.core.rating import Price, Rates, TokenPrices


class Line(NamedTuple):
    """One unit price of a price: its name in `TokenPrices` or `UnitPrices`, and the calls that pay it."""

    name: str
    batch: bool = False
    above_input_tokens: int | None = None

    @property
    def is_per_token(self) -> bool:
        return self.name in TokenPrices._fields


class Change(NamedTuple):
    """A line before and after, in USD per single unit; None where the price does not state it."""

    line: Line
    before: Decimal | None
    after: Decimal | None

    @property
    def moved(self) -> bool:
        return self.before != self.after

    @property
    def percent(self) -> Decimal | None:
        """By how many percent of `before` it rose; None where that is nothing, or nothing is stated."""
        return percent_of_change(self.before, self.after)


def percent_of_change(before: Decimal | None, after: Decimal | None) -> Decimal | None:
    """By how many percent of `before` an amount rose to `after`; None without both, or from zero."""
    if not before or after is None:
        return None
    return 100 * (after - before) / before


def stated(price: Price) -> dict[Line, Decimal]:
    """Everything `price` states, in USD per single unit: tokens, their tiers, units, then the batch rates."""
    lines = list(_lines(price.standard, batch=False))
    if price.batch is not None:
        lines += _lines(price.batch, batch=True)
    return dict(lines)


def compare(before: Price | None, after: Price) -> list[Change]:
    """Every line that either price states, those of `after` first; without `before`, nothing was stated."""
    old, new = {} if before is None else stated(before), stated(after)
    return [Change(line, old.get(line), new.get(line)) for line in dict.fromkeys([*new, *old])]


def _lines(rates: Rates, *, batch: bool) -> Iterator[tuple[Line, Decimal]]:
    levels = [(None, rates.tokens), *((tier.above_input_tokens, tier.tokens) for tier in rates.tiers)]
    for above, tokens in levels:
        for name, amount in tokens._asdict().items():
            if amount is not None:
                yield Line(name, batch, above), amount
    for name, amount in rates.units._asdict().items():
        if amount is not None:
            yield Line(name, batch), amount
