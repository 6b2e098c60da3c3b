"""The worst case of an operation: what is held, at which price, with which cap."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.support.cast import NOW, an_account
from tests.support.prices import load_every_price
from tests.support.usage_rows import a_price
from usage import authorization, estimation, pricebook
from usage.core.errors import InvalidRequest, PricingException
from usage.core.rating import Price, Rates, Tier, TokenPrices, UnitPrices
from usage.events import Tags, Units
from usage.models import Account
from usage.operations import MAX_OPERATIONS, Decision, Operation
from usage.pricebook import PriceBook

ALWAYS = datetime(2020, 1, 1, tzinfo=UTC)
MILLION = 1_000_000


def mtok(price: str | None) -> Decimal | None:
    """The price per token of a price per million tokens."""
    return None if price is None else Decimal(price) / MILLION


def tokens(input: str | None = None, output: str | None = None, **classes: str) -> TokenPrices:
    prices = {"input": input, "output": output, **classes}
    return TokenPrices(**{name: mtok(price) for name, price in prices.items()})


def a_book(*prices: Price) -> PriceBook:
    return PriceBook(
        1,
        {(price.provider, price.model): [ALWAYS] for price in prices},
        {(price.provider, price.model): [price] for price in prices},
    )


def priced(
    provider: str,
    model: str,
    prices: TokenPrices | None = None,
    *,
    tiers: tuple[Tier, ...] = (),
    units: UnitPrices | None = None,
    batch: TokenPrices | None = None,
) -> Price:
    return Price(
        id=7,
        provider=provider,
        model=model,
        standard=Rates(prices or TokenPrices(), tiers, units or UnitPrices()),
        batch=None if batch is None else Rates(batch),
        source="staff",
    )


GPT = priced("openai", "gpt-4o", tokens("2.50", "10"), batch=tokens("1.25", "5"))
SONNET = priced(
    "anthropic",
    "claude-sonnet-4-5",
    tokens("3", "15", cached_input="0.30", cache_write="3.75"),
    tiers=(Tier(200_000, tokens("6", "22.50", cached_input="0.60", cache_write="7.50")),),
    units=UnitPrices(search=Decimal("0.01")),
)
TAVILY = priced("tavily", "*", units=UnitPrices(search=Decimal("0.001")))
FIRECRAWL = priced("firecrawl", "*", units=UnitPrices(page=Decimal("0.002")))
STABILITY = priced("stability", "*", units=UnitPrices(image=Decimal("0.04")))
BOOK = a_book(GPT, SONNET, TAVILY, FIRECRAWL, STABILITY)


def worst(provider: str, model: str = "", *, book: PriceBook = BOOK, **fields: Any) -> dict[str, Any]:
    operation = Operation(provider=provider, model=model, **fields)
    (case,) = estimation.worst_cases([operation], book, at=NOW)
    return case


# --- Tokens -----------------------------------------------------------------------------------------------


def test_input_is_priced_and_output_left_to_the_cap() -> None:
    case = worst("openai", "gpt-4o", input_tokens=1000, max_output_tokens=100)

    assert case["cost"] == Decimal("0.0025")  # 1000 × 2.50 USD a million
    assert case["output_price"] == mtok("10")
    assert (case["input_tokens"], case["output_cap"]) == (1000, 100)
    assert (case["price_id"], case["price_source"]) == (7, "staff")


def test_input_counts_as_the_dearest_class_it_may_turn_out_to_be() -> None:
    # Who writes a cache pays 3.75 USD a million instead of 3.
    assert worst("anthropic", "claude-sonnet-4-5", input_tokens=1000)["cost"] == Decimal("0.00375")


@pytest.mark.parametrize(
    ("input_tokens", "cost", "output_price"),
    [
        (200_000, Decimal("0.75"), mtok("15")),  # 200 000 × 3.75 USD a million
        (200_001, Decimal("1.5000075"), mtok("22.50")),  # 200 001 × 7.50 USD a million
    ],
)
def test_the_tier_is_the_one_the_request_reaches(
    input_tokens: int, cost: Decimal, output_price: Decimal
) -> None:
    case = worst("anthropic", "claude-sonnet-4-5", input_tokens=input_tokens)

    assert (case["cost"], case["output_price"]) == (cost, output_price)


def test_output_counts_as_reasoning_where_that_is_dearer() -> None:
    book = a_book(priced("openai", "o-test", tokens("1", "4", reasoning="6")))

    assert worst("openai", "o-test", book=book, input_tokens=0)["output_price"] == mtok("6")


@pytest.mark.parametrize(
    ("request_type", "cost", "output_price"),
    [("batch", "0.00125", "5"), ("ai_batch", "0.00125", "5"), ("chat", "0.0025", "10"), ("", "0.0025", "10")],
)
def test_a_batch_is_held_at_the_batch_rates(request_type: str, cost: str, output_price: str) -> None:
    case = worst("openai", "gpt-4o", input_tokens=1000, request_type=request_type)

    assert (case["cost"], case["output_price"]) == (Decimal(cost), mtok(output_price))


def test_unknown_input_is_all_that_fits_into_the_model() -> None:
    # A request cannot be longer than the context window of 128 000 tokens; 2.50 USD a million.
    case = worst("openai", "gpt-4o")

    assert case["input_tokens"] >= 128_000
    assert case["cost"] == case["input_tokens"] * Decimal("0.0000025")


def test_a_window_that_was_written_down_rounded_is_not_taken_for_an_upper_bound() -> None:
    book = a_book(priced("openai", "gpt-4.1", tokens("2", "8")))

    assert worst("openai", "gpt-4.1", book=book)["input_tokens"] >= 1_047_576


def test_unknown_input_of_a_model_nobody_knows_has_to_be_given() -> None:
    book = a_book(priced("mistral", "mistral-large", tokens("2", "6")))

    with pytest.raises(PricingException, match="give input_tokens") as refused:
        worst("mistral", "mistral-large", book=book)

    assert refused.value.error_code == "quantities_missing"
    assert refused.value.details == {"pointer": "/operations/0/input_tokens"}


def test_a_model_without_output_generates_nothing() -> None:
    book = a_book(priced("openai", "text-embedding-3-small", tokens("0.02")))

    assert worst("openai", "text-embedding-3-small", book=book, input_tokens=9)["output_cap"] == 0


def test_a_free_model_costs_nothing_whatever_it_is_asked() -> None:
    book = a_book(priced("openai", "moderation", tokens("0", "0")))

    case = worst("openai", "moderation", book=book)

    assert (case["cost"], case["output_price"]) == (0, 0)


def test_a_customers_own_key_costs_nothing_and_still_counts_tokens() -> None:
    case = worst("openai", "gpt-4o", input_tokens=1000, max_output_tokens=100, byok=True)

    assert (case["cost"], case["output_price"]) == (0, 0)
    assert (case["input_tokens"], case["output_cap"]) == (1000, 100)


# --- Units ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "unit", "cost"), [("tavily", "searches", "0.001"), ("firecrawl", "pages", "0.002")]
)
def test_a_provider_that_charges_by_the_call_needs_no_units(provider: str, unit: str, cost: str) -> None:
    case = worst(provider)

    assert (case[unit], case["cost"]) == (1, Decimal(cost))


def test_units_that_are_named_are_those_held() -> None:
    assert worst("tavily", units=Units(searches=3))["cost"] == Decimal("0.003")
    assert worst("firecrawl", units=Units(pages=25))["pages"] == 25
    assert worst("stability", units=Units(images=2))["cost"] == Decimal("0.08")


def test_a_call_of_which_neither_tokens_nor_units_are_known_is_refused() -> None:
    with pytest.raises(PricingException) as refused:
        worst("stability")

    assert refused.value.error_code == "quantities_missing"


def test_searches_of_a_language_model_come_on_top_of_its_tokens() -> None:
    # 1000 × 3.75 USD a million + 2 × 0.01
    case = worst("anthropic", "claude-sonnet-4-5", input_tokens=1000, units=Units(searches=2))

    assert case["cost"] == Decimal("0.02375")


def test_seconds_and_characters_are_held_as_given() -> None:
    case = worst("tavily", units=Units(seconds="12.5", characters=80))

    assert (case["seconds"], case["characters"]) == (Decimal("12.5"), 80)


def test_a_price_for_each_request_is_part_of_the_hold() -> None:
    book = a_book(priced("openai", "per-call", units=UnitPrices(request=Decimal("0.02"))))

    assert worst("openai", "per-call", book=book)["cost"] == Decimal("0.02")


# --- Names and prices -------------------------------------------------------------------------------------


def test_a_provider_is_known_by_its_other_names() -> None:
    book = a_book(priced("gemini", "gemini-2.5-flash", tokens("0.30", "2.50")))

    assert worst("gcp.gemini", "gemini-2.5-flash", book=book, input_tokens=1)["provider"] == "gemini"


def test_the_model_is_held_under_the_books_name_of_it() -> None:
    assert worst("openai", "gpt-4o-2024-08-06", input_tokens=1)["model"] == "gpt-4o"


def test_a_default_price_of_the_provider_keeps_the_models_own_name() -> None:
    book = a_book(GPT, priced("openai", "*", tokens("20", "80")))

    case = worst("openai", "gpt-99", book=book, input_tokens=1000)

    assert (case["model"], case["cost"]) == ("gpt-99", Decimal("0.02"))


@pytest.mark.parametrize(
    ("provider", "model", "code", "said"),
    [("openai", "gpt-99", "price_unknown", "gpt-99"), ("nobody", "x", "provider_unknown", "nobody")],
)
def test_what_has_no_price_is_refused_by_name(provider: str, model: str, code: str, said: str) -> None:
    with pytest.raises(PricingException, match=said) as refused:
        worst(provider, model, input_tokens=1)

    assert refused.value.error_code == code


def test_the_pointer_names_the_operation_that_is_wrong() -> None:
    operations = [Operation(provider="tavily"), Operation(provider="nobody")]

    with pytest.raises(PricingException) as refused:
        estimation.worst_cases(operations, BOOK, at=NOW)

    assert refused.value.details == {"pointer": "/operations/1/provider"}


def test_tags_and_type_travel_with_the_operation() -> None:
    case = worst("tavily", tags=Tags(team="blue", project="p"), request_type="search", calls=3)

    assert (case["team"], case["project"], case["request_type"], case["calls"]) == (
        "blue",
        "p",
        "search",
        3,
    )
    assert case["kind"] == "search"


# --- What cannot be an operation --------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "operations",
    [
        [],
        [Operation(provider="tavily")] * (MAX_OPERATIONS + 1),
        [Operation(provider="tavily", calls=0)],
        [Operation(provider="tavily", calls=-1)],
        [Operation(provider="tavily", input_tokens=-1000)],
        [Operation(provider="tavily", max_output_tokens=-1)],
        [Operation(provider="tavily", units=Units(searches=-1))],
        [Operation(provider="tavily", model="\x00")],
        [Operation(provider="tavily", request_type="\x00")],
        [Operation(provider="tavily", tags=Tags(team="\x00"))],
    ],
    ids=[
        "none",
        "too many",
        "no call",
        "less than none",
        "input",
        "output",
        "units",
        "model",
        "type",
        "team",
    ],
)
def test_operations_that_break_their_own_type_are_refused(operations: list[Operation]) -> None:
    an_account("acme")
    pricebook.add(
        by=None,
        at=NOW,
        provider="tavily",
        model_name="*",
        effective_from=ALWAYS,
        cost_per_search=Decimal("0.001"),
    )

    with pytest.raises(InvalidRequest):
        authorization.preflight(operations, customer="acme", at=NOW)


# --- The cap: the request's own, else the model's or the account's, else the setting's ---------------------


def decision_on(model: str, **fields: Any) -> Decision:
    operation = Operation(provider="openai", model=model, input_tokens=1000, **fields)
    return authorization.preflight([operation], customer="acme", at=NOW)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "of_the_account", "cap"),
    [
        (100, None, 100),
        (100, 50, 100),
        (None, None, 16_384),  # the most that gpt-4o generates
        (None, 50, 50),
        (None, 99_999, 16_384),
    ],
)
def test_the_cap_of_a_known_model(asked: int | None, of_the_account: int | None, cap: int) -> None:
    an_account("acme")
    Account.objects.update(default_output_cap=of_the_account)
    a_price("gpt-4o")

    decision = decision_on("gpt-4o", max_output_tokens=asked)

    assert decision.operations[0].max_output_tokens == cap
    # 1000 × 2.50 + cap × 10 USD a million
    assert Decimal(decision.estimated_cost) == Decimal("0.0025") + cap * Decimal("0.00001")


@pytest.mark.django_db
@pytest.mark.parametrize(("of_the_account", "cap"), [(None, 4096), (50, 50), (99_999, 99_999)])
def test_the_cap_of_a_model_nobody_knows(of_the_account: int | None, cap: int) -> None:
    an_account("acme")
    Account.objects.update(default_output_cap=of_the_account)
    a_price("house-model")

    assert decision_on("house-model").operations[0].max_output_tokens == cap


@pytest.mark.django_db
def test_no_cap_is_named_where_nothing_is_generated() -> None:
    an_account("acme")
    a_price("text-embedding-3-small", cost_per_input_token="0.00000002")

    decision = decision_on("text-embedding-3-small")

    assert decision.operations[0].max_output_tokens is None
    assert decision.estimated_cost == "0.00002"


@pytest.mark.django_db
def test_the_real_book_has_a_worst_case_for_every_kind_of_provider() -> None:
    load_every_price()
    book = pricebook.current_book()

    # 200 001 × 7.50 USD a million: the long-context price of writing the cache
    assert worst("anthropic", "claude-sonnet-4-5", book=book, input_tokens=200_001)["cost"] == Decimal(
        "1.5000075"
    )
    assert worst("tavily", book=book)["cost"] == Decimal("0.001")
    assert worst("firecrawl", book=book, units=Units(pages=10))["cost"] == Decimal("0.02")
    assert worst("stability", book=book, units=Units(images=1))["cost"] == Decimal("0.04")
