"""Usage over time as stacked bars: which keys get a colour of their own, and what each bar is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from alwrity_billing.dashboard.charts import Chart, Stack, stacked_bars
from alwrity_billing.dashboard.figures import usd
from usage.analytics import GroupedSlice
from usage.core.money import ZERO
from usage.queries import NOTHING, Interval, Totals

# More colours than these cannot be told apart; what is left shares the last one.
TONES = ("1", "2", "3", "4", "5", "6")
REST_TONE = "rest"


class Quantity(StrEnum):
    """What a chart can show of usage."""

    COST = "cost"
    CALLS = "calls"
    TOKENS = "tokens"

    def of(self, totals: Totals) -> Decimal:
        return Decimal(getattr(totals, self.value))

    def written(self, amount: Decimal) -> str:
        """ "$1.50", "12,000 tokens"."""
        return usd(amount) if self is Quantity.COST else f"{amount:,.0f} {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One colour of the chart: whom it stands for, and what that adds up to."""

    tone: str
    name: str
    keys: tuple[str, ...]
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One interval: the amount of each series, in their order, and of all."""

    start: datetime
    label: str
    name: str
    amounts: tuple[Decimal, ...]
    amount: Decimal
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Usage over time, oldest first, as a chart and as its numbers."""

    quantity: Quantity
    interval: Interval
    chart: Chart
    series: tuple[Series, ...]
    slots: tuple[Slot, ...]
    amount: Decimal
    calls: int
    peak: Slot

    @property
    def average(self) -> Decimal:
        """Per interval, idle ones and the running one included."""
        return self.amount / len(self.slots)

    @property
    def tones(self) -> Mapping[str, str]:
        """The colour of each key."""
        return {key: series.tone for series in self.series for key in series.keys}


def drawing_of(
    slices: Sequence[GroupedSlice],
    *,
    interval: Interval,
    name: Callable[[str], str],
    rest: Callable[[int], str],
    quantity: Quantity = Quantity.COST,
    marked: Mapping[datetime, str] | None = None,
) -> Drawing:
    """The chart of `slices`, at least one. `name` says what people call a key, `rest` what they call so many
    keys together; 0 stands for "all others". `marked` holds remarks on intervals, by their start.
    """
    series = _series(slices, quantity=quantity, name=name, rest=rest)
    slots = tuple(_slot(piece, series=series, interval=interval, quantity=quantity) for piece in slices)
    remarks = marked or {}
    return Drawing(
        quantity=quantity,
        interval=interval,
        chart=stacked_bars(
            [_stack(slot, series, quantity, remarks.get(slot.start, "")) for slot in slots],
            tones=[one.tone for one in series],
            is_money=quantity is Quantity.COST,
        ),
        series=series,
        slots=slots,
        amount=sum((slot.amount for slot in slots), start=ZERO),
        calls=sum(slot.calls for slot in slots),
        peak=max(slots, key=lambda slot: slot.amount),
    )


def _series(
    slices: Sequence[GroupedSlice],
    *,
    quantity: Quantity,
    name: Callable[[str], str],
    rest: Callable[[int], str],
) -> tuple[Series, ...]:
    """A series for each of the largest keys, as many as there are tones; the rest share one."""
    amounts: dict[str, Decimal] = {}
    for piece in slices:
        for key, totals in piece.groups.items():
            amounts[key] = amounts.get(key, ZERO) + quantity.of(totals)
    beyond = sum((quantity.of(piece.others) for piece in slices), start=ZERO)
    ranked = sorted(amounts, key=lambda key: (-amounts[key], key))
    series = [
        Series(tone=tone, name=name(key), keys=(key,), amount=amounts[key])
        for tone, key in zip(TONES, ranked, strict=False)
    ]
    left = tuple(ranked[len(TONES) :])
    if left or beyond:
        called = name(left[0]) if len(left) == 1 and not beyond else rest(0 if beyond else len(left))
        amount = sum((amounts[key] for key in left), start=beyond)
        series.append(Series(tone=REST_TONE, name=called, keys=left, amount=amount))
    return tuple(series)


def _slot(piece: GroupedSlice, *, series: Sequence[Series], interval: Interval, quantity: Quantity) -> Slot:
    amounts = [
        sum((quantity.of(piece.groups.get(key, NOTHING)) for key in one.keys), start=ZERO) for one in series
    ]
    if series and series[-1].tone == REST_TONE:
        amounts[-1] += quantity.of(piece.others)
    totals = piece.totals
    return Slot(
        start=piece.start,
        label=short_name(piece.start, interval),
        name=long_name(piece.start, interval),
        amounts=tuple(amounts),
        amount=quantity.of(totals),
        calls=totals.calls,
    )


def _stack(slot: Slot, series: Sequence[Series], quantity: Quantity, remark: str) -> Stack:
    told = quantity.written(slot.amount)
    if quantity is not Quantity.CALLS:
        told = f"{told}, {slot.calls:,} calls"
    return Stack(
        label=slot.label,
        headline=f"{slot.name}: {told}",
        details=(
            *(
                f"{one.name} {quantity.written(amount)}"
                for one, amount in zip(series, slot.amounts, strict=True)
                if amount
            ),
            *((remark,) if remark else ()),
        ),
        amounts=slot.amounts,
        is_marked=bool(remark),
    )


def short_name(start: datetime, interval: Interval) -> str:
    """For the axis: "Sun 14:00", "15 Mar", "Mar 26"."""
    match interval:
        case "hour":
            return f"{start:%a %H:%M}"
        case "day":
            return f"{start.day} {start:%b}"
        case "month":
            return f"{start:%b %y}"


def long_name(start: datetime, interval: Interval) -> str:
    """For tables and read-outs: "Sun 15 Mar, 14:00", "Sun 15 Mar", "March 2026"."""
    match interval:
        case "hour":
            return f"{start:%a} {start.day} {start:%b, %H:%M}"
        case "day":
            return f"{start:%a} {start.day} {start:%b}"
        case "month":
            return f"{start:%B %Y}"
