"""Rating the sums of many calls: the same as rating the calls."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.core.rating import Price, Quantities, Rates, Tier, TokenPrices, UnitPrices, rate
from usage.core.repricing import Bucket, rate_together, sum_exactly, thresholds, together, unpriced

CHEAP = TokenPrices(input=Decimal("0.000001"), cached_input=Decimal("0.0000001"), output=Decimal("0.000004"))
DEAR = TokenPrices(input=Decimal("0.000002"), output=Decimal("0.000008"), reasoning=Decimal("0.00001"))
BATCH = Rates(DEAR, units=UnitPrices(search=Decimal("0.01")))
PRICE = Price(
    1, "openai", "test", Rates(CHEAP, (Tier(1_000, DEAR),), UnitPrices(page=Decimal("0.002"))), BATCH
)


@st.composite
def inputs_of(draw: st.DrawFn, least: int, most: int) -> Quantities:
    tokens = draw(st.integers(min_value=least, max_value=most))
    cached = draw(st.integers(min_value=0, max_value=tokens))
    output = draw(st.integers(min_value=0, max_value=10_000))
    reasoning = draw(st.integers(min_value=0, max_value=output))
    return Quantities(tokens, cached, 0, output, reasoning, pages=draw(st.integers(0, 9)))


@pytest.mark.parametrize(
    ("bucket", "least", "most"),
    [
        (Bucket(), 0, 1_000),
        (Bucket(tiers_exceeded=1), 1_001, 10_000_000),
        (Bucket(batch=True), 0, 10_000_000),
    ],
)
@given(st.data())
def test_the_calls_of_a_bucket_cost_together_what_they_cost_one_by_one(
    bucket: Bucket, least: int, most: int, data: st.DataObject
) -> None:
    one, other = data.draw(inputs_of(least, most)), data.draw(inputs_of(least, most))

    alone = [rate(call, PRICE, batch=bucket.batch).total for call in (one, other)]

    assert rate_together(together(one, other), PRICE, bucket=bucket) == sum(alone)


def test_a_cost_of_more_digits_than_python_usually_keeps_is_exact() -> None:
    price = Price(1, "openai", "test", Rates(TokenPrices(input=Decimal("9999.999999999999"))))

    cost = rate_together(Quantities(input_tokens=10**17 + 1), price, bucket=Bucket())

    # (10^17 + 1) × (10^4 − 10^-12)
    assert f"{cost}" == "999999999999999909999.999999999999"


def test_a_sum_is_not_rounded() -> None:
    assert f"{sum_exactly([Decimal(10**20), Decimal('0.000000000000000001')])}" == (
        "100000000000000000000.000000000000000001"
    )


def test_thresholds_are_those_of_the_rates_asked_for() -> None:
    assert thresholds(PRICE, batch=False) == (1_000,)
    assert thresholds(PRICE, batch=True) == ()
    assert thresholds(PRICE._replace(batch=None), batch=True) == (1_000,)


@pytest.mark.parametrize(
    ("quantities", "bucket", "expected"),
    [
        (Quantities(input_tokens=10, output_tokens=5, pages=1, requests=1), Bucket(), []),
        (Quantities(searches=1, images=2), Bucket(), ["searches", "images"]),
        (Quantities(searches=1, pages=1), Bucket(batch=True), ["pages"]),
        (Quantities(seconds=Decimal("0.5"), characters=9), Bucket(), ["seconds", "characters"]),
    ],
)
def test_what_is_consumed_without_a_rate_is_named(
    quantities: Quantities, bucket: Bucket, expected: list[str]
) -> None:
    assert unpriced(quantities, PRICE, bucket=bucket) == expected


@pytest.mark.parametrize(
    ("quantities", "expected"),
    [
        (Quantities(input_tokens=10, cached_input_tokens=10), []),
        (Quantities(input_tokens=11, cached_input_tokens=10), ["input tokens"]),
        (Quantities(output_tokens=10, reasoning_tokens=10), []),
        (Quantities(output_tokens=11, reasoning_tokens=10), ["output tokens"]),
    ],
)
def test_a_part_with_a_rate_of_its_own_needs_none_of_the_whole(
    quantities: Quantities, expected: list[str]
) -> None:
    parts = Rates(TokenPrices(cached_input=Decimal(1), reasoning=Decimal(1)))

    assert unpriced(quantities, Price(1, "openai", "test", parts), bucket=Bucket()) == expected
