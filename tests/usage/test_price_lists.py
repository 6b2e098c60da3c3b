"""The price lists, held against genai-prices' own calculator."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from genai_prices.types import ModelInfo, PriceCalculation
from genai_prices.types import Provider as PriceList

from usage.core.rating import Price, Quantities, Rates, rate, rates_from_json, tiers_from_json
from usage.models import PriceSource
from usage.price_lists import ALWAYS, BATCH, PriceEntry, canonical_names, every_entry, price_lists_of
from usage.providers import PROVIDERS

ENTRIES = every_entry()
LISTED = [entry for entry in ENTRIES if entry.source == PriceSource.GENAI_PRICES]
NAMES = [f"{entry.model_name} from {entry.effective_from:%Y-%m-%d}" for entry in LISTED]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
INPUT_SIZES = (0, 1, 128_000, 128_001, 200_000, 200_001, 272_000, 272_001, 1_000_000)
SECONDS = Decimal("7200.5")
# What a price loses at most, per unit, by being held in twelve decimals: some lists state prices per hour,
# and some carry the noise of a binary fraction ("0.18000000000000002").
ROUNDING = Decimal("0.5e-12")


def price_of(entry: PriceEntry) -> Price:
    batch = None if entry.batch is None else rates_from_json(entry.batch)
    rates = Rates(entry.tokens, tiers_from_json(entry.tiers), entry.units)
    return Price(1, entry.provider, entry.model_name, rates, batch)


def in_force(provider: str, model: str, *, at: datetime) -> Price:
    dated = [entry for entry in ENTRIES if (entry.provider, entry.model_name) == (provider, model)]
    return price_of([entry for entry in dated if entry.effective_from <= at][-1])


def quantities_of(entry: PriceEntry, *, input_tokens: int) -> Quantities:
    """Quantities in every class the entry prices, a quarter of the input cached and a quarter written."""
    if entry.tokens.input is None:
        input_tokens = 0
    return Quantities(
        input_tokens=input_tokens,
        cached_input_tokens=input_tokens // 4 if entry.tokens.cached_input is not None else 0,
        cache_write_tokens=input_tokens // 4 if entry.tokens.cache_write is not None else 0,
        output_tokens=1_234 if entry.tokens.output is not None else 0,
        searches=3 if entry.units.search is not None else 0,
        pages=7 if entry.units.page is not None else 0,
        seconds=SECONDS if entry.units.second is not None else Decimal(0),
        characters=1_000 if entry.units.character is not None else 0,
    )


def usage_of(quantities: Quantities) -> Usage:
    """The same quantities in genai-prices' terms; zeros are left out, as nothing is inferred from them."""
    stated = {
        "input_tokens": quantities.input_tokens,
        "cache_read_tokens": quantities.cached_input_tokens,
        "cache_write_tokens": quantities.cache_write_tokens,
        "output_tokens": quantities.output_tokens,
        "web_searches": quantities.searches,
        "input_document_pages": quantities.pages,
        "audio_seconds": quantities.seconds,
        "input_audio_seconds": quantities.seconds,
        "input_characters": quantities.characters,
    }
    return Usage(**{name: count for name, count in stated.items() if count})


def list_and_model_of(entry: PriceEntry) -> tuple[PriceList, ModelInfo, str]:
    """Where the entry comes from, and the suffix its model carries in our book."""
    for price_list, suffix in price_lists_of(PROVIDERS[entry.provider]):
        for model in price_list.models:
            if model.id + suffix == entry.model_name:
                return price_list, model, suffix
    raise AssertionError(f"{entry.model_name} is on no list")


def calculated(entry: PriceEntry, quantities: Quantities, *, batch: bool, at: datetime) -> PriceCalculation:
    """genai-prices' answer; a few models are not found by their own id, those are asked themselves."""
    price_list, model, _ = list_and_model_of(entry)
    usage, context = usage_of(quantities), BATCH if batch else None
    if price_list.find_model(model.id) is None:
        return model.calc_price(usage, price_list, genai_request_timestamp=at, price_context=context)
    return calc_price(
        usage, model.id, provider_id=price_list.id, genai_request_timestamp=at, price_context=context
    )


@pytest.mark.parametrize("batch", [False, True], ids=["standard", "batch"])
@pytest.mark.parametrize("entry", LISTED, ids=NAMES)
def test_every_listed_price_agrees_with_the_lists_own_calculator(entry: PriceEntry, batch: bool) -> None:
    at = max(entry.effective_from, datetime(2020, 1, 1, tzinfo=UTC))
    for input_tokens in INPUT_SIZES:
        quantities = quantities_of(entry, input_tokens=input_tokens)
        theirs = calculated(entry, quantities, batch=batch, at=at)
        # A model's own id can be claimed by an earlier matcher of its list: that model prices it here too.
        suffix = list_and_model_of(entry)[2]
        ours = rate(quantities, in_force(entry.provider, theirs.model.id + suffix, at=at), batch=batch)

        assert abs(ours.total - theirs.total_price) <= sum(quantities) * ROUNDING
        if round(theirs.total_price, 12) == theirs.total_price:
            assert ours.total == theirs.total_price


def test_the_lists_are_read_whole() -> None:
    """Every model with a price in a class we meter is there, and nothing twice."""
    keys = [(entry.provider, entry.model_name, entry.effective_from) for entry in ENTRIES]

    assert len(keys) == len(set(keys))
    assert len(LISTED) > 500
    assert {entry.provider for entry in LISTED} == {"openai", "anthropic", "gemini", "mistral", "huggingface"}


def test_a_model_of_the_catalog_is_priced_from_the_catalog_alone() -> None:
    entries = [entry for entry in ENTRIES if entry.model_name == "openai/gpt-oss-120b:groq"]

    assert [entry.source for entry in entries] == [PriceSource.CATALOG]
    assert entries[0].tokens.input == Decimal("0.000001")


def test_a_model_listed_without_a_price_is_free() -> None:
    million = Quantities(input_tokens=1_000_000, output_tokens=1_000_000)

    assert rate(million, in_force("mistral", "mistral-nemo:free", at=NOW)).total == 0


def test_a_models_history_starts_always_and_names_each_change() -> None:
    o3 = [entry.effective_from for entry in LISTED if (entry.provider, entry.model_name) == ("openai", "o3")]

    assert o3[:2] == [ALWAYS, datetime(2025, 6, 10, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("model", "at", "expected"),
    [
        ("o3", datetime(2025, 5, 15, tzinfo=UTC), "50"),  # 10 + 40
        ("o3", datetime(2025, 6, 10, tzinfo=UTC) - timedelta(microseconds=1), "50"),
        ("o3", datetime(2025, 6, 10, tzinfo=UTC), "10"),  # 2 + 8
        ("o3", datetime(2025, 7, 15, tzinfo=UTC), "10"),
    ],
)
def test_a_dated_price_change_takes_effect_at_midnight_utc(model: str, at: datetime, expected: str) -> None:
    million = Quantities(input_tokens=1_000_000, output_tokens=1_000_000)

    assert rate(million, in_force("openai", model, at=at)).total == Decimal(expected)


def test_a_long_context_pays_its_tier_on_every_token() -> None:
    million = Quantities(input_tokens=1_000_000, output_tokens=1_000_000)

    # above 200 000 input tokens: 1M × 2.50/M + 1M × 15/M, not 1.25 + 10
    assert rate(million, in_force("gemini", "gemini-2.5-pro", at=NOW)).total == Decimal("17.50")


@pytest.mark.parametrize(
    ("provider", "sent", "name"),
    [
        ("openai", "gpt-4o", "gpt-4o"),
        ("openai", "GPT-4o-2024-08-06", "gpt-4o"),
        ("openai", "openai/gpt-4o", "gpt-4o"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::x1", "ft:gpt-4o-mini"),
        ("openai", "o3-2025-04-16", "o3"),
        ("gemini", "models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("gemini", "gemini/gemini-2.5-flash", "gemini-2.5-flash"),
        ("anthropic", "anthropic/claude-3-5-sonnet-20241022", "claude-3-5-sonnet"),
        ("anthropic", "claude-3-5-sonnet-latest", "claude-3-5-sonnet"),
        ("mistral", "mistralai/mistral-large-latest", "mistral-large"),
        ("huggingface", "openai/gpt-oss-20b:groq", "openai/gpt-oss-20b:groq"),
    ],
)
def test_a_model_is_found_under_the_names_clients_send(provider: str, sent: str, name: str) -> None:
    priced = {entry.model_name for entry in ENTRIES if entry.provider == provider}

    assert next(each for each in canonical_names(PROVIDERS[provider], sent) if each in priced) == name


@pytest.mark.parametrize(
    ("provider", "sent"),
    [
        ("openai", "gpt-99"),
        ("openai", ""),
        ("huggingface", "openai/gpt-oss-20b"),
        ("gemini", "gpt-4o"),
    ],
)
def test_an_unlisted_model_has_no_name_in_the_book(provider: str, sent: str) -> None:
    priced = {entry.model_name for entry in ENTRIES if entry.provider == provider}

    assert not [each for each in canonical_names(PROVIDERS[provider], sent) if each in priced]
