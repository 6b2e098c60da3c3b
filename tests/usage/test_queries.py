"""Reading recorded usage back: what a period bills, when calls happened, the log, the prices in force."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, an_account
from tests.support.usage_rows import APRIL, MARCH, a_log_row, a_period, a_price, a_summary
from usage import queries
from usage.core.money import ZERO
from usage.queries import NOTHING, Group, Totals

pytestmark = pytest.mark.django_db

FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)


def costs_of(groups: list[Group]) -> list[tuple[str, Decimal]]:
    return [(group.key, group.totals.cost) for group in groups]


class TestTotals:
    def test_tokens_are_input_and_output_without_counting_their_parts_again(self) -> None:
        totals = Totals(input_tokens=1000, cached_input_tokens=400, output_tokens=200, reasoning_tokens=150)

        assert totals.tokens == 1200

    def test_the_error_rate_is_the_percentage_of_failed_calls(self) -> None:
        assert Totals(calls=8, errors=1).error_rate == Decimal("12.5")

    def test_the_average_response_counts_only_timed_calls(self) -> None:
        # 4500 ms over 3 timed calls; the 7 others reported no time.
        assert Totals(calls=10, response_time_ms=4500, timed_calls=3).average_response_s == Decimal("1.5")

    def test_a_call_costs_its_part_and_a_thousand_tokens_theirs(self) -> None:
        totals = Totals(calls=8, input_tokens=3000, output_tokens=1000, cost=Decimal(2))

        assert totals.cost_per_call == Decimal("0.25")  # 2 / 8
        assert totals.cost_per_1k_tokens == Decimal("0.5")  # 2 / 4

    def test_parts_of_tokens_are_percentages_of_what_they_are_part_of(self) -> None:
        totals = Totals(input_tokens=800, cached_input_tokens=100, output_tokens=40, reasoning_tokens=30)

        assert (totals.cached_percent, totals.reasoning_percent) == (Decimal("12.5"), 75)

    def test_without_calls_rates_are_zero(self) -> None:
        assert NOTHING.error_rate == NOTHING.average_response_s == NOTHING.cost_per_call == ZERO
        assert NOTHING.cached_percent == NOTHING.reasoning_percent == ZERO
        assert NOTHING.cost_per_1k_tokens is None

    def test_totals_add_up_in_every_column(self) -> None:
        numbered: dict[str, Any] = {
            field.name: number for number, field in enumerate(fields(Totals), start=1)
        }
        doubled: dict[str, Any] = {name: 2 * number for name, number in numbered.items()}

        assert Totals(**numbered) + Totals(**numbered) == Totals(**doubled)


class TestPeriods:
    def test_a_period_holds_its_first_instant(self) -> None:
        march = a_period(an_account())

        assert queries.period_at(march.account, at=MARCH) == march

    def test_a_period_does_not_hold_its_end(self) -> None:
        march = a_period(an_account())

        assert queries.period_at(march.account, at=APRIL) is None

    def test_periods_of_other_accounts_are_not_found(self) -> None:
        a_period(an_account("globex"))

        assert queries.period_at(an_account("acme"), at=NOW) is None

    def test_a_period_is_named_by_the_month_it_starts_in(self) -> None:
        account = an_account()
        fifteenth = a_period(
            account, start=datetime(2026, 1, 15, tzinfo=UTC), end=datetime(2026, 2, 15, tzinfo=UTC)
        )

        assert queries.period_named(account, year=2026, month=1) == fifteenth
        assert queries.period_named(account, year=2026, month=2) is None

    def test_december_ends_where_january_begins(self) -> None:
        account = an_account()
        a_period(account, start=datetime(2026, 1, 1, tzinfo=UTC), end=FEBRUARY)

        assert queries.period_named(account, year=2025, month=12) is None

    def test_the_last_of_two_periods_that_start_in_one_month_is_meant(self) -> None:
        account = an_account()
        changed = MARCH + timedelta(days=10)
        a_period(account, start=MARCH, end=changed)
        second = a_period(account, start=changed, end=APRIL)

        assert queries.period_named(account, year=2026, month=3) == second


class TestSummaries:
    def test_a_period_adds_up_its_providers_to_the_last_digit(self) -> None:
        march = a_period(an_account())
        a_summary(march, calls=2, seconds="1.5", cost="0.000000000000000001")
        a_summary(march, provider="tavily", calls=3, searches=3, cost="10")

        expected = Totals(calls=5, searches=3, seconds=Decimal("1.5"), cost=Decimal("10.000000000000000001"))
        assert queries.period_totals(march.account, period=march) == expected

    def test_a_period_without_usage_is_all_zeros(self) -> None:
        march = a_period(an_account())

        assert queries.period_totals(march.account, period=march) == NOTHING

    def test_a_period_is_split_by_provider_with_the_most_expensive_first(self) -> None:
        march = a_period(an_account())
        a_summary(march, provider="gemini", cost="1")
        a_summary(march, provider="openai", cost="2")

        assert list(queries.period_by_provider(march.account, period=march)) == ["openai", "gemini"]

    def test_all_time_spans_every_period_of_the_account_and_no_other(self) -> None:
        account = an_account()
        a_summary(a_period(account, start=FEBRUARY, end=MARCH), cost="1")
        a_summary(a_period(account), cost="2")
        a_summary(a_period(an_account("globex")), cost="4")

        assert queries.all_time_by_provider(account) == {"openai": Totals(calls=2, cost=Decimal(3))}

    def test_a_period_was_updated_when_its_latest_summary_was(self) -> None:
        march = a_period(an_account())
        a_summary(march, updated_at=NOW)
        a_summary(march, provider="gemini", updated_at=NOW + timedelta(seconds=1))

        assert queries.period_updated_at(march.account, period=march) == NOW + timedelta(seconds=1)


class TestLogRows:
    def test_the_newest_call_comes_first(self) -> None:
        march = a_period(an_account())
        a_log_row(march, event_id="newer", at=NOW)
        a_log_row(march, event_id="older", at=NOW - timedelta(hours=1))

        page = queries.log_rows(march.account, limit=10, offset=0)
        assert [row.event_id for row in page.rows] == ["newer", "older"]

    def test_a_page_tells_whether_more_follows(self) -> None:
        march = a_period(an_account())
        for number in range(3):
            a_log_row(march, event_id=f"e{number}", at=NOW + timedelta(seconds=number))

        first = queries.log_rows(march.account, limit=2, offset=0)
        second = queries.log_rows(march.account, limit=2, offset=2)
        assert (len(first.rows), first.has_more) == (2, True)
        assert (len(second.rows), second.has_more) == (1, False)

    def test_nothing_follows_a_page_that_holds_the_very_last_row(self) -> None:
        march = a_period(an_account())
        for number in range(2):
            a_log_row(march, event_id=f"e{number}")

        assert queries.log_rows(march.account, limit=2, offset=0).has_more is False

    def test_calls_of_one_instant_come_in_the_order_they_were_recorded_newest_first(self) -> None:
        march = a_period(an_account())
        for number in range(3):
            a_log_row(march, event_id=f"e{number}", at=NOW)

        page = queries.log_rows(march.account, limit=10, offset=0)
        assert [row.event_id for row in page.rows] == ["e2", "e1", "e0"]

    def test_rows_are_counted_by_the_summaries(self) -> None:
        march = a_period(an_account())
        a_summary(march, calls=7)
        a_summary(march, provider="tavily", calls=4)

        assert queries.log_rows(march.account, limit=1, offset=0).total_count == 11
        assert queries.log_rows(march.account, limit=1, offset=0, provider="tavily").total_count == 4

    def test_rows_of_one_status_are_counted_themselves(self) -> None:
        march = a_period(an_account())
        a_summary(march, calls=3, errors=1)
        a_log_row(march, event_id="fine")
        a_log_row(march, event_id="failed", status_code=429)

        page = queries.log_rows(march.account, limit=10, offset=0, status_code=429)
        assert ([row.event_id for row in page.rows], page.total_count) == (["failed"], 1)

    def test_only_the_provider_asked_for_is_shown(self) -> None:
        march = a_period(an_account())
        a_log_row(march, event_id="chat")
        a_log_row(march, event_id="search", provider="tavily")

        page = queries.log_rows(march.account, limit=10, offset=0, provider="tavily")
        assert [row.event_id for row in page.rows] == ["search"]

    def test_a_period_shows_what_it_bills_whenever_it_happened(self) -> None:
        account = an_account()
        march = a_period(account)
        a_log_row(a_period(account, start=FEBRUARY, end=MARCH), event_id="february", at=FEBRUARY)
        a_log_row(march, event_id="late", at=FEBRUARY, recorded_at=NOW)
        a_log_row(march, event_id="march", at=NOW)

        page = queries.log_rows(account, limit=10, offset=0, period=march)
        assert [row.event_id for row in page.rows] == ["march", "late"]

    def test_a_call_dated_by_a_clock_ahead_of_ours_stays_in_its_period(self) -> None:
        march = a_period(an_account())
        a_log_row(
            march, event_id="ahead", at=APRIL + timedelta(minutes=4), recorded_at=APRIL - timedelta(minutes=1)
        )

        assert len(queries.log_rows(march.account, limit=1, offset=0, period=march).rows) == 1

    def test_rows_of_other_accounts_are_not_shown(self) -> None:
        a_log_row(a_period(an_account("globex")))

        assert queries.log_rows(an_account("acme"), limit=10, offset=0).rows == []

    def test_a_page_with_its_periods_costs_two_statements(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        march = a_period(an_account())
        for number in range(20):
            a_log_row(march, event_id=f"e{number}")

        with django_assert_num_queries(2):
            page = queries.log_rows(march.account, limit=20, offset=0)
            assert {row.billing_period.period_start for row in page.rows} == {MARCH}

    @pytest.mark.parametrize(("limit", "offset"), [(0, 0), (1, -1), (1, queries.MAX_LOG_OFFSET + 1)])
    def test_a_page_out_of_bounds_is_refused(self, limit: int, offset: int) -> None:
        with pytest.raises(ValueError, match="a page needs a limit of at least 1"):
            queries.log_rows(an_account(), limit=limit, offset=offset)


class TestPricesInForce:
    def test_of_dated_prices_the_latest_that_has_begun_is_in_force(self) -> None:
        a_price(since=FEBRUARY, cost_per_input_token="0.000003")
        a_price(since=MARCH, cost_per_input_token="0.000002")
        a_price(since=APRIL, cost_per_input_token="0.000001")

        prices = queries.prices_in_force(at=NOW)
        assert [price.cost_per_input_token for price in prices] == [Decimal("0.000002")]

    def test_a_price_is_in_force_from_its_very_first_instant(self) -> None:
        a_price(since=MARCH)

        assert queries.prices_in_force(at=MARCH - timedelta(microseconds=1)) == []
        assert len(queries.prices_in_force(at=MARCH)) == 1

    def test_prices_come_by_provider_and_model(self) -> None:
        a_price("o3")
        a_price("gpt-4o")
        a_price("gemini-2.5-pro", provider="gemini")

        named = [(price.provider, price.model_name) for price in queries.prices_in_force(at=NOW)]
        assert named == [("gemini", "gemini-2.5-pro"), ("openai", "gpt-4o"), ("openai", "o3")]

    def test_one_provider_may_be_asked_for(self) -> None:
        a_price("gpt-4o")
        a_price("gemini-2.5-pro", provider="gemini")

        prices = queries.prices_in_force(at=NOW, provider="gemini")
        assert [price.model_name for price in prices] == ["gemini-2.5-pro"]
