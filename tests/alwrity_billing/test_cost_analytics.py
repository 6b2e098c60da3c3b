"""GET /api/billing/costs/analytics"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from subscriptions import recommending
from subscriptions.recommendations import dismiss
from tests.support.authorizing import a_limit, limit
from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.posting import Posted, look
from tests.support.prices import load
from tests.support.replays import a_price as a_listed_price
from tests.support.replays import daily, spend
from tests.support.subscribing import TESTS
from tests.support.usage_rows import MARCH, a_price, a_rollup, a_summary
from usage.models import Account

ANALYTICS = "/api/billing/costs/analytics"
CHAT = "/v1/chat/completions"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account("acme")


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme).plain


def first_days(key: str, more: str = "") -> Posted:
    """What is told of the first two days of March."""
    return look(f"{ANALYTICS}?from=2026-03-01&to=2026-03-03{more}", key=key)


def test_costs_are_told_by_endpoint_by_model_and_by_day(acme: Account, key: str) -> None:
    a_rollup(
        acme, hour=MARCH + 9 * HOUR, endpoint=CHAT, calls=3, input_tokens=900, output_tokens=100, cost="4"
    )
    a_rollup(acme, hour=MARCH + DAY, endpoint=CHAT, calls=1, input_tokens=50, cost="2")
    a_rollup(acme, hour=MARCH + DAY, provider="tavily", model="", calls=4, cost="0.5")
    a_rollup(acme, hour=MARCH + 2 * DAY, cost="100")

    body = first_days(key).body

    assert (body["from"], body["to"]) == ("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z")
    assert (body["currency"], body["total_cost"], body["total_requests"], body["total_tokens"]) == (
        "USD", "6.5", 8, 1050,
    )  # fmt: skip
    assert body["cost_by_endpoint"] == {CHAT: "6", "unknown": "0.5"}
    assert body["cost_by_model"] == {"openai/gpt-4o": "6", "tavily": "0.5"}
    assert body["cost_breakdown"] == {
        "by_endpoint": {
            CHAT: {"cost": "6", "requests": 4, "avg_cost": "1.5"},
            "unknown": {"cost": "0.5", "requests": 4, "avg_cost": "0.125"},
        },
        "by_model": {
            "openai/gpt-4o": {"cost": "6", "requests": 4, "tokens": 1050},
            "tavily": {"cost": "0.5", "requests": 4, "tokens": 0},
        },
        "by_time": [
            {"date": "2026-03-01", "cost": "4", "requests": 3},
            {"date": "2026-03-02", "cost": "2.5", "requests": 5},
        ],
    }


def test_an_account_without_usage_is_told_zeros(key: str) -> None:
    body = first_days(key).body

    assert body == {
        "from": "2026-03-01T00:00:00Z",
        "to": "2026-03-03T00:00:00Z",
        "currency": "USD",
        "total_cost": "0",
        "total_requests": 0,
        "total_tokens": 0,
        "monthly_budget": None,
        "budget_utilization": None,
        "cost_by_endpoint": {},
        "cost_by_model": {},
        "cost_breakdown": {
            "by_endpoint": {},
            "by_model": {},
            "by_time": [
                {"date": "2026-03-01", "cost": "0", "requests": 0},
                {"date": "2026-03-02", "cost": "0", "requests": 0},
            ],
        },
        "recommendations": [],
        "usage_patterns": {
            "peak_hours": [],
            "most_used_models": [],
            "cost_trends": "unknown",
            "inefficiencies": [],
        },
    }


def test_the_budget_is_compared_with_the_open_period_whatever_is_asked_for(acme: Account, key: str) -> None:
    limit(a_limit("20", "cost"))
    a_summary(acme.billing_periods.get(), cost="5")

    body = first_days(key).body

    assert (body["monthly_budget"], body["budget_utilization"]) == ("20", 25.0)


class TestGrouping:
    @pytest.mark.parametrize(
        ("query", "dates"),
        [
            ("from=2026-03-01T05:30:00Z&to=2026-03-01T07:00:00Z&group_by=hour",
             ["2026-03-01T05:00:00Z", "2026-03-01T06:00:00Z"]),
            ("from=2026-01-31&to=2026-03-01&group_by=month", ["2026-01-01", "2026-02-01"]),
            ("from=2026-02-28T12:00:00Z&to=2026-03-01T00:00:01Z&group_by=day", ["2026-02-28", "2026-03-01"]),
        ],
    )  # fmt: skip
    def test_time_goes_in_the_steps_that_are_asked_for(self, key: str, query: str, dates: list[str]) -> None:
        by_time = look(f"{ANALYTICS}?{query}", key=key).body["cost_breakdown"]["by_time"]

        assert [piece["date"] for piece in by_time] == dates

    @pytest.mark.parametrize(("asked", "steps"), [("", 30), ("?group_by=hour", 24), ("?group_by=month", 12)])
    def test_unless_told_otherwise_the_latest_are_told(self, key: str, asked: str, steps: int) -> None:
        assert len(look(ANALYTICS + asked, key=key).body["cost_breakdown"]["by_time"]) == steps

    def test_any_dimension_is_broken_down_besides(self, acme: Account, key: str) -> None:
        a_rollup(acme, hour=MARCH, team="red", calls=2, input_tokens=7, cost="3")
        a_rollup(acme, hour=MARCH, calls=1, cost="1")

        breakdown = first_days(key, "&group_by=team").body["cost_breakdown"]

        assert breakdown["by_team"] == {
            "red": {"cost": "3", "requests": 2, "tokens": 7},
            "unknown": {"cost": "1", "requests": 1, "tokens": 0},
        }
        assert [piece["date"] for piece in breakdown["by_time"]] == ["2026-03-01", "2026-03-02"]

    @pytest.mark.parametrize("shown_anyway", ["model", "endpoint"])
    def test_what_is_shown_anyway_may_be_asked_for(self, key: str, shown_anyway: str) -> None:
        breakdown = first_days(key, f"&group_by={shown_anyway}").body["cost_breakdown"]

        assert breakdown.keys() == {"by_endpoint", "by_model", "by_time"}

    def test_anything_else_is_refused_with_what_there_is(self, key: str) -> None:
        answer = first_days(key, "&group_by=week")

        assert (answer.status, answer.body["code"]) == (400, "invalid_request")
        assert answer.error.startswith("group_by: Choose one of hour, day, month, provider, model, ")

    def test_a_thousand_steps_are_shown_and_not_one_more(self, key: str) -> None:
        shown, refused = (
            look(f"{ANALYTICS}?from={start}&to=2026-03-15", key=key) for start in ("2023-06-19", "2023-06-18")
        )

        assert len(shown.body["cost_breakdown"]["by_time"]) == 1000
        assert refused.status == 400
        assert "At most 1000 intervals" in refused.error


class TestPatterns:
    def test_they_are_those_of_what_is_asked_for(self, acme: Account, key: str) -> None:
        a_price(cost_per_input_token="0.0000025", cost_per_cached_input_token="0.00000125")
        for number in range(14):
            # From the 1st to the 14th: 1 USD a day in the first week, 2 in the second.
            cost = "1" if number < 7 else "2"
            a_rollup(acme, hour=MARCH + number * DAY + 9 * HOUR, input_tokens=100_000, cost=cost)
        a_rollup(acme, hour=MARCH + 10 * HOUR, provider="tavily", model="", calls=20, errors=2)

        patterns = look(f"{ANALYTICS}?from=2026-03-01", key=key).body["usage_patterns"]

        assert patterns == {
            "peak_hours": ["09:00-11:00"],
            "most_used_models": ["tavily", "openai/gpt-4o"],
            "cost_trends": "increasing",
            "inefficiencies": [
                # 1,400,000 tokens at 2.50 and 1.25 USD a million
                "0.0 % of 1,400,000 input tokens of openai/gpt-4o were cached. 1,400,000 were not and cost "
                "3.50 USD; from the cache they would have cost 1.75 USD.",
                "2 of 20 calls of tavily failed (10.0 %). All its calls cost 0.00 USD.",
            ],
        }


class TestRecommendations:
    @pytest.fixture
    def on_gpt_4o(self, acme: Account) -> Account:
        """560 calls of 50,000 tokens in four weeks, at 2.50 USD a million: 70 USD."""
        load(a_listed_price("gpt-4o", "2.50", "10"), a_listed_price("gpt-6.1-terra", "1", "5"))
        spend(*daily(*range(28), calls=20, input_tokens=50_000, output_tokens=0))
        recommending.compute(acme, at=NOW)
        return acme

    def test_they_are_those_that_were_computed_last(self, on_gpt_4o: Account, key: str) -> None:
        found = first_days(key).body["recommendations"]

        assert found == [
            {
                "type": "cheaper_model",
                "message": "560 calls in four weeks cost $70.00; on gpt-6.1-terra (OpenAI), of the same "
                "class, they would have cost $28.00.",
                "potential_savings": "45",  # 42 USD in 28 days are 45 in 30
                "confidence": "medium",
            }
        ]

    def test_what_was_dismissed_is_not_told(self, on_gpt_4o: Account, key: str) -> None:
        dismiss(on_gpt_4o, kind="cheaper_model", subject="openai/gpt-4o", at=NOW, by=TESTS)

        assert first_days(key).body["recommendations"] == []


def test_a_year_takes_as_many_statements_as_a_day(
    acme: Account, key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for days in range(0, 360, 30):
        a_rollup(acme, hour=NOW - timedelta(days=days), team=f"team {days}")
    look(ANALYTICS, key=key)

    # The key; by day, by endpoint, by model, by team; limits, budget, period; recommendations; hours, days,
    # prices.
    with django_assert_num_queries(12):
        body = look(f"{ANALYTICS}?from=2025-03-16&group_by=team", key=key).body
    assert body["total_requests"] == 12
