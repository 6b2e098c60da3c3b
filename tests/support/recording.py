"""Recording single events in a small, known world."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.support.cast import NOW, an_account
from tests.support.prices import an_entry, load
from usage import pricebook
from usage.events import Outcome, UsageEvent
from usage.ingest import ingest
from usage.models import APIUsageLog


def prepare() -> None:
    """The account acme, gpt-4o at 2.50 and 10 USD per million tokens, three providers priced by the unit."""
    an_account("acme")
    load(an_entry(model="gpt-4o", input="2.50", output="10"))
    for provider, unit, price in [
        ("tavily", "search", "0.001"),
        ("firecrawl", "page", "0.002"),
        ("stability", "image", "0.04"),
    ]:
        pricebook.add(
            by=None,
            at=NOW,
            provider=provider,
            model_name="*",
            effective_from=datetime(2020, 1, 1, tzinfo=UTC),
            **{f"cost_per_{unit}": Decimal(price)},
        )


def record(*events: UsageEvent, at: datetime = NOW, **options: Any) -> list[Outcome]:
    return ingest(events, at=at, **options)


def the_row() -> APIUsageLog:
    """The only row of the log."""
    return APIUsageLog.objects.get()
