"""How invoices are worded for people: spans, quantities, amounts; the same on paper and on pages."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from usage.core.money import format_amount

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
INSTANT = timedelta(microseconds=1)
# Of a line's quantities, what is counted as something else already.
COUNTED_ELSEWHERE = ("requests",)


def day(moment: datetime | date) -> str:
    """ "15 March 2026", in UTC."""
    return f"{moment.day} {moment:%B %Y}"


def span(start: datetime, end: datetime) -> str:
    """The days of [start, end), both named: "15 Mar – 14 Apr 2026"; one day alone by itself."""
    first, last = start.date(), max(start, end - INSTANT).date()
    if first == last:
        return f"{last.day} {last:%b %Y}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%b}{year} {DASH} {last.day} {last:%b %Y}"


def quantity(number: Decimal | None, unit: str) -> str:
    """ "1,100 tokens"; empty where nothing is counted."""
    if number is None:
        return ""
    whole, _, decimals = format_amount(number).partition(".")
    written = f"{int(whole):,}{'.' if decimals else ''}{decimals}"
    return f"{written} {_plural(unit, number)}".rstrip()


def counts(details: Mapping[str, Any]) -> str:
    """What a line's calls consumed: "1,000 input tokens, 100 output tokens"."""
    told = [
        f"{quantity(Decimal(count), '')} {name.replace('_', ' ')}"
        for name, count in details.get("quantities", {}).items()
        if name not in COUNTED_ELSEWHERE
    ]
    return ", ".join(told)


def amount(cents: Decimal) -> str:
    """ "1,234.50", with a real minus sign."""
    return f"{MINUS if cents < 0 else ''}{abs(cents):,.2f}"


def exact(precise: Decimal) -> str:
    """Every digit, cents at least: "1,234.50", "0.0035"."""
    whole, _, decimals = format_amount(abs(precise)).partition(".")
    return f"{MINUS if precise < 0 else ''}{int(whole):,}.{decimals.ljust(2, '0')}"


def _plural(unit: str, number: Decimal) -> str:
    if not unit or number == 1:
        return unit
    return f"{unit}es" if unit.endswith("ch") else f"{unit}s"
