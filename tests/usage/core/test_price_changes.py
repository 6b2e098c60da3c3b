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
        Change(Line("output"), THREE, None),
    ]
    assert [change.moved for change in compare(before, after)] == [False, True, True]


def test_a_tier_is_compared_with_the_tier_of_the_same_threshold() -> None:
    def tiered(above: int) -> Price:
        return a_price(Rates(TokenPrices(input=TWO), (Tier(above, TokenPrices(input=THREE)),)))

    assert [change.moved for change in compare(tiered(9), tiered(9))] == [False, False]
    assert [change.moved for change in compare(tiered(9), tiered(8))] == [False, True, True]


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
