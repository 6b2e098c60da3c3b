"""Calls spread over the four weeks before NOW, and what they would have cost otherwise."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.support.cast import NOW, an_event
from tests.support.prices import an_entry
from tests.support.recording import record
from usage import rollups
from usage.events import UsageEvent
from usage.models import Account
from usage.price_lists import PriceEntry

# The 28 whole days before NOW.
START, END = datetime.fromisoformat("2026-02-15T00:00Z"), datetime.fromisoformat("2026-03-15T00:00Z")
MTOK = Decimal(1_000_000)


def a_price(
    model: str,
    input: str,
    output: str | None = None,
    *,
    cached: str | None = None,
    written: str | None = None,
    batch: tuple[str, str] | None = None,
    tier: tuple[int, str, str] | None = None,
    **options: Any,
) -> PriceEntry:
    """What a price list says of a model: USD per million tokens, also `batch` and `tier` (input, output)."""
    entry = an_entry(model=model, input=input, output=output or "0", **options)
    tokens = entry.tokens._replace(
        output=None if output is None else Decimal(output) / MTOK,
        cached_input=None if cached is None else Decimal(cached) / MTOK,
        cache_write=None if written is None else Decimal(written) / MTOK,
    )
    return replace(
        entry,
        tokens=tokens,
        batch=None if batch is None else _rates(*batch),
        tiers=[] if tier is None else [{"above_input_tokens": tier[0], **_rates(*tier[1:])}],
    )


def daily(
    *days: int, calls: int = 1, hour: int = 9, event_id: str = "daily", **data: Any
) -> Iterator[UsageEvent]:
    """So many calls on each of these days of the window, counted from 0."""
    for day in days:
        for number in range(calls):
            at = START + timedelta(days=day, hours=hour, seconds=number)
            yield an_event(f"{event_id}-{day}-{number}", at=at, **data)


def spend(*events: UsageEvent, at: datetime = NOW) -> Account:
    """Record the calls, roll them up, and give back the account of the first."""
    outcomes = record(*events, at=at)
    assert {outcome.outcome for outcome in outcomes} == {"recorded"}, outcomes
    rollups.roll_up(at=at, limit=100, everything=True)
    return Account.objects.get(external_id=events[0].subject)


def _rates(input: str, output: str) -> dict[str, str]:
    return {"input": f"{Decimal(input) / MTOK:f}", "output": f"{Decimal(output) / MTOK:f}"}
