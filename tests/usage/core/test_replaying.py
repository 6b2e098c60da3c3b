"""Cells on other terms: the lines of the arithmetic are the rating's, to the last digit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.core.rating import Price, Quantities, Rates, Tier, TokenPrices, UnitPrices, rate
from usage.core.replaying import (
    CachedShare,
    Cell,
    Replay,
    Terms,
    best_week,
    charges,
    cost_of,
    discounted,
    merged,
)
from usage.core.repricing import sum_exactly

START = datetime(2026, 3, 1, tzinfo=UTC)
amounts = st.none() | st.decimals(0, 10, places=12)
tokens = st.builds(TokenPrices, amounts, amounts, amounts, amounts, amounts)
units = st.builds(UnitPrices, amounts, amounts, amounts, amounts, amounts, amounts)
rates = st.builds(Rates, tokens, st.lists(tokens, max_size=2).map(lambda all: _tiers(all)), units)
prices = st.builds(Price, st.just(1), st.just("openai"), st.just("gpt"), rates, st.none() | rates)


def _tiers(all: list[TokenPrices]) -> tuple[Tier, ...]:
    return tuple(Tier(1_000 * number, each) for number, each in enumerate(all, start=1))


@st.composite
def quantities(draw: st.DrawFn) -> Quantities:
    parts = [draw(st.integers(0, 900)) for _ in range(5)]
    plain, cached, written, said, reasoning = parts
    counts = [draw(st.integers(0, 5)) for _ in range(5)]
    return Quantities(
        plain + cached + written, cached, written, said + reasoning, reasoning, *counts[:4],
        draw(st.decimals(0, 100, places=3)), counts[4],
    )  # fmt: skip


def a_cell(
    used: Quantities, *, batch: bool = False, day: int = 0, calls: int = 1, cost: Decimal = Decimal(0)
) -> Cell:
    return Cell(
        provider="openai",
        model="gpt",
        endpoint="",
        request_type="",
        price_id=1,
        left_out="",
        batch=batch,
        begins=START + timedelta(days=day),
        least_input=used.input_tokens,
        least_tokens=used.input_tokens + used.output_tokens,
        has_units=False,
        has_output=False,
        calls=calls,
        cost=cost,
        surcharge=Decimal(0),
        quantities=used,
    )


@given(quantities(), prices, st.booleans())
def test_the_charges_of_a_cell_add_up_to_what_rating_says(
    used: Quantities, price: Price, batch: bool
) -> None:
    cell, terms = a_cell(used, batch=batch), Terms(price, batch, used)

    charged = sum_exactly(charge.quantity * charge.unit_price for charge in charges(cell, terms))

    assert charged == cost_of(cell, terms) == rate(used, price, batch=batch).total


@given(quantities(), prices, prices, quantities())
def test_the_lines_of_a_replay_add_up_to_both_sides(
    used: Quantities, now: Price, then: Price, other: Quantities
) -> None:
    replay = Replay(START)
    for each in (used, other):
        replay.add(
            a_cell(each, cost=rate(each, now).total), Terms(now, False, each), Terms(then, False, each)
        )

    assert sum_exactly(line.cost_now for line in replay.lines) == replay.now
    assert sum_exactly(line.cost_then for line in replay.lines) == replay.then
    assert sum_exactly([replay.now, -replay.then]) == replay.saving


def test_days_and_weeks_are_counted_from_the_start() -> None:
    price = Price(1, "openai", "gpt", Rates(TokenPrices(input=Decimal(1))))
    replay = Replay(START)

    for day in (0, 6, 7, 27):
        used = Quantities(input_tokens=day)
        replay.add(a_cell(used, day=day, cost=Decimal(day)), *[Terms(price, False, used)] * 2)

    assert replay.days == {0, 6, 7, 27}
    assert {number: week.now for number, week in replay.weeks.items()} == {0: 6, 1: 7, 3: 27}


def test_days_that_differ_in_nothing_else_are_merged_between_two_starts_of_prices() -> None:
    used = Quantities(input_tokens=10, output_tokens=2)
    cells = [a_cell(used, day=day, calls=3, cost=Decimal(day)) for day in range(4)]
    batch = a_cell(used, batch=True, day=1)

    fewer = merged([*cells, batch], starts=[START + timedelta(days=1, hours=12), cells[3].begins])

    told = [(cell.begins, cell.batch, cell.calls, cell.cost, cell.quantities) for cell in fewer]
    assert told == [
        (cells[0].begins, False, 6, 1, Quantities(input_tokens=20, output_tokens=4)),  # days 0 and 1
        (cells[2].begins, False, 3, 2, used),
        (cells[3].begins, False, 3, 3, used),  # from its start on
        (batch.begins, True, 1, 0, used),
    ]


def test_a_discount_is_taken_off_every_rate_tiers_included() -> None:
    """Half of 10, 4 and 3; in the tier half of 20."""
    price = Price(
        1,
        "openai",
        "gpt",
        Rates(
            TokenPrices(input=Decimal(10), output=Decimal(4)),
            (Tier(100, TokenPrices(input=Decimal(20))),),
            UnitPrices(image=Decimal(3)),
        ),
    )

    assert discounted(price, Decimal(50)).batch == Rates(
        TokenPrices(input=Decimal(5), output=Decimal(2)),
        (Tier(100, TokenPrices(input=Decimal(10))),),
        UnitPrices(image=Decimal("1.5")),
    )


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        pytest.param((1_000, 0, 0), (400, 100), id="four and one tenth"),
        pytest.param((999, 0, 0), (399, 99), id="rounded down"),
        pytest.param((1_000, 500, 0), (500, 100), id="more is cached already"),
        pytest.param((1_000, 950, 0), (950, 50), id="no more is written than is left"),
        pytest.param((0, 0, 0), (0, 0), id="nothing"),
    ],
)
def test_a_share_raises_what_is_cached_and_lowers_nothing(
    used: tuple[int, int, int], expected: tuple[int, int]
) -> None:
    share = CachedShare(input_tokens=10_000, cached=4_000, written=1_000, week=0)

    then = share.of(Quantities(*used))

    assert (then.cached_input_tokens, then.cache_write_tokens) == expected
    assert then.input_tokens == used[0]


def test_the_best_week_is_the_one_with_most_of_its_input_cached_of_those_with_enough_calls() -> None:
    weeks = [(100, 200), (100, 500), (99, 900), (100, 400)]
    cells = [
        a_cell(Quantities(input_tokens=1_000, cached_input_tokens=cached), day=7 * number, calls=calls)
        for number, (calls, cached) in enumerate(weeks)
    ]

    assert best_week(cells, start=START, at_least_calls=100) == CachedShare(1_000, 500, 0, 1)
    assert best_week(cells, start=START, at_least_calls=101) is None
    assert best_week([a_cell(Quantities(1_000), calls=500)], start=START, at_least_calls=100) is None
