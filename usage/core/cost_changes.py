"""What made costs change from one range of time to another: thing by thing, in steps that add up. Pure.

A thing that was used in both ranges goes from its old cost to its new one in three steps:

1. *Calls*: as many calls as now, each at what a call cost before.
2. *Size*: as many tokens as now, each at what a token cost before. Left out where a range has no tokens.
3. *Price*: what it costs now. Prices are in it, and what a token's price depends on: the parts of input,
   output and cached tokens.

Each step is what its amount has more than the one before, so that the three are the whole difference. Only
the amounts in between are rounded, half even, to the decimals of a stored cost. What was used in one of the
ranges only has started or stopped, with its whole cost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

from usage.core.money import COST_PLACES, ZERO
from usage.core.repricing import EXACT

SMALLEST = Decimal(1).scaleb(-COST_PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What some calls add up to: input and output tokens, USD unrounded."""

    calls: int = 0
    tokens: int = 0
    cost: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Causes:
    """How many USD more (negative: less) each cause made."""

    calls: Decimal = ZERO
    size: Decimal = ZERO
    price: Decimal = ZERO
    started: Decimal = ZERO
    stopped: Decimal = ZERO

    @property
    def things(self) -> Decimal:
        """What those made that are used in one of the ranges only."""
        with localcontext(EXACT):
            return self.started + self.stopped

    @property
    def total(self) -> Decimal:
        with localcontext(EXACT):
            return self.calls + self.size + self.price + self.started + self.stopped

    def __add__(self, other: "Causes") -> "Causes":
        with localcontext(EXACT):
            return Causes(
                calls=self.calls + other.calls,
                size=self.size + other.size,
                price=self.price + other.price,
                started=self.started + other.started,
                stopped=self.stopped + other.stopped,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CostChange:
    """One thing in both ranges, and why it costs more or less."""

    key: str
    before: Used
    now: Used
    causes: Causes

    @property
    def is_new(self) -> bool:
        return not self.before.calls

    @property
    def is_gone(self) -> bool:
        return not self.now.calls


NOTHING = Used()


def cost_changes(before: Mapping[str, Used], now: Mapping[str, Used]) -> list[CostChange]:
    """Everything used in one of the ranges, by key; what changed most, either way, comes first."""
    found = [
        CostChange(key=key, before=old, now=new, causes=causes_of(old, new))
        for key in before.keys() | now.keys()
        for old, new in [(before.get(key, NOTHING), now.get(key, NOTHING))]
        if old.calls or new.calls
    ]
    return sorted(found, key=lambda change: (-abs(change.causes.total), change.key))


def together(changes: Iterable[CostChange]) -> Causes:
    """What each cause made of all `changes`."""
    return sum((change.causes for change in changes), start=Causes())


def causes_of(before: Used, now: Used) -> Causes:
    """Why one thing costs more or less than before.

    100 calls of 1,000 tokens each for 1 USD, then 150 calls of 1,200 tokens each for 3.60 USD: 150 calls
    would have cost 1.50 USD, 180,000 tokens 1.80 USD. So more calls made 0.50 USD, larger ones 0.30, dearer
    tokens 1.80.
    """
    with localcontext(EXACT):
        if not before.calls:
            return Causes(started=now.cost - before.cost)
        if not now.calls:
            return Causes(stopped=now.cost - before.cost)
        as_many_calls = _share(before.cost, now.calls, before.calls)
        if not before.tokens or not now.tokens:
            return Causes(calls=as_many_calls - before.cost, price=now.cost - as_many_calls)
        as_many_tokens = _share(before.cost, now.tokens, before.tokens)
        return Causes(
            calls=as_many_calls - before.cost,
            size=as_many_tokens - as_many_calls,
            price=now.cost - as_many_tokens,
        )


def _share(cost: Decimal, part: int, whole: int) -> Decimal:
    """`cost` × `part` / `whole`, rounded to the decimals of a stored cost."""
    with localcontext(Context(prec=EXACT.prec)):
        return (cost * part / whole).quantize(SMALLEST, rounding=ROUND_HALF_EVEN)
