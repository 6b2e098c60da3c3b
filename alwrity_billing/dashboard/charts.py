"""Geometry of the charts: amounts in, rectangles, ticks and labels out. Pure: no Django, no clock, no markup.

Horizontal measures are percentages of the plot's width, vertical ones pixels from its top: a chart then
stretches to any screen without a script and without scaling its text. Amounts are USD as Decimal all the
way into the labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from usage.core.money import ZERO, format_amount

# Room above the bars for the read-out of the day under the pointer, and below them for the dates.
HEIGHT = 248
TOP = 32
BOTTOM = 28

INTERVALS = 4
NICE_FACTORS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
# The axis of a chart without any amount still needs a top.
EMPTY_MAXIMUM = Decimal(1)

BAR_SHARE_OF_SLOT = Decimal("0.68")
BAR_WIDEST = Decimal(6)
# A segment that would be thinner is drawn this high: something was spent, so something must be seen.
SEGMENT_LOWEST = Decimal(1)
MOST_DATES = 6

MOST_PLACES = 6
GLYPH_WIDTH = 7
GUTTER_PADDING = 10
UNITS = (
    (Decimal("1e12"), "T"),
    (Decimal("1e9"), "B"),
    (Decimal("1e6"), "M"),
    (Decimal("1e3"), "K"),
)
ABBREVIATED_FROM = Decimal("1e4")

_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One bar as it comes in: its date on the axis, what is read out over it, the amount of each series."""

    label: str
    headline: str
    details: tuple[str, ...] = ()
    amounts: tuple[Decimal, ...]
    is_marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line across the plot at `y` and the amount it stands for."""

    y: Decimal
    amount: Decimal
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One series' part of a bar; `tone` names the series' colour."""

    tone: str
    y: Decimal
    height: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One bar in its slot, which is what a pointer hits.

    `is_dated` says whether the axis shows the label; every other one `is_minor`, to be left out where the
    plot is narrow.
    """

    label: str
    headline: str
    title: str
    is_dated: bool
    is_minor: bool
    slot_x: Decimal
    slot_width: Decimal
    centre: Decimal
    x: Decimal
    width: Decimal
    segments: tuple[Segment, ...]
    is_marked: bool

    @property
    def top(self) -> Decimal:
        """Where the bar ends; the baseline where it has none."""
        return self.segments[-1].y if self.segments else Decimal(HEIGHT - BOTTOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A stacked bar chart. `gutter` is the width in pixels that the amounts beside the plot need."""

    height: int
    baseline: int
    gutter: int
    ticks: tuple[Tick, ...]
    columns: tuple[Column, ...]


def stacked_bars(stacks: Sequence[Stack], *, tones: Sequence[str], is_money: bool = True) -> Chart:
    """A chart of `stacks`, left to right, each piled up in the order of its amounts (0 or more).

    `tones` names the colour of each series, in the same order. What is not money is counted: whole steps.
    """
    highest = max((sum(stack.amounts, start=ZERO) for stack in stacks), default=ZERO)
    amounts = tick_amounts(highest, is_money=is_money)
    labels = tick_labels(amounts, sign="$" if is_money else "")
    ticks = tuple(
        Tick(y=_y(amount, top=amounts[-1]), amount=amount, label=label)
        for amount, label in zip(amounts, labels, strict=True)
    )
    return Chart(
        height=HEIGHT,
        baseline=HEIGHT - BOTTOM,
        gutter=max(map(len, labels)) * GLYPH_WIDTH + GUTTER_PADDING,
        ticks=ticks,
        columns=tuple(
            _column(stack, index=index, count=len(stacks), top=amounts[-1], tones=tones)
            for index, stack in enumerate(stacks)
        ),
    )


def tick_step(maximum: Decimal, *, is_money: bool = True) -> Decimal:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that reaches `maximum` (above 0) in four steps;
    of what is counted a whole number.
    """
    wanted = maximum / INTERVALS if is_money else max(maximum / INTERVALS, Decimal(1))
    steps = (factor.scaleb(wanted.adjusted()) for factor in NICE_FACTORS)
    return next(step for step in steps if step >= wanted and (is_money or step % 1 == 0)).normalize()


def tick_amounts(maximum: Decimal, *, is_money: bool = True) -> tuple[Decimal, ...]:
    """Evenly spaced amounts from 0 to the first nice one that is not below `maximum`."""
    maximum = maximum or EMPTY_MAXIMUM
    step = tick_step(maximum, is_money=is_money)
    steps = int((maximum / step).to_integral_value(rounding=ROUND_CEILING))
    return tuple(step * index for index in range(steps + 1))


def tick_labels(amounts: Sequence[Decimal], *, sign: str = "$") -> tuple[str, ...]:
    """The amounts, all in one unit and with equally many places: "$0", "$2.50K", "$5.00K"."""
    top = amounts[-1]
    size, unit = next(
        (pair for pair in UNITS if top >= ABBREVIATED_FROM and top >= pair[0]), (Decimal(1), "")
    )
    scaled = [amount / size for amount in amounts]
    places = max(_places(amount) for amount in scaled)
    if places > MOST_PLACES:
        return tuple(f"{sign}{amount.normalize():e}" if amount else f"{sign}0" for amount in scaled)
    # One place reads as a slip of the pen: money has cents.
    shown = 2 if places == 1 and not unit else places
    return tuple(f"{sign}{amount:,.{shown}f}{unit}" if amount else f"{sign}0" for amount in scaled)


def _places(amount: Decimal) -> int:
    """How many decimals `amount` has, trailing zeros aside."""
    return len(format_amount(amount).partition(".")[2])


def _y(amount: Decimal, *, top: Decimal) -> Decimal:
    plot = HEIGHT - TOP - BOTTOM
    return (HEIGHT - BOTTOM - amount / top * plot).quantize(_HUNDREDTH)


def _column(stack: Stack, *, index: int, count: int, top: Decimal, tones: Sequence[str]) -> Column:
    slot = Decimal(100) / count
    width = min(slot * BAR_SHARE_OF_SLOT, BAR_WIDEST)
    centre = slot * index + slot / 2
    # Dates are counted back from the last bar, which always has one.
    dates_back, between_dates = divmod(count - 1 - index, -(-count // MOST_DATES))
    return Column(
        label=stack.label,
        headline=stack.headline,
        title="\n".join((stack.headline, *stack.details)),
        is_dated=between_dates == 0,
        is_minor=dates_back % 2 == 1,
        slot_x=(slot * index).quantize(_HUNDREDTH),
        slot_width=slot.quantize(_HUNDREDTH),
        centre=centre.quantize(_HUNDREDTH),
        x=(centre - width / 2).quantize(_HUNDREDTH),
        width=width.quantize(_HUNDREDTH),
        segments=_segments(stack.amounts, top=top, tones=tones),
        is_marked=stack.is_marked,
    )


def _segments(amounts: Sequence[Decimal], *, top: Decimal, tones: Sequence[str]) -> tuple[Segment, ...]:
    segments = []
    y = Decimal(HEIGHT - BOTTOM)
    for amount, tone in zip(amounts, tones, strict=True):
        if not amount:
            continue
        height = max(_y(ZERO, top=top) - _y(amount, top=top), SEGMENT_LOWEST)
        y -= height
        segments.append(Segment(tone=tone, y=y, height=height))
    return tuple(segments)
