"""What is spent without need: each bound below, at and above it, with the arithmetic of its cost."""

from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, an_account
from tests.support.usage_rows import APRIL, MARCH, a_price, a_rollup
from usage import analytics
from usage.analytics import Breakdown, Dimension, Selection
from usage.core.rating import TokenPrices
from usage.inefficiencies import (
    Inefficiency,
    Kind,
    failed_calls,
    inefficiencies,
    reasoning,
    uncached_input,
    unread_cache,
)
from usage.models import Account
from usage.queries import Totals

MODEL = "openai/gpt-4o"
# 2.50 USD a million tokens, half of that from the cache, 3.125 to write them there; output at 10.
PRICES = TokenPrices(
    input=Decimal("0.0000025"),
    cached_input=Decimal("0.00000125"),
    cache_write=Decimal("0.000003125"),
    output=Decimal("0.00001"),
)


def told(check: Any, prices: TokenPrices = PRICES, **totals: Any) -> Inefficiency:
    """What `check` finds; fails when that is nothing."""
    found: Inefficiency | None = check(MODEL, Totals(**{"calls": 1, **totals}), prices)
    assert found is not None
    return found


def is_told(check: Any, prices: TokenPrices = PRICES, **totals: Any) -> bool:
    return check(MODEL, Totals(**{"calls": 1, **totals}), prices) is not None


class TestFailedCalls:
    @pytest.mark.parametrize(
        ("calls", "errors", "expected"),
        [(19, 19, False), (20, 1, True), (20, 0, False), (100, 4, False), (100, 5, True), (100, 6, True)],
    )
    def test_five_percent_of_twenty_calls_are_told(self, calls: int, errors: int, expected: bool) -> None:
        assert is_told(failed_calls, calls=calls, errors=errors) is expected

    def test_it_says_how_many_and_what_the_calls_cost(self) -> None:
        found = told(failed_calls, calls=1200, errors=90, cost=Decimal("12.345"))

        assert (found.kind, found.percent, found.cost) == (
            Kind.FAILED_CALLS,
            Decimal("7.5"),
            Decimal("12.345"),
        )
        assert found.statement == (
            "90 of 1,200 calls of openai/gpt-4o failed (7.5 %). All its calls cost 12.34 USD."
        )


class TestUncachedInput:
    def test_it_says_what_the_uncached_tokens_cost_and_what_they_would(self) -> None:
        # 900,000 × 2.50 USD a million; half of that cached.
        found = told(uncached_input, input_tokens=1_000_000, cached_input_tokens=100_000)

        assert (found.percent, found.cost, found.cost_cached) == (10, Decimal("2.25"), Decimal("1.125"))
        assert found.statement == (
            "10.0 % of 1,000,000 input tokens of openai/gpt-4o were cached. 900,000 were not and cost "
            "2.25 USD; from the cache they would have cost 1.12 USD."
        )

    @pytest.mark.parametrize(("cached", "expected"), [(199_999, True), (200_000, False), (200_001, False)])
    def test_less_than_a_fifth_cached_is_little(self, cached: int, expected: bool) -> None:
        assert is_told(uncached_input, input_tokens=1_000_000, cached_input_tokens=cached) is expected

    @pytest.mark.parametrize(("tokens", "expected"), [(399_999, False), (400_000, True), (400_001, True)])
    def test_less_than_a_dollar_is_not_worth_telling(self, tokens: int, expected: bool) -> None:
        # 400,000 × 2.50 USD a million is 1 USD.
        assert is_told(uncached_input, input_tokens=tokens) is expected

    def test_tokens_written_to_the_cache_are_not_counted_as_uncached(self) -> None:
        found = told(uncached_input, input_tokens=1_000_000, cache_write_tokens=500_000)

        assert found.cost == Decimal("1.25")

    @pytest.mark.parametrize("cached_input", [None, "0.0000025", "0.000003"])
    def test_a_model_whose_cache_is_not_cheaper_has_none(self, cached_input: str | None) -> None:
        price = None if cached_input is None else Decimal(cached_input)

        assert not is_told(uncached_input, PRICES._replace(cached_input=price), input_tokens=1_000_000)


class TestUnreadCache:
    @pytest.mark.parametrize(("read", "expected"), [(999_999, True), (1_000_000, False), (1_000_001, False)])
    def test_more_written_than_read_is_told(self, read: int, expected: bool) -> None:
        tokens = {"input_tokens": 3_000_000, "cache_write_tokens": 1_000_000, "cached_input_tokens": read}

        assert is_told(unread_cache, **tokens) is expected

    def test_it_says_what_writing_cost(self) -> None:
        # 1,000,000 × 3.125 USD a million
        found = told(
            unread_cache, input_tokens=2_000_000, cache_write_tokens=1_000_000, cached_input_tokens=250_000
        )

        assert (found.percent, found.cost) == (25, Decimal("3.125"))
        assert found.statement == (
            "1,000,000 tokens were written to the cache of openai/gpt-4o for 3.12 USD, and 250,000 read "
            "from it."
        )

    @pytest.mark.parametrize(("written", "expected"), [(319_999, False), (320_000, True)])
    def test_less_than_a_dollar_is_not_worth_telling(self, written: int, expected: bool) -> None:
        # 320,000 × 3.125 USD a million is 1 USD.
        assert is_told(unread_cache, input_tokens=written, cache_write_tokens=written) is expected

    def test_where_writing_costs_no_more_than_input_nothing_is_lost(self) -> None:
        prices = PRICES._replace(cache_write=PRICES.input)

        assert not is_told(unread_cache, prices, input_tokens=1_000_000, cache_write_tokens=1_000_000)


class TestReasoning:
    @pytest.mark.parametrize(("tokens", "expected"), [(499_999, False), (500_000, True), (500_001, True)])
    def test_half_of_the_output_is_much(self, tokens: int, expected: bool) -> None:
        assert is_told(reasoning, output_tokens=1_000_000, reasoning_tokens=tokens) is expected

    @pytest.mark.parametrize(("tokens", "expected"), [(99_999, False), (100_000, True)])
    def test_less_than_a_dollar_is_not_worth_telling(self, tokens: int, expected: bool) -> None:
        # 100,000 × 10 USD a million is 1 USD.
        assert is_told(reasoning, output_tokens=tokens, reasoning_tokens=tokens) is expected

    def test_it_costs_as_output_or_at_its_own_price(self) -> None:
        own = PRICES._replace(reasoning=Decimal("0.00002"))
        tokens = {"output_tokens": 1_000_000, "reasoning_tokens": 600_000}

        assert told(reasoning, **tokens).cost == 6
        assert told(reasoning, own, **tokens).cost == 12
        assert told(reasoning, **tokens).statement == (
            "60.0 % of 1,000,000 output tokens of openai/gpt-4o were reasoning, which cost 6.00 USD."
        )


@pytest.mark.django_db
class TestTogether:
    @pytest.fixture
    def acme(self) -> Account:
        a_price(
            **{f"cost_per_{name}_token": f"{price:f}" for name, price in PRICES._asdict().items() if price}
        )
        return an_account("acme")

    def in_march(self, acme: Account) -> Breakdown:
        return analytics.grouped(Selection(account=acme, start=MARCH, end=APRIL), by=Dimension.MODEL)

    def test_all_of_an_account_stand_together_the_dearest_first(self, acme: Account) -> None:
        a_rollup(acme, calls=100, errors=10, input_tokens=1_000_000, cost="2")
        a_rollup(acme, provider="in-house", model="own", calls=20, errors=20, cost="0")

        found = inefficiencies(self.in_march(acme), at=NOW)

        assert [(each.kind, each.model, each.cost) for each in found] == [
            (Kind.UNCACHED_INPUT, MODEL, Decimal("2.5")),
            (Kind.FAILED_CALLS, MODEL, 2),
            (Kind.FAILED_CALLS, "in-house/own", 0),
        ]

    def test_a_model_without_a_price_is_judged_by_its_calls_alone(self, acme: Account) -> None:
        a_rollup(acme, provider="mistral", model="unheard-of", calls=20, errors=1, input_tokens=10_000_000)

        assert [each.kind for each in inefficiencies(self.in_march(acme), at=NOW)] == [Kind.FAILED_CALLS]

    def test_ten_are_told_at_most(self, acme: Account) -> None:
        for number in range(11):
            a_rollup(acme, model=f"m{number}", calls=20, errors=20, cost=str(number))

        found = inefficiencies(self.in_march(acme), at=NOW)

        assert [each.cost for each in found] == [*range(10, 0, -1)]

    def test_without_usage_there_are_none(self, acme: Account) -> None:
        assert inefficiencies(self.in_march(acme), at=NOW) == []

    def test_it_takes_one_query(
        self, acme: Account, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        a_rollup(acme)
        models = self.in_march(acme)
        inefficiencies(models, at=NOW)

        with django_assert_num_queries(1):
            inefficiencies(models, at=NOW)
