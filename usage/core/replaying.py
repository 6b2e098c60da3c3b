"""What calls would have cost on other terms: pure, exact, many calls at a time.

Calls come in cells, within which no price of the book changes and no threshold of one lies: what a cell's
calls consumed together costs what they cost one by one (`usage.core.repricing`). `usage.core.rating` rates
both sides.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from usage.core.money import ZERO
from usage.core.rating import Price, Quantities, Rates, TokenPrices, UnitPrices
from usage.core.repricing import EXACT, Bucket, rate_together, rates_of, sum_exactly, thresholds, together

PERCENT = 100


class Cell(NamedTuple):
    """Calls of one kind and one stretch of time. `cost` is without the `surcharge` of the account's terms.

    `least_input` and `least_tokens` are how many input tokens, and input and output tokens, each call has at
    least; no threshold lies between that and what the largest of them has. `left_out` says why no price of
    the book has a say in what they cost; empty where one has.
    """

    provider: str
    model: str
    endpoint: str
    request_type: str
    price_id: int | None
    left_out: str
    batch: bool
    begins: datetime
    least_input: int
    least_tokens: int
    has_units: bool
    has_output: bool
    calls: int
    cost: Decimal
    surcharge: Decimal
    quantities: Quantities


BEGINS, ADDED_UP = Cell._fields.index("begins"), Cell._fields.index("calls")


class Terms(NamedTuple):
    """On what calls are rated: a price, its batch rates or not, what is consumed, and what comes on top."""

    price: Price
    batch: bool
    quantities: Quantities
    surcharge: Decimal = ZERO


class Charge(NamedTuple):
    """What one class of quantities costs: how much of it at which price for one."""

    name: str
    quantity: Decimal
    unit_price: Decimal


@dataclass(slots=True)
class Line:
    """One class of quantities at one price now and one then: how much of it is charged on either side."""

    name: str
    price_now: Decimal
    price_then: Decimal
    quantity_now: Decimal = ZERO
    quantity_then: Decimal = ZERO

    @property
    def cost_now(self) -> Decimal:
        return _product(self.quantity_now, self.price_now)

    @property
    def cost_then(self) -> Decimal:
        return _product(self.quantity_then, self.price_then)


@dataclass(slots=True)
class Week:
    """What the calls of seven days cost and would have cost."""

    now: Decimal = ZERO
    then: Decimal = ZERO


@dataclass(slots=True)
class Replay:
    """Calls on other terms, added up: what they cost `now` and would have cost `then`, in USD, unrounded.

    `weeks` are counted from `start`; `excluded` are calls that could not be replayed, by reason.
    """

    start: datetime
    calls: int = 0
    now: Decimal = ZERO
    then: Decimal = ZERO
    days: set[int] = field(default_factory=set)
    weeks: dict[int, Week] = field(default_factory=dict)
    excluded: dict[str, int] = field(default_factory=dict)
    _lines: dict[tuple[str, Decimal, Decimal], Line] = field(default_factory=dict)

    @property
    def saving(self) -> Decimal:
        """Below nothing where it would have cost more."""
        return sum_exactly([self.now, self.then.copy_negate()])

    @property
    def lines(self) -> list[Line]:
        """Every amount on either side; what they cost adds up to `now` and `then`."""
        order = {name: place for place, name in enumerate(CLASSES)}
        return sorted(self._lines.values(), key=lambda line: (order[line.name], -line.price_now))

    def exclude(self, cell: Cell, why: str) -> None:
        self.excluded[why] = self.excluded.get(why, 0) + cell.calls

    def add(self, cell: Cell, now: Terms, then: Terms) -> None:
        """The calls of `cell` on the terms they were rated on, and on the others."""
        cost_now = sum_exactly([cell.cost, now.surcharge])
        cost_then = sum_exactly([cost_of(cell, then), then.surcharge])
        self.calls += cell.calls
        self.now = sum_exactly([self.now, cost_now])
        self.then = sum_exactly([self.then, cost_then])
        day = (cell.begins - self.start).days
        self.days.add(day)
        week = self.weeks.setdefault(day // 7, Week())
        week.now, week.then = sum_exactly([week.now, cost_now]), sum_exactly([week.then, cost_then])
        before = {charge.name: charge for charge in charges(cell, now)}
        after = {charge.name: charge for charge in charges(cell, then)}
        for name in dict.fromkeys([*before, *after]):
            self._put(name, before.get(name), after.get(name), cell=cell, now=now, then=then)

    def _put(
        self, name: str, before: Charge | None, after: Charge | None, *, cell: Cell, now: Terms, then: Terms
    ) -> None:
        # A class that one side consumes nothing of still has its price there.
        price_now = unit_price(name, cell, now) if before is None else before.unit_price
        price_then = unit_price(name, cell, then) if after is None else after.unit_price
        line = self._lines.setdefault((name, price_now, price_then), Line(name, price_now, price_then))
        if before is not None:
            line.quantity_now = sum_exactly([line.quantity_now, before.quantity])
        if after is not None:
            line.quantity_then = sum_exactly([line.quantity_then, after.quantity])


INPUT, CACHED, WRITTEN = "Input tokens", "Cached input tokens", "Tokens written to the cache"
OUTPUT, REASONING, SURCHARGES = "Output tokens", "Reasoning tokens", "Surcharges (USD)"
UNITS = {
    "request": "Requests",
    "search": "Searches",
    "image": "Images",
    "page": "Pages",
    "second": "Seconds",
    "character": "Characters",
}
CLASSES = (INPUT, CACHED, WRITTEN, OUTPUT, REASONING, *UNITS.values(), SURCHARGES)
ONE = Decimal(1)


def cost_of(cell: Cell, terms: Terms) -> Decimal:
    """What the cell's calls cost on `terms`, surcharges left out."""
    return rate_together(terms.quantities, terms.price, bucket=bucket_of(cell, terms))


def bucket_of(cell: Cell, terms: Terms) -> Bucket:
    """Which tier of a price the calls of the cell reach."""
    exceeded = sum(cell.least_input > above for above in thresholds(terms.price, batch=terms.batch))
    return Bucket(terms.batch, exceeded)


def charges(cell: Cell, terms: Terms) -> Iterator[Charge]:
    """What is charged for each class that was consumed; adds up to `cost_of` and surcharges."""
    amounts: tuple[int | Decimal, ...] = terms.quantities
    consumed = dict(zip(Quantities._fields, amounts, strict=True))
    cached, written = consumed["cached_input_tokens"], consumed["cache_write_tokens"]
    quantities = {
        INPUT: consumed["input_tokens"] - cached - written,
        CACHED: cached,
        WRITTEN: written,
        OUTPUT: consumed["output_tokens"] - consumed["reasoning_tokens"],
        REASONING: consumed["reasoning_tokens"],
        **dict(zip(UNITS.values(), amounts[len(TokenPrices._fields) :], strict=True)),
        SURCHARGES: terms.surcharge,
    }
    for name, quantity in quantities.items():
        each = unit_price(name, cell, terms)
        # Every call is a request, few prices charge for one: those that do not have no such line.
        if quantity and (each or name not in UNITS.values()):
            yield Charge(name, Decimal(quantity), each)


def unit_price(name: str, cell: Cell, terms: Terms) -> Decimal:
    """What one of a class costs: the price of the class that contains it, where it has none of its own."""
    if name == SURCHARGES:
        return ONE
    rates = rates_of(bucket_of(cell, terms), terms.price)
    tokens, units = rates.tokens, rates.units
    found: Mapping[str, Decimal | None] = {
        INPUT: tokens.input,
        CACHED: tokens.input if tokens.cached_input is None else tokens.cached_input,
        WRITTEN: tokens.input if tokens.cache_write is None else tokens.cache_write,
        OUTPUT: tokens.output,
        REASONING: tokens.output if tokens.reasoning is None else tokens.reasoning,
        **dict(zip(UNITS.values(), units, strict=True)),
    }
    return found[name] or ZERO


def merged(cells: Iterable[Cell], *, starts: Sequence[datetime]) -> list[Cell]:
    """The same calls in fewer cells: days together that differ in nothing but the day. `starts` are the
    instants at which some price begins, ascending; cells on both sides of one stay apart.
    """
    found: dict[tuple[object, ...], Cell] = {}
    for cell in cells:
        key = (*cell[:BEGINS], bisect_right(starts, cell.begins), *cell[BEGINS + 1 : ADDED_UP])
        first = found.get(key)
        found[key] = cell if first is None else _both(first, cell)
    return list(found.values())


def _both(one: Cell, other: Cell) -> Cell:
    return one._replace(
        calls=one.calls + other.calls,
        cost=sum_exactly([one.cost, other.cost]),
        surcharge=sum_exactly([one.surcharge, other.surcharge]),
        quantities=together(one.quantities, other.quantities),
    )


def discounted(price: Price, percent_off: Decimal) -> Price:
    """The price with `percent_off` every rate of it, as its batch rates."""
    share = (PERCENT - percent_off) / PERCENT

    def less(rate: Decimal | None) -> Decimal | None:
        return None if rate is None else _product(rate, share)

    standard = price.standard
    batch = Rates(
        TokenPrices(*map(less, standard.tokens)),
        tuple(tier._replace(tokens=TokenPrices(*map(less, tier.tokens))) for tier in standard.tiers),
        UnitPrices(*map(less, standard.units)),
    )
    return price._replace(batch=batch)


class CachedShare(NamedTuple):
    """How much of the input was read from the cache, and written to it, over some calls."""

    input_tokens: int
    cached: int
    written: int
    week: int

    def of(self, quantities: Quantities) -> Quantities:
        """The quantities with at least that share cached and written, in whole tokens, rounded down."""
        cached = max(
            quantities.cached_input_tokens, quantities.input_tokens * self.cached // self.input_tokens
        )
        written = max(
            quantities.cache_write_tokens, quantities.input_tokens * self.written // self.input_tokens
        )
        written = min(written, quantities.input_tokens - cached)
        return quantities._replace(cached_input_tokens=cached, cache_write_tokens=written)


def best_week(cells: Iterable[Cell], *, start: datetime, at_least_calls: int) -> CachedShare | None:
    """The week, counted from `start`, in which most of the input was cached, of those with so many calls;
    None where nothing was cached in any of them.
    """
    weeks: dict[int, list[int]] = {}
    for cell in cells:
        sums = weeks.setdefault((cell.begins - start).days // 7, [0, 0, 0, 0])
        used = cell.quantities
        added = (cell.calls, used.input_tokens, used.cached_input_tokens, used.cache_write_tokens)
        for place, amount in enumerate(added):
            sums[place] += amount
    shares = [
        CachedShare(tokens, cached, written, week)
        for week, (calls, tokens, cached, written) in sorted(weeks.items())
        if calls >= at_least_calls and cached
    ]
    return max(shares, key=lambda share: Decimal(share.cached) / share.input_tokens, default=None)


def _product(one: Decimal, other: Decimal) -> Decimal:
    return EXACT.multiply(one, other)
