"""The most a token can cost: every class of tokens, at the tier and by the batch the call would reach."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.core.rating import Price, Quantities, Rates, Tier, TokenPrices, dearest, rate


def tokens(input: str | None = None, output: str | None = None, **classes: str) -> TokenPrices:
    amounts = {"input": input, "output": output, **classes}
    return TokenPrices(**{name: None if text is None else Decimal(text) for name, text in amounts.items()})


def a_price(prices: TokenPrices, *tiers: tuple[int, TokenPrices], batch: TokenPrices | None = None) -> Price:
    return Price(
        1,
        "anthropic",
        "claude",
        Rates(prices, tuple(Tier(above, dearer) for above, dearer in tiers)),
        None if batch is None else Rates(batch),
    )


def test_plain_input_is_the_dearest_where_the_cache_saves() -> None:
    price = a_price(tokens("3", "15", cached_input="0.3"))

    assert dearest(price, input_tokens=1) == tokens("3", "15")


def test_writing_the_cache_is_dearer_than_plain_input() -> None:
    price = a_price(tokens("3", "15", cached_input="0.3", cache_write="3.75"))

    assert dearest(price, input_tokens=1) == tokens("3.75", "15")


def test_a_cached_token_dearer_than_a_plain_one_counts_too() -> None:
    assert dearest(a_price(tokens("1", "2", cached_input="1.5")), input_tokens=1) == tokens("1.5", "2")


@pytest.mark.parametrize(("reasoning", "most"), [("20", "20"), ("15", "15"), ("1", "15")])
def test_reasoning_counts_where_it_is_billed_apart(reasoning: str, most: str) -> None:
    price = a_price(tokens("3", "15", reasoning=reasoning))

    assert dearest(price, input_tokens=1).output == Decimal(most)


@pytest.mark.parametrize(
    ("input_tokens", "most"),
    [
        (0, tokens("3.75", "15")),
        (199_999, tokens("3.75", "15")),
        (200_000, tokens("3.75", "15")),
        (200_001, tokens("7.5", "22.5")),
    ],
)
def test_the_tier_is_the_one_above_whose_threshold_the_input_is(input_tokens: int, most: TokenPrices) -> None:
    price = a_price(tokens("3", "15", cache_write="3.75"), (200_000, tokens("6", "22.5", cache_write="7.5")))

    assert dearest(price, input_tokens=input_tokens) == most


def test_a_batch_pays_the_batch_rates_where_there_are_any() -> None:
    with_batch = a_price(tokens("3", "15"), batch=tokens("1.5", "7.5"))

    assert dearest(with_batch, input_tokens=1, batch=True) == tokens("1.5", "7.5")
    assert dearest(with_batch, input_tokens=1) == tokens("3", "15")
    assert dearest(a_price(tokens("3", "15")), input_tokens=1, batch=True) == tokens("3", "15")


def test_a_model_without_output_has_no_price_for_it() -> None:
    assert dearest(a_price(tokens("0.02")), input_tokens=1).output is None
    assert dearest(a_price(TokenPrices()), input_tokens=1) == TokenPrices()


def test_nothing_to_pay_is_not_the_same_as_no_such_tokens() -> None:
    assert dearest(a_price(tokens("0", "0")), input_tokens=1) == tokens("0", "0")


prices = st.none() | st.decimals(min_value=0, max_value=10, places=3)
all_prices = st.builds(TokenPrices, prices, prices, prices, prices, prices)
counts = st.integers(min_value=0, max_value=300)


@given(
    base=all_prices, above=all_prices, plain=counts, cached=counts, written=counts, out=counts, thought=counts
)
def test_no_mix_of_tokens_costs_more(
    base: TokenPrices, above: TokenPrices, plain: int, cached: int, written: int, out: int, thought: int
) -> None:
    price = a_price(base, (400, above))
    used = Quantities(
        input_tokens=plain + cached + written,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        output_tokens=out + thought,
        reasoning_tokens=thought,
    )

    most = dearest(price, input_tokens=used.input_tokens)

    worst = used.input_tokens * (most.input or 0) + used.output_tokens * (most.output or 0)
    assert rate(used, price).total <= worst
