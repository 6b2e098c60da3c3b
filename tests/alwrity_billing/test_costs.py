"""GET /api/billing/costs"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.authorizing import a_limit, limit
from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.posting import look
from tests.support.subscribing import a_plan, subscribe
from tests.support.usage_rows import a_period, a_rollup, a_summary
from usage.models import Account, LimitSource

COSTS = "/api/billing/costs"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account("acme")


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme).plain


def test_the_month_is_what_the_open_period_bills_and_today_what_happened_since_midnight(
    acme: Account, key: str
) -> None:
    march = a_period(acme)
    a_summary(march, calls=6, input_tokens=1000, output_tokens=200, cost="12")
    a_summary(march, provider="tavily", calls=2, cost="0.5")
    a_rollup(acme, hour=NOW.replace(hour=0), calls=2, input_tokens=30, output_tokens=10, cost="0.75")
    a_rollup(acme, hour=NOW.replace(hour=0) - timedelta(hours=1), calls=1, cost="3")

    assert look(COSTS, key=key).body == {
        "currency": "USD",
        "current_month_api_cost": "12.5",
        "budget_utilization": None,
        "avg_cost_per_request": "1.5625",  # 12.5 / 8
        "cost_alert_threshold": None,
        "current_usage": {
            "requests_today": 2,
            "requests_this_month": 8,
            "tokens_used_today": 40,
            "tokens_used_this_month": 1200,
            "estimated_cost_today": "0.75",
            "estimated_cost_this_month": "12.5",
        },
    }


def test_an_account_without_usage_costs_nothing(key: str) -> None:
    body = look(COSTS, key=key).body

    assert (body["current_month_api_cost"], body["avg_cost_per_request"]) == ("0", "0")
    assert set(body["current_usage"].values()) == {0, "0"}


def test_of_a_budget_it_says_how_much_is_used_and_when_people_are_told(acme: Account, key: str) -> None:
    subscribe(a_plan(included_usage=Decimal(25), alert_thresholds=[50, 90]), account=acme)
    a_summary(acme.billing_periods.get(), cost="8")

    body = look(COSTS, key=key).body

    assert body["budget_utilization"] == 32.0  # 8 of 25
    assert body["cost_alert_threshold"] == 50.0


def test_the_strictest_limit_is_the_budget(acme: Account, key: str) -> None:
    limit(a_limit("40", "cost", name="monthly_cost"))
    limit(a_limit("16", "cost", name="budget"), source=LimitSource.BUDGET)
    a_summary(acme.billing_periods.get(), cost="4")

    assert look(COSTS, key=key).body["budget_utilization"] == 25.0


def test_a_request_costs_at_most_as_many_decimals_as_any_cost(acme: Account, key: str) -> None:
    a_summary(a_period(acme), calls=3, cost="1")

    assert look(COSTS, key=key).body["avg_cost_per_request"] == "0.333333333333333333"


def test_it_takes_seven_queries(
    acme: Account, key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    a_summary(a_period(acme))
    look(COSTS, key=key)

    # The key, the period, its totals, today's, all limits, the budget, the subscription.
    with django_assert_num_queries(7):
        assert look(COSTS, key=key).status == 200
