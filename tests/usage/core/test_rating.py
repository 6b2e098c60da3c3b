"""Rating, with the arithmetic in sight. Prices are written per million tokens, as providers publish them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.core.rating import (
    Price,
    Quantities,
    Rates,
    Tier,
    TokenPrices,
    UnitPrices,
    impossible,
    rate,
    rates_from_json,
    tiers_from_json,
)

MILLION = 1_000_000


def mtok(price: str) -> Decimal:
    """The price per token of a price per million tokens."""
    return Decimal(price) / MILLION


def a_price(
    tokens: TokenPrices | None = None,
    *,
    units: UnitPrices | None = None,
    tiers: tuple[Tier, ...] = (),
    batch: Rates | None = None,
) -> Price:
    return Price(1, "openai", "test", Rates(tokens or TokenPrices(), tiers, units or UnitPrices()), batch)


PLAIN = a_price(TokenPrices(input=mtok("2.50"), output=mtok("10")))
NESTED = a_price(
    TokenPrices(
        input=mtok("3"),
        cached_input=mtok("0.30"),
        cache_write=mtok("3.75"),
        output=mtok("15"),
        reasoning=mtok("20"),
    )
)
TIERED = a_price(
    TokenPrices(input=mtok("1.25"), output=mtok("10")),
    tiers=(
        Tier(200_000, TokenPrices(input=mtok("2.50"), output=mtok("15"))),
        Tier(500_000, TokenPrices(input=mtok("4"), output=mtok("20"))),
    ),
)
EVERY_UNIT = a_price(
    units=UnitPrices(
        request=Decimal("0.002"),
        search=Decimal("0.001"),
        image=Decimal("0.04"),
        page=Decimal("0.002"),
        second=Decimal("0.0001"),
        character=mtok("15"),
    )
)
BOTH = a_price(
    TokenPrices(input=Decimal("0.00003"), output=Decimal("0.00003")),
    units=UnitPrices(request=Decimal("0.002")),
)


@pytest.mark.parametrize(
    ("price", "quantities", "expected"),
    [
        (PLAIN, Quantities(), "0"),
        (PLAIN, Quantities(input_tokens=1_000, output_tokens=100), "0.0035"),  # 1000 × 2.5/M + 100 × 10/M
        (PLAIN, Quantities(input_tokens=1), "0.0000025"),
        # no price of its own: cached and written tokens are charged as input, reasoning as output
        (PLAIN, Quantities(input_tokens=1_000, cached_input_tokens=400), "0.0025"),
        (PLAIN, Quantities(input_tokens=1_000, cache_write_tokens=400), "0.0025"),
        (PLAIN, Quantities(output_tokens=100, reasoning_tokens=60), "0.001"),
        # 600 × 3/M + 400 × 0.3/M
        (NESTED, Quantities(input_tokens=1_000, cached_input_tokens=400), "0.00192"),
        # 500 × 3/M + 400 × 0.3/M + 100 × 3.75/M
        (NESTED, Quantities(input_tokens=1_000, cached_input_tokens=400, cache_write_tokens=100), "0.001995"),
        (NESTED, Quantities(input_tokens=1_000, cached_input_tokens=1_000), "0.0003"),
        # 40 × 15/M + 60 × 20/M
        (NESTED, Quantities(output_tokens=100, reasoning_tokens=60), "0.0018"),
        # at the threshold the lower price holds, one token above it every token pays the higher one
        (TIERED, Quantities(input_tokens=199_999, output_tokens=1_000), "0.25999875"),
        (TIERED, Quantities(input_tokens=200_000, output_tokens=1_000), "0.26"),
        (TIERED, Quantities(input_tokens=200_001, output_tokens=1_000), "0.5150025"),
        (TIERED, Quantities(input_tokens=500_000), "1.25"),
        (TIERED, Quantities(input_tokens=500_001), "2.000004"),
        (EVERY_UNIT, Quantities(requests=3), "0.006"),
        (EVERY_UNIT, Quantities(searches=2), "0.002"),
        (EVERY_UNIT, Quantities(images=2), "0.08"),
        (EVERY_UNIT, Quantities(pages=7), "0.014"),
        (EVERY_UNIT, Quantities(seconds=Decimal("12.5")), "0.00125"),
        (EVERY_UNIT, Quantities(characters=1_000), "0.015"),
        (PLAIN, Quantities(requests=1, searches=1, images=1), "0"),
        # per 1K tokens 0.03, plus 0.002 a request: 1500 × 0.03/1000 + 0.002
        (BOTH, Quantities(input_tokens=1_000, output_tokens=500, requests=1), "0.047"),
    ],
)
def test_a_call_costs_its_quantities_times_their_prices(
    price: Price, quantities: Quantities, expected: str
) -> None:
    assert rate(quantities, price).total == Decimal(expected)


def test_input_and_output_are_told_apart_and_units_belong_to_neither() -> None:
    cost = rate(Quantities(input_tokens=1_000, output_tokens=500, requests=1), BOTH)

    assert (cost.input, cost.output) == (Decimal("0.03"), Decimal("0.015"))
    assert cost.total == Decimal("0.047")


def test_batch_rates_apply_when_asked_for() -> None:
    price = a_price(
        TokenPrices(input=mtok("2")),
        units=UnitPrices(page=Decimal("0.004")),
        batch=Rates(TokenPrices(input=mtok("1")), units=UnitPrices(page=Decimal("0.002"))),
    )
    call = Quantities(input_tokens=1_000, pages=1)

    assert rate(call, price).total == Decimal("0.006")
    assert rate(call, price, batch=True).total == Decimal("0.003")


def test_batch_rates_have_tiers_of_their_own() -> None:
    rates = rates_from_json({"input": "0.000001", "tiers": [{"above_input_tokens": 10, "input": "0.000002"}]})
    price = a_price(TokenPrices(input=mtok("9")), batch=rates)

    assert rate(Quantities(input_tokens=10), price, batch=True).total == Decimal("0.00001")
    assert rate(Quantities(input_tokens=11), price, batch=True).total == Decimal("0.000022")


def test_a_price_without_batch_rates_charges_batches_as_usual() -> None:
    assert rate(Quantities(input_tokens=1_000), PLAIN, batch=True).total == Decimal("0.0025")


@pytest.mark.parametrize(
    ("quantities", "field"),
    [
        (Quantities(input_tokens=-1), "input_tokens"),
        (Quantities(seconds=Decimal("-0.1")), "seconds"),
        (Quantities(input_tokens=10, cached_input_tokens=11), "cached_input_tokens"),
        (Quantities(input_tokens=10, cache_write_tokens=11), "cache_write_tokens"),
        (Quantities(input_tokens=10, cached_input_tokens=6, cache_write_tokens=5), "cached_input_tokens"),
        (Quantities(output_tokens=10, reasoning_tokens=11), "reasoning_tokens"),
    ],
)
def test_parts_beyond_their_total_and_negative_amounts_are_impossible(
    quantities: Quantities, field: str
) -> None:
    wrong = impossible(quantities)

    assert wrong is not None
    assert wrong[0] == field


@pytest.mark.parametrize(
    "quantities",
    [
        Quantities(),
        Quantities(input_tokens=10, cached_input_tokens=6, cache_write_tokens=4),
        Quantities(output_tokens=10, reasoning_tokens=10),
    ],
)
def test_parts_up_to_their_total_are_possible(quantities: Quantities) -> None:
    assert impossible(quantities) is None


@pytest.mark.parametrize(
    ("rates", "complaint"),
    [
        ({"inptu": "1"}, "unknown price 'inptu'"),
        ({"input": 1}, "decimal string"),
        ({"input": "-1"}, "negative"),
        ({"input": "NaN"}, "finite"),
        ({"input": "0.0000000000001"}, "12 decimals"),
        ({"search": "10000"}, "too large"),
        ({"input": "x"}, "not a decimal"),
        ({"tiers": [{"input": "1"}]}, "above_input_tokens"),
        ({"tiers": [{"above_input_tokens": True}]}, "above_input_tokens"),
        ({"tiers": [{"above_input_tokens": 5}, {"above_input_tokens": 5}]}, "ascend"),
    ],
)
def test_malformed_rates_are_refused_with_a_reason(rates: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rates_from_json(rates)


def test_tiers_are_read_from_decimal_strings() -> None:
    tiers = tiers_from_json([{"above_input_tokens": 200_000, "input": "0.0000025"}])

    assert tiers == (Tier(200_000, TokenPrices(input=Decimal("0.0000025"))),)


COUNTS = st.integers(min_value=0, max_value=10_000_000)
PRICES = st.none() | st.decimals(min_value=0, max_value=100, places=12)


@st.composite
def possible_quantities(draw: st.DrawFn) -> Quantities:
    cached, written, plain = draw(COUNTS), draw(COUNTS), draw(COUNTS)
    reasoning, answer = draw(COUNTS), draw(COUNTS)
    units = [draw(st.integers(min_value=0, max_value=1_000)) for _ in range(4)]
    seconds = draw(st.decimals(min_value=0, max_value=10_000, places=3))
    return Quantities(
        cached + written + plain,
        cached,
        written,
        reasoning + answer,
        reasoning,
        *units,
        seconds,
        draw(COUNTS),
    )


@st.composite
def untiered_prices(draw: st.DrawFn) -> Price:
    tokens = TokenPrices(*(draw(PRICES) for _ in TokenPrices._fields))
    return a_price(tokens, units=UnitPrices(*(draw(PRICES) for _ in UnitPrices._fields)))


def together(one: Quantities, other: Quantities) -> Quantities:
    return Quantities(*(a + b for a, b in zip(one, other, strict=True)))


@given(possible_quantities(), possible_quantities(), untiered_prices())
def test_without_tiers_two_calls_cost_what_they_cost_together(
    one: Quantities, other: Quantities, price: Price
) -> None:
    assert rate(one, price).total + rate(other, price).total == rate(together(one, other), price).total


@given(possible_quantities(), possible_quantities(), untiered_prices())
def test_without_tiers_more_of_anything_never_costs_less(
    less: Quantities, extra: Quantities, price: Price
) -> None:
    assert rate(together(less, extra), price).total >= rate(less, price).total


@given(possible_quantities(), untiered_prices())
def test_no_call_costs_less_than_nothing_and_the_parts_are_within_the_total(
    quantities: Quantities, price: Price
) -> None:
    cost = rate(quantities, price)

    assert min(cost) >= 0
    assert cost.input + cost.output <= cost.total


@given(COUNTS, COUNTS)
def test_with_ascending_tiers_more_input_never_costs_less(few: int, more: int) -> None:
    low, high = sorted((few, more))

    assert (
        rate(Quantities(input_tokens=low), TIERED).total <= rate(Quantities(input_tokens=high), TIERED).total
    )
