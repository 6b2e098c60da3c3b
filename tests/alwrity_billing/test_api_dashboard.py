"""GET /api/subscription/dashboard/{user_id}"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.alerting import an_alert
from tests.support.authorizing import a_limit, limit
from tests.support.cast import NOW, an_account
from tests.support.contract import ask
from tests.support.credentials import a_key
from tests.support.subscribing import a_plan, subscribe
from tests.support.usage_rows import MARCH, a_day, a_period, a_rollup, a_summary
from usage import projections
from usage.api.known_limits import LIMIT_NAMES
from usage.models import Account
from usage.providers import PROVIDERS

DASHBOARD = "/api/subscription/dashboard/acme"
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account("acme")


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme).plain


def test_it_has_what_the_contract_names(key: str) -> None:
    data = ask(DASHBOARD, key=key).data

    assert data.keys() == {
        "current_usage", "total_usage", "current_period_usage", "trends", "limits", "alerts",
        "projections", "summary", "usage_percentages",
    }  # fmt: skip
    assert data["projections"].keys() == {
        "projected_monthly_cost", "cost_limit", "projected_usage_percentage",
    }  # fmt: skip
    assert data["summary"].keys() == {
        "total_api_calls_this_month", "total_cost_this_month", "usage_status", "unread_alerts",
    }  # fmt: skip


def test_an_account_without_usage_is_told_zeros(key: str) -> None:
    data = ask(DASHBOARD, key=key).data

    assert (data["current_usage"]["billing_period"], data["current_usage"]["total_calls"]) == ("2026-03", 0)
    assert data["total_usage"] == data["current_usage"]
    assert data["trends"]["total_calls"] == [0] * 6
    assert data["limits"]["limits"] == dict.fromkeys(LIMIT_NAMES, 0)
    assert data["alerts"] == []
    assert set(data["projections"].values()) == {0}
    assert data["summary"] == {
        "total_api_calls_this_month": 0,
        "total_cost_this_month": 0,
        "usage_status": "active",
        "unread_alerts": 0,
    }


def test_the_open_period_is_told_as_by_itself(acme: Account, key: str) -> None:
    subscribe(a_plan(included_usage=Decimal(25)), account=acme)
    a_summary(acme.billing_periods.get(), calls=3, cost="20")
    an_alert(acme)

    data = ask(DASHBOARD, key=key).data

    usage = ask("/api/subscription/usage/acme", key=key).data
    assert data["current_usage"] == data["current_period_usage"] == usage
    assert (data["limits"], data["alerts"]) == (usage["limits"], usage["alerts"])
    assert data["usage_percentages"] == usage["usage_percentages"]
    assert data["summary"] == {
        "total_api_calls_this_month": 3,
        "total_cost_this_month": 20,
        "usage_status": "warning",  # 20 of 25 USD are 80 %
        "unread_alerts": 1,
    }


def test_all_time_is_every_period_together_beside_the_limits_of_the_open_one(acme: Account, key: str) -> None:
    limit(a_limit(10, scope="provider", value="openai", name="openai_calls"))
    a_summary(a_period(acme, start=FEBRUARY, end=MARCH), calls=100, errors=4, input_tokens=50, cost="7")
    a_summary(acme.billing_periods.get(period_start=MARCH), calls=5, errors=1, input_tokens=5, cost="1")

    total = ask(DASHBOARD, key=key).data["total_usage"]

    assert (total["total_calls"], total["total_tokens"], total["total_cost"]) == (105, 55, 8)
    assert total["provider_breakdown"]["openai"] == {"calls": 105, "tokens": 55, "cost": 8}
    assert total["error_rate"] == pytest.approx(100 * 5 / 105)
    # 5 of the 10 calls of this period, not 105.
    assert (total["usage_percentages"]["openai_calls"], total["usage_status"]) == (50, "active")
    assert total["billing_period"] == "2026-03"


def test_six_calendar_months_are_told_each_once(acme: Account, key: str) -> None:
    a_rollup(acme, hour=FEBRUARY, calls=4)

    trends = ask(DASHBOARD, key=key).data["trends"]

    assert trends == ask("/api/subscription/usage/acme/trends", key=key).data
    assert trends["periods"] == ["2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03"]
    assert trends["total_calls"] == [0, 0, 0, 0, 4, 0]


def test_unread_alerts_are_counted_however_old_they_are(acme: Account, key: str) -> None:
    an_alert(acme, created_at=FEBRUARY)
    an_alert(acme, "today's")
    an_alert(acme, "read", read_at=NOW)

    data = ask(DASHBOARD, key=key).data

    assert data["summary"]["unread_alerts"] == 2
    assert [alert["title"] for alert in data["alerts"]] == ["today's", "read"]


class TestProjections:
    def test_the_rate_so_far_is_carried_to_the_end(self, acme: Account, key: str) -> None:
        limit(a_limit("20", "cost", name="monthly_cost"))
        a_summary(acme.billing_periods.get(), cost="5.8")

        # 14.5 of March's 31 days have passed: 5.8 × 31 / 14.5 = 12.4; of 20 USD 62 %.
        assert ask(DASHBOARD, key=key).data["projections"] == {
            "projected_monthly_cost": 12.4,
            "cost_limit": 20,
            "projected_usage_percentage": 62,
        }

    def test_an_account_whose_weekdays_are_known_goes_on_by_them(self, acme: Account, key: str) -> None:
        a_summary(a_period(acme), cost="5", calls=10)
        for number in range(1, 15):
            a_day(acme, day=NOW.date() - timedelta(days=number), cost="2")
        projections.compute_due(at=NOW, limit=1)

        # Half of today and sixteen days are left, of 2 USD: 5 + 33.
        assert ask(DASHBOARD, key=key).data["projections"] == {
            "projected_monthly_cost": 38,
            "cost_limit": 0,
            "projected_usage_percentage": 0,
        }

    def test_it_is_told_in_cents(self, acme: Account, key: str) -> None:
        a_summary(a_period(acme), cost="1")

        # 31 / 14.5 = 2.1379…
        assert ask(DASHBOARD, key=key).data["projections"]["projected_monthly_cost"] == 2.14


def test_it_takes_ten_queries_and_those_of_the_key(
    acme: Account, key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    subscribe(a_plan(), account=acme)
    for provider in PROVIDERS:
        a_summary(acme.billing_periods.get(), provider=provider)
        a_rollup(acme, provider=provider)
    ask(DASHBOARD, key=key)

    # The key. The period, its providers, when it was updated, its alerts; the subscription, limits; all time,
    # trends, the projection, unread alerts.
    with django_assert_num_queries(11):
        data = ask(DASHBOARD, key=key).data
    assert data["total_usage"]["total_calls"] == len(PROVIDERS)
