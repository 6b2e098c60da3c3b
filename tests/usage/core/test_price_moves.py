from decimal import Decimal

import pytest

from usage.core.price_moves import BOUNDLESS, largest_move
from usage.core.rating import Price, Rates, Tier, TokenPrices, UnitPrices


def a_price(
    *,
    input: str | None = None,
    output: str | None = None,
    cached: str | None = None,
    search: str | None = None,
    above_200k: str | None = None,
    batch: str | None = None,
) -> Price:
    def amount(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    tokens = TokenPrices(input=amount(input), output=amount(output), cached_input=amount(cached))
    tiers = (Tier(200_000, tokens._replace(input=amount(above_200k))),) if above_200k else ()
    batch_rates = Rates(TokenPrices(input=amount(batch))) if batch else None
    return Price(1, "openai", "m", Rates(tokens, tiers, UnitPrices(search=amount(search))), batch_rates)


@pytest.mark.parametrize(
    ("old", "new", "unit", "factor"),
    [
        (a_price(input="2", output="8"), a_price(input="2", output="8"), "", "1"),
        (a_price(input="2", output="8"), a_price(input="3", output="4"), "output", "2"),
        (a_price(input="2"), a_price(input="1"), "input", "2"),
        (a_price(input="0"), a_price(input="1"), "input", "Infinity"),
        (a_price(input="1"), a_price(input="0"), "input", "Infinity"),
        # without a price of its own a cached token paid the input price
        (a_price(input="10"), a_price(input="10", cached="1"), "cached_input", "10"),
        (a_price(search="1"), a_price(search="3"), "search", "3"),
        # what has no price costs nothing: to appear or to vanish is to move beyond any limit
        (a_price(input="1"), a_price(input="1", search="5"), "search", "Infinity"),
        (a_price(input="1", output="5"), a_price(input="1"), "output", "Infinity"),
        (a_price(input="1"), a_price(input="1", above_200k="4"), "input above 200000 input tokens", "4"),
        (a_price(input="2", batch="1"), a_price(input="2", batch="2"), "batch input", "2"),
    ],
)
def test_the_unit_price_that_moved_most_is_named_with_its_factor(
    old: Price, new: Price, unit: str, factor: str
) -> None:
    name, moved = largest_move(old, new)

    assert moved == Decimal(factor)
    assert name == unit or unit in name


def test_free_to_priced_is_beyond_any_limit() -> None:
    assert largest_move(a_price(input="0"), a_price(input="0.1"))[1] == BOUNDLESS
