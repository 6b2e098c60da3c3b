"""A cost line by line: every line visible arithmetic, all of them together what rating says."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.core.cost_lines import cost_lines, surcharge_lines, total_of
from usage.core.money import format_amount
from usage.core.rating import Price, Quantities, Rates, Tier, TokenPrices, UnitPrices, rate
from usage.core.surcharges import SurchargeTerms, surcharge

STANDARD = TokenPrices(
    input=Decimal("0.000003"), cached_input=Decimal("0.0000003"), output=Decimal("0.000015")
)
LONG = TokenPrices(input=Decimal("0.000006"), output=Decimal("0.00002"), reasoning=Decimal("0.00004"))
UNITS = UnitPrices(request=Decimal("0.002"), search=Decimal("0.01"), second=Decimal("0.0001"))
BATCH = Rates(TokenPrices(input=Decimal("0.0000015"), output=Decimal(0)))
PRICE = Price(1, "openai", "test", Rates(STANDARD, (Tier(1_000, LONG),), UNITS), BATCH)

Told = list[tuple[str, ...]]


def told(quantities: Quantities, *, batch: bool = False) -> Told:
    return [
        (line.unit, *(format_amount(number) for number in line[1:]))
        for line in cost_lines(quantities, PRICE, batch=batch)
    ]


@pytest.mark.parametrize(
    ("quantities", "expected"),
    [
        (Quantities(), []),
        # Cached tokens have a price of their own and are not charged as input as well: 1000 − 400.
        (
            Quantities(input_tokens=1_000, cached_input_tokens=400),
            [("input", "600", "0.000003", "0.0018"), ("cached_input", "400", "0.0000003", "0.00012")],
        ),
        # Reasoning tokens have none here, and are charged as output.
        (Quantities(output_tokens=100, reasoning_tokens=40), [("output", "100", "0.000015", "0.0015")]),
        # Above 1000 input tokens the tier holds for all: cached ones as input, reasoning apart.
        (
            Quantities(input_tokens=1_001, cached_input_tokens=400, output_tokens=100, reasoning_tokens=40),
            [
                ("input", "1001", "0.000006", "0.006006"),
                ("output", "60", "0.00002", "0.0012"),
                ("reasoning", "40", "0.00004", "0.0016"),
            ],
        ),
        (
            Quantities(requests=2, searches=3, seconds=Decimal("1.5")),
            [
                ("request", "2", "0.002", "0.004"),
                ("search", "3", "0.01", "0.03"),
                ("second", "1.5", "0.0001", "0.00015"),
            ],
        ),
        # What has no price is no line.
        (Quantities(images=4), []),
    ],
)
def test_each_line_is_a_quantity_at_its_price(quantities: Quantities, expected: Told) -> None:
    assert told(quantities) == expected


def test_batch_calls_are_told_at_batch_rates_and_what_is_free_is_told_as_well() -> None:
    assert told(Quantities(input_tokens=10, output_tokens=5, searches=1), batch=True) == [
        ("input", "10", "0.0000015", "0.000015"),
        ("output", "5", "0", "0"),
    ]


@st.composite
def calls(draw: st.DrawFn) -> Quantities:
    tokens = draw(st.integers(0, 3_000))
    cached = draw(st.integers(0, tokens))
    written = draw(st.integers(0, tokens - cached))
    output = draw(st.integers(0, 2_000_000_000))
    units = [draw(st.integers(0, 9)) for _ in range(4)]
    seconds = Decimal(draw(st.integers(0, 10**12))) / 1000
    return Quantities(
        tokens,
        cached,
        written,
        output,
        draw(st.integers(0, output)),
        *units,
        seconds,
        draw(st.integers(0, 9)),
    )


def some(price: st.SearchStrategy[Decimal]) -> st.SearchStrategy[Decimal | None]:
    return st.none() | price


prices = st.integers(0, 10**12).map(lambda number: Decimal(number).scaleb(-12))
token_prices = st.builds(TokenPrices, *(some(prices) for _ in TokenPrices._fields))
unit_prices = st.builds(UnitPrices, *(some(prices) for _ in UnitPrices._fields))


@given(calls(), token_prices, token_prices, unit_prices)
def test_the_lines_add_up_to_what_the_call_was_rated_at(
    call: Quantities, tokens: TokenPrices, long: TokenPrices, units: UnitPrices
) -> None:
    price = Price(1, "openai", "test", Rates(tokens, (Tier(1_000, long),), units))

    lines = cost_lines(call, price)

    assert total_of(lines) == rate(call, price).total
    assert all(line.amount == line.quantity * line.unit_price for line in lines)


def test_a_surcharge_is_told_by_requests_and_hours() -> None:
    terms = SurchargeTerms(per_request=Decimal("0.05"), per_hour=Decimal(2))
    call = Quantities(requests=3, seconds=Decimal(900))

    lines = surcharge_lines(call, terms)

    # 3 × 0.05, and a quarter of an hour at 2 USD
    assert [(line.unit, line.quantity, line.amount) for line in lines] == [
        ("request", 3, Decimal("0.15")),
        ("hour", Decimal("0.25"), Decimal("0.5")),
    ]
    assert total_of(lines) == surcharge(terms, call) == Decimal("0.65")


def test_a_share_of_an_hour_that_no_decimal_writes_is_rounded_as_the_surcharge_is() -> None:
    terms = SurchargeTerms(per_request=Decimal(0), per_hour=Decimal(1))
    call = Quantities(seconds=Decimal(1))

    assert total_of(surcharge_lines(call, terms)) == surcharge(terms, call) == Decimal("0.000277777777777778")
    assert surcharge_lines(Quantities(images=1), terms) == []
