"""Geometry of a heat map: amounts in rows and columns in, cells with shades out. Pure: no Django, no markup.

As in `charts`, horizontal measures are percentages of the plot's width and vertical ones pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

ROW = 22
GAP = 2
BOTTOM = 24
# Shades that can still be told apart; 0 is nothing.
MOST_SHADE = 5
DATED_EVERY = 6
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One amount: where it is drawn, how dark (0 to MOST_SHADE), and what is said of it."""

    x: Decimal
    y: int
    shade: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name along an axis: `x` in percent along the bottom, `y` in pixels along the side."""

    text: str
    x: Decimal = Decimal(0)
    y: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """The drawing; every cell is `width` percent wide and `cell_height` pixels high."""

    height: int
    width: Decimal
    cell_height: int
    cells: Sequence[Cell]
    rows: Sequence[Label]
    columns: Sequence[Label]


def heat_map(
    amounts: Sequence[Sequence[Decimal]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    titles: Sequence[Sequence[str]],
) -> HeatMap:
    """The drawing of `amounts` (0 or more), row by row; every sixth column is named along the bottom."""
    slot = Decimal(100) / len(columns)
    highest = max(max(row) for row in amounts)
    return HeatMap(
        height=ROW * len(rows) + BOTTOM,
        width=slot.quantize(_HUNDREDTH),
        cell_height=ROW - GAP,
        cells=[
            Cell(
                x=(slot * column).quantize(_HUNDREDTH),
                y=ROW * number,
                shade=shade_of(amount, highest=highest),
                title=titles[number][column],
            )
            for number, row in enumerate(amounts)
            for column, amount in enumerate(row)
        ],
        rows=[Label(text=name, y=ROW * number + ROW // 2) for number, name in enumerate(rows)],
        columns=[
            Label(text=name, x=(slot * number).quantize(_HUNDREDTH))
            for number, name in enumerate(columns)
            if number % DATED_EVERY == 0
        ],
    )


def shade_of(amount: Decimal, *, highest: Decimal) -> int:
    """In which fifth of the highest amount this one is: from 1 up to 5; 0 for nothing."""
    if not amount:
        return 0
    return int((MOST_SHADE * amount / highest).to_integral_value(rounding=ROUND_CEILING))
