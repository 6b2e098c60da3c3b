"""Limits as bars: what is used, held and left of each, and when it starts anew."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from alerts import words
from usage.core.money import ZERO
from usage.limits import LimitState
from usage.models import LimitMode, LimitScope, LimitSource, Measure, Window

WARNS_FROM = 80
FULL = 100
# More bars than these are folded away.
MOST_SHOWN = 6
# Shorter windows are rates: what is left of them comes back while one looks.
LASTING = (Window.DAY, Window.PERIOD)

WINDOWS = {
    Window.REQUEST: "per call",
    Window.CONCURRENT: "at once",
    Window.SECOND: "per second",
    Window.MINUTE: "per minute",
    Window.HOUR: "per hour",
    Window.DAY: "per day",
    Window.PERIOD: "per billing period",
}
SOURCES = {
    LimitSource.PLAN: "your plan",
    LimitSource.BUDGET: "your budget",
    LimitSource.OVERRIDE: "set for you by our staff",
}
BEYOND = {
    LimitMode.BLOCK: "further calls are refused",
    LimitMode.BILL: "further use is billed",
    LimitMode.NOTIFY: "nothing is refused; you are told",
}
TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitBar:
    """A limit: its name and what sets it, its figures in words, and its bar in percent of the amount.

    `used_percent` and `held_percent` together never exceed 100; `percent` may.
    """

    name: str
    window: str
    source: str
    beyond: str
    used: str
    held: str
    remaining: str
    amount: str
    percent: Decimal
    used_percent: Decimal
    held_percent: Decimal
    tone: str
    state: str
    resets_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitBars:
    """The fullest limits, the others of those that last, and the rates."""

    fullest: tuple[LimitBar, ...]
    others: tuple[LimitBar, ...]
    rates: tuple[LimitBar, ...]


def bars_of(states: Iterable[LimitState]) -> LimitBars:
    """The limits that cap anything, the fullest first."""
    capped = sorted(
        (state for state in states if state.amount is not None),
        key=lambda state: (-_percent(state), words.limit_name(state), state.source, state.window),
    )
    lasting = [bar_of(state) for state in capped if state.window in LASTING]
    rates = [bar_of(state) for state in capped if state.window not in LASTING]
    return LimitBars(
        fullest=tuple(lasting[:MOST_SHOWN]), others=tuple(lasting[MOST_SHOWN:]), rates=tuple(rates)
    )


def ceilings_of(states: Iterable[LimitState]) -> list[LimitState]:
    """The limits of all that a billing period costs, the lowest first."""
    found = [
        state
        for state in states
        if state.measure == Measure.COST
        and state.scope == LimitScope.EVERYTHING
        and state.window == Window.PERIOD
        and state.amount
    ]
    return sorted(found, key=lambda state: state.amount or ZERO)


def bar_of(state: LimitState) -> LimitBar:
    """The bar of a limit that has an amount."""
    amount = state.amount or ZERO
    percent = _percent(state)
    used_percent = _share(state.used, amount)
    tone, words_of_state = _standing(state, percent)
    name = words.limit_name(state)
    return LimitBar(
        name=name[:1].upper() + name[1:],
        window=WINDOWS[Window(state.window)],
        source=SOURCES.get(LimitSource(state.source), state.source),
        beyond=BEYOND[LimitMode(state.mode)],
        used=words.used_of(state.measure, state.used, amount),
        held=words.amount_of(state.measure, state.held) if state.held else "",
        remaining=words.amount_of(state.measure, state.remaining or ZERO),
        amount=words.amount_of(state.measure, amount),
        percent=percent,
        used_percent=used_percent,
        held_percent=min(_share(state.held, amount), FULL - used_percent),
        tone=tone,
        state=words_of_state,
        resets_at=state.resets_at,
    )


def _percent(state: LimitState) -> Decimal:
    """Percent of the amount that is used or held, rounded down: what is not reached never reads as if."""
    if not state.amount:
        return Decimal(FULL)
    return (100 * (state.used + state.held) / state.amount).quantize(TENTH, rounding=ROUND_DOWN)


def _share(part: Decimal, whole: Decimal) -> Decimal:
    if not whole:
        return ZERO
    return min(100 * part / whole, Decimal(FULL)).quantize(TENTH, rounding=ROUND_DOWN)


def _standing(state: LimitState, percent: Decimal) -> tuple[str, str]:
    """Its colour, and the word that says the same."""
    if not state.amount:
        return "idle", "Not included"
    if percent >= FULL:
        return ("accent", "Billed as overage") if state.mode == LimitMode.BILL else ("bad", "Used up")
    return ("warn", "Nearly used up") if percent >= WARNS_FROM else ("accent", "")
