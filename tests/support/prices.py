"""Price rows for tests: named builders, prices per million tokens as providers publish them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from usage import price_lists, price_loading
from usage.core.rating import TokenPrices, UnitPrices
from usage.models import APIProviderPricing, PriceSource
from usage.price_lists import ALWAYS, PriceEntry

LOADED_AT = datetime(2026, 1, 1, tzinfo=UTC)
FACTOR_LIMIT = Decimal(2)


def load_every_price() -> None:
    """The real price book, as `manage.py load_prices` makes it."""
    price_loading.load(price_lists.every_entry(), at=LOADED_AT, factor_limit=FACTOR_LIMIT)


@pytest.fixture
def price_book(db: None) -> None:
    """A test that asks for this rates with the real price book."""
    load_every_price()


def an_entry(
    *,
    model: str = "gpt-test",
    input: str = "2.50",
    output: str = "10",
    since: datetime = ALWAYS,
    provider: str = "openai",
    search: str | None = None,
) -> PriceEntry:
    """What a price list says of a model; token prices in USD per million."""
    return PriceEntry(
        provider=provider,
        model_name=model,
        effective_from=since,
        tokens=TokenPrices(input=Decimal(input) / 1_000_000, output=Decimal(output) / 1_000_000),
        units=UnitPrices(search=None if search is None else Decimal(search)),
        tiers=[],
        batch=None,
        description=model,
        source=PriceSource.GENAI_PRICES,
        source_version="test",
    )


def load(*entries: PriceEntry, at: datetime = LOADED_AT) -> price_loading.LoadReport:
    return price_loading.load(entries, at=at, factor_limit=FACTOR_LIMIT)


def input_prices(model: str = "gpt-test") -> list[tuple[datetime, Decimal]]:
    """The model's rows in the book: since when, and USD per million input tokens."""
    rows = APIProviderPricing.objects.filter(model_name=model).order_by("effective_from")
    return [(row.effective_from, row.cost_per_input_token * 1_000_000) for row in rows]
