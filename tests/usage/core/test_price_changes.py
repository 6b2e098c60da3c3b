"""What a price states, and how two prices differ."""

from decimal import Decimal

import pytest

from usage.core.price_changes import Change, Line, compare, percent_of_change, stated
from usage.core.rating import Price, Rates, Tier, TokenPrices, UnitPrices

TWO, THREE, FOUR = Decimal(2), Decimal(3), Decimal(4)


def a_price(standard: Rates, batch: Rates | None = None) -> Price:
    return Price(1, "openai", "test", standard, batch)


def test_everything_is_stated_tokens_tiers_units_then_batch() -> None:
    price = a_price(
        Rates(TokenPrices(output=TWO), (Tier(9, TokenPrices(output=THREE)),), UnitPrices(page=FOUR)),
        Rates(TokenPrices(output=Decimal(1))),
    )

    assert list(stated(price).items()) == [
        (Line("output"), TWO),
        (Line("output", above_input_tokens=9), THREE),
        (Line("page"), FOUR),
        (Line("output", batch=True), Decimal(1)),
    ]


def test_a_line_knows_whether_it_is_per_token() -> None:
    assert Line("cached_input").is_per_token
    assert not Line("page").is_per_token


def test_what_comes_what_stays_and_what_goes_is_compared() -> None:
    before = a_price(Rates(TokenPrices(input=TWO, output=THREE)))
    after = a_price(Rates(TokenPrices(input=TWO), units=UnitPrices(page=FOUR)))

    assert compare(before, after) == [
        Change(Line("input"), TWO, TWO),
        Change(Line("page"), None, FOUR),
        Change(Line("output"), THREE, None, is_stated=False),
    ]
    assert [change.moved for change in compare(before, after)] == [False, True, True]


def test_a_part_without_a_rate_of_its_own_is_compared_as_the_whole() -> None:
    whole = a_price(Rates(TokenPrices(input=FOUR)))
    apart = a_price(Rates(TokenPrices(input=FOUR, cached_input=TWO)))
    cached = Line("cached_input")

    assert compare(whole, apart)[1] == Change(cached, FOUR, TWO)
    assert compare(apart, whole)[1] == Change(cached, TWO, FOUR, is_stated=False)


def test_a_tier_is_compared_with_what_such_calls_paid_before() -> None:
    flat = a_price(Rates(TokenPrices(input=TWO)))
    tiered = a_price(Rates(TokenPrices(input=TWO), (Tier(9, TokenPrices(input=THREE)),)))
    above = Line("input", above_input_tokens=9)

    assert compare(flat, tiered)[1] == Change(above, TWO, THREE)
    assert compare(tiered, flat)[1] == Change(above, THREE, TWO, is_stated=False)


def test_batch_rates_are_compared_with_the_usual_ones_where_there_were_none() -> None:
    usual = a_price(Rates(TokenPrices(input=FOUR), units=UnitPrices(page=FOUR)))
    batched = usual._replace(batch=Rates(TokenPrices(input=TWO), units=UnitPrices(page=THREE)))

    assert compare(usual, batched)[2:] == [
        Change(Line("input", batch=True), FOUR, TWO),
        Change(Line("page", batch=True), FOUR, THREE),
    ]


def test_the_first_price_comes_from_nothing() -> None:
    assert compare(None, a_price(Rates(TokenPrices(input=TWO)))) == [Change(Line("input"), None, TWO)]


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [
        (TWO, THREE, Decimal(50)),
        (FOUR, TWO, Decimal(-50)),
        (TWO, TWO, Decimal(0)),
        (TWO, Decimal(0), Decimal(-100)),
        (Decimal(0), TWO, None),
        (None, TWO, None),
        (TWO, None, None),
    ],
)
def test_a_change_is_in_percent_of_what_was(
    before: Decimal | None, after: Decimal | None, percent: Decimal | None
) -> None:
    assert percent_of_change(before, after) == percent
    assert Change(Line("input"), before, after).percent == percent
