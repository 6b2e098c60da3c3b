"""Where prices come from: genai-prices' dated, tiered data and our own catalog, read into one form."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices
from genai_prices.types import Provider as PriceList

from usage.core.money import PRICE_PLACES, ZERO, format_amount, parse_price
from usage.core.rating import TokenPrices, UnitPrices
from usage.models.prices import PriceSource
from usage.providers import PROVIDERS, Provider

CATALOG = Path(__file__).parent / "catalog" / "prices.toml"
# The start of a price whose beginning nobody wrote down.
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
BATCH = {"processing": "batch"}
SMALLEST_PRICE = Decimal(1).scaleb(-PRICE_PLACES)

# genai-prices' names, ours, and how many single units its price is quoted for.
TOKEN_KEYS = {
    "input": "input_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "output": "output_mtok",
}
UNIT_KEYS = {
    "request": ("requests_kcount", 1_000),
    "search": ("web_searches_kcount", 1_000),
    "page": ("input_document_kpages", 1_000),
    "second": ("audio_hours", 3_600),
    "character": ("input_mchars", 1_000_000),
}
MTOK = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEntry:
    """One dated price as its source states it; `tiers` and `batch` as in the table's JSON columns."""

    provider: str
    model_name: str
    effective_from: datetime
    tokens: TokenPrices
    units: UnitPrices
    tiers: list[dict[str, Any]]
    batch: dict[str, Any] | None
    description: str
    source: PriceSource
    source_version: str

    @property
    def content_hash(self) -> str:
        """SHA-256 over everything that decides what a call costs, and when."""
        content = [
            self.provider,
            self.model_name,
            self.effective_from.isoformat(),
            [None if price is None else format_amount(price) for price in (*self.tokens, *self.units)],
            self.tiers,
            self.batch,
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def every_entry() -> list[PriceEntry]:
    """All dated prices of the providers we meter; the catalog goes before genai-prices, model by model."""
    catalog = list(catalog_entries())
    named = {(entry.provider, entry.model_name) for entry in catalog}
    listed = [entry for entry in genai_entries() if (entry.provider, entry.model_name) not in named]
    return catalog + listed


def catalog_entries() -> Iterator[PriceEntry]:
    """The unit prices of `usage/catalog/prices.toml`, valid always."""
    text = CATALOG.read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    for row in tomllib.loads(text)["price"]:
        yield PriceEntry(
            provider=row["provider"],
            model_name=row["model_name"],
            effective_from=ALWAYS,
            tokens=TokenPrices(**_amounts(row, TokenPrices._fields)),
            units=UnitPrices(**_amounts(row, UnitPrices._fields)),
            tiers=[],
            batch=None,
            description=row["description"],
            source=PriceSource.CATALOG,
            source_version=digest,
        )


def genai_entries() -> Iterator[PriceEntry]:
    """Every dated price and tier that the pinned genai-prices holds for the providers we meter.

    A model's price changes at the start dates of its prices and of its batch prices; each such date gives one
    entry that states both in full.
    """
    package = version("genai-prices")
    for provider in PROVIDERS.values():
        for price_list, suffix in price_lists_of(provider):
            for model in price_list.models:
                yield from _entries_of_model(provider, model, suffix=suffix, package=package)


def price_lists_of(provider: Provider) -> list[tuple[PriceList, str]]:
    """The provider's lists in genai-prices, each with the suffix its models carry in our price book.

    A router has one list per serving provider; its `price_list` ends in "_" and the models are named
    `<model>:<serving provider>`.
    """
    known = get_snapshot().providers
    if provider.price_list.endswith("_"):
        return [
            (found, ":" + found.id.removeprefix(provider.price_list))
            for found in known
            if found.id.startswith(provider.price_list)
        ]
    return [(found, "") for found in known if provider.price_list and found.id == provider.price_list]


@lru_cache(maxsize=50_000)
def canonical_names(provider: Provider, sent: str) -> tuple[str, ...]:
    """The price book's names a model sent as `sent` may stand under, best first; empty when none is known.

    The matching (aliases, dated snapshots, fine-tunes) is genai-prices' own, tried on the name as sent and
    then without the provider's vendor prefixes.
    """
    spellings = [
        sent,
        *(sent[len(prefix) :] for prefix in provider.model_prefixes if sent.startswith(prefix)),
    ]
    names: list[str] = []
    for spelling in spellings:
        names.append(spelling)
        for price_list, suffix in price_lists_of(provider):
            if suffix and not spelling.endswith(suffix):
                continue
            model = price_list.find_model(spelling.removesuffix(suffix) if suffix else spelling)
            if model is not None:
                names.append(model.id + suffix)
    return tuple(dict.fromkeys(names))


def _entries_of_model(
    provider: Provider, model: ModelInfo, *, suffix: str, package: str
) -> Iterator[PriceEntry]:
    for start in _starts(model):
        standard = model.get_prices(start)
        batch = model.get_prices(start, BATCH)
        tokens, tiers = _token_rates(standard)
        units = _unit_prices(standard)
        if any(price is not None for price in (*tokens, *units)):
            yield PriceEntry(
                provider=provider.key,
                model_name=model.id + suffix,
                effective_from=start,
                tokens=tokens,
                units=units,
                tiers=tiers,
                batch=None if batch == standard else _batch_rates(batch),
                description=(model.name or model.id)[:200],
                source=PriceSource.GENAI_PRICES,
                source_version=package,
            )


def _starts(model: ModelInfo) -> list[datetime]:
    conditions = [] if isinstance(model.prices, ModelPrice) else [price.constraint for price in model.prices]
    conditions += [variant.constraint for variant in model.price_variants or () if variant.when == BATCH]
    dates = {
        datetime.combine(condition.start_date, time(), tzinfo=UTC)
        for condition in conditions
        if isinstance(condition, StartDateConstraint)
    }
    return sorted({ALWAYS, *dates})


def _token_rates(price: ModelPrice) -> tuple[TokenPrices, list[dict[str, Any]]]:
    if price == ModelPrice():  # listed, and nothing to pay: a free model
        return TokenPrices(input=ZERO, output=ZERO), []
    stated = {name: getattr(price, key) for name, key in TOKEN_KEYS.items()}
    base = {
        name: _per_token(value.base if isinstance(value, TieredPrices) else value)
        for name, value in stated.items()
        if value is not None
    }
    thresholds = sorted(
        {tier.start for value in stated.values() if isinstance(value, TieredPrices) for tier in value.tiers}
    )
    tiers = [{"above_input_tokens": threshold, **_tier_at(stated, threshold)} for threshold in thresholds]
    return TokenPrices(**base), tiers


def _tier_at(stated: dict[str, Any], threshold: int) -> dict[str, str]:
    """Every token price of a call just above `threshold`, those without a tier there included."""
    rates = {}
    for name, value in stated.items():
        if isinstance(value, TieredPrices):
            reached = [tier.price for tier in value.tiers if tier.start <= threshold]
            value = reached[-1] if reached else value.base
        if value is not None:
            rates[name] = format_amount(_per_token(value))
    return rates


def _batch_rates(price: ModelPrice) -> dict[str, Any]:
    tokens, tiers = _token_rates(price)
    prices = {**tokens._asdict(), **_unit_prices(price)._asdict()}
    rates: dict[str, Any] = {
        name: format_amount(amount) for name, amount in prices.items() if amount is not None
    }
    return {**rates, "tiers": tiers} if tiers else rates


def _per_token(price_per_mtok: Decimal) -> Decimal:
    return (price_per_mtok / MTOK).quantize(SMALLEST_PRICE)


def _unit_prices(price: ModelPrice) -> UnitPrices:
    return UnitPrices(**{name: _per_unit(price, key, per) for name, (key, per) in UNIT_KEYS.items()})


def _per_unit(price: ModelPrice, key: str, per: int) -> Decimal | None:
    value = getattr(price, key)
    if isinstance(value, TieredPrices):
        value = value.base
    return None if value is None else (value / per).quantize(SMALLEST_PRICE)


def _amounts(row: dict[str, Any], names: Iterable[str]) -> dict[str, Decimal]:
    return {name: parse_price(row[name]) for name in names if name in row}
