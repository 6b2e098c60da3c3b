"""What a price states, rate by rate, and how two prices of one model differ."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from usage.core.price_moves import as_charged
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
    """What a line's calls pay before and after, in USD per single unit; None where that is not priced.

    Where a price does not state the line it is what the price charges instead: cached input as input, a call
    above a threshold as one below, a batch at the usual rates. `is_stated` says whether the later price does.
    """

    line: Line
    before: Decimal | None
    after: Decimal | None
    is_stated: bool = True

    @property
    def moved(self) -> bool:
        return self.before != self.after

    @property
    def percent(self) -> Decimal | None:
        """By how many percent of `before` it rose; None where that is nothing, or either is not priced."""
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
    """Every line that either price states, those of `after` first; without `before`, nothing was priced."""
    old, new = {} if before is None else stated(before), stated(after)
    return [
        Change(line, None if before is None else charged(line, before), charged(line, after), line in new)
        for line in dict.fromkeys([*new, *old])
    ]


def charged(line: Line, price: Price) -> Decimal | None:
    """What a unit of the line's calls costs at `price`, stated or not; None where it is not priced."""
    rates = price.rates(batch=line.batch)
    if not line.is_per_token:
        unit_price: Decimal | None = getattr(rates.units, line.name)
        return unit_price
    input_tokens = 0 if line.above_input_tokens is None else line.above_input_tokens + 1
    token_price: Decimal | None = getattr(as_charged(rates.tokens_at(input_tokens)), line.name)
    return token_price


def _lines(rates: Rates, *, batch: bool) -> Iterator[tuple[Line, Decimal]]:
    levels = [(None, rates.tokens), *((tier.above_input_tokens, tier.tokens) for tier in rates.tiers)]
    for above, tokens in levels:
        for name, amount in tokens._asdict().items():
            if amount is not None:
                yield Line(name, batch, above), amount
    for name, amount in rates.units._asdict().items():
        if amount is not None:
            yield Line(name, batch), amount
