"""GET /api/billing/limits"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from alwrity_billing.api.billing_limits import CostSoFar, billing_limits
from tests.support.authorizing import a_limit, ask, limit
from tests.support.cast import NOW, a_member, a_user, an_account, an_event
from tests.support.credentials import a_key
from tests.support.posting import look
from tests.support.recording import prepare, record
from tests.support.subscribing import a_plan, subscribe
from tests.support.usage_rows import a_day
from usage import projections
from usage.models import Account, LimitSource, Scope

LIMITS = "/api/billing/limits"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get(external_id="acme")


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme).plain


def test_without_limits_what_does_not_exist_is_null(key: str) -> None:
    assert look(LIMITS, key=key).body == {
        "limits": {
            "monthly_budget": None,
            "current_budget_usage": "0",
            "budget_remaining": None,
            "budget_utilization": None,
            "days_remaining": 17,
            "projected_overage": None,
        },
        "usage_quotas": {},
        "rate_limits": {
            "requests_per_minute": None,
            "requests_per_hour": None,
            "concurrent_requests": None,
            "burst_limit": None,
        },
        "overage_protection": {
            "enabled": False,
            "max_monthly_cost": None,
            "auto_pause_at_limit": False,
            "alert_threshold": None,
        },
        "budget_management": {
            "monthly_budget": None,
            "alert_thresholds": [],
            "auto_pause": False,
            "spend_limits": {"per_request": None, "per_hour": None, "per_day": None},
            "throttling": None,
        },
        "budget_state": {
            "paused": False,
            "paused_automatically": False,
            "paused_reason": None,
            "paused_at": None,
            "paused_until": None,
            "throttled": False,
            "throttled_at": None,
        },
    }


def test_the_budget_is_the_strictest_sources(key: str) -> None:
    limit(a_limit("1", "cost", name="monthly_cost"))
    limit(a_limit("0.01", "cost", name="budget"), source=LimitSource.BUDGET)
    record(an_event())
    ask()

    body = look(LIMITS, key=key).body

    assert body["limits"] == {
        "monthly_budget": "0.01",
        "current_budget_usage": "0.0035",
        # 0.01 less 0.0035 used and as much held
        "budget_remaining": "0.003",
        "budget_utilization": 35.0,
        "days_remaining": 17,
        "projected_overage": "0",
    }
    assert body["overage_protection"]["max_monthly_cost"] == "0.01"
    assert body["overage_protection"]["enabled"] is True
    assert body["budget_management"]["monthly_budget"] == "0.01"
    assert body["budget_management"]["auto_pause"] is True


def test_a_budget_that_is_billed_beyond_protects_from_nothing(key: str) -> None:
    limit(a_limit("1", "cost", mode="bill"))

    body = look(LIMITS, key=key).body

    assert body["limits"]["monthly_budget"] == "1"
    assert body["overage_protection"]["enabled"] is False
    assert body["budget_management"]["auto_pause"] is False


def test_limits_that_only_tell_are_thresholds_of_the_budget(key: str) -> None:
    limit(a_limit("10", "cost"))
    limit(a_limit("8", "cost", mode="notify"), source=LimitSource.BUDGET)
    limit(a_limit("5", "cost", mode="notify"), source=LimitSource.OVERRIDE)

    body = look(LIMITS, key=key).body

    assert body["limits"]["monthly_budget"] == "10"
    assert body["budget_management"]["alert_thresholds"] == [50.0, 80.0]
    assert body["overage_protection"]["alert_threshold"] == 50.0


def test_quotas_are_told_by_name(key: str) -> None:
    limit(
        a_limit(100, scope="provider", value="openai", name="openai_calls"),
        a_limit(None, "tokens", name="tokens"),
        a_limit(10, window="day", name="daily_calls"),
        a_limit(7, window="minute"),
    )
    limit(a_limit(50, scope="provider", value="openai", name="openai_calls"), source=LimitSource.BUDGET)
    record(an_event())

    quotas = look(LIMITS, key=key).body["usage_quotas"]

    assert quotas.keys() == {"openai_calls", "tokens", "daily_calls"}
    assert quotas["openai_calls"] == {
        "limit": "50",
        "used": "1",
        "remaining": "49",
        "reset_date": "2026-04-01T00:00:00Z",
    }
    assert (quotas["tokens"]["limit"], quotas["tokens"]["used"]) == (None, "1100")


def test_rates_and_spend_limits_are_those_of_all_calls(key: str) -> None:
    limit(
        a_limit(60, window="minute"),
        a_limit(1000, window="hour"),
        a_limit(8, window="concurrent"),
        a_limit(5, window="second"),
        a_limit(1, window="minute", scope="provider", value="openai"),
        a_limit("0.5", "cost", "request"),
        a_limit("2", "cost", "hour"),
        a_limit("9", "cost", "day"),
    )
    limit(a_limit(30, window="minute"), source=LimitSource.OVERRIDE)

    body = look(LIMITS, key=key).body

    assert body["rate_limits"] == {
        "requests_per_minute": 30,
        "requests_per_hour": 1000,
        "concurrent_requests": 8,
        "burst_limit": 5,
    }
    assert body["budget_management"]["spend_limits"] == {
        "per_request": "0.5",
        "per_hour": "2",
        "per_day": "9",
    }


@pytest.mark.parametrize(("day", "left"), [(0, 30), (10, 20), (29.5, 1)])
def test_the_day_in_progress_remains(day: float, left: int) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    cost = CostSoFar(start=start, end=start + timedelta(days=30), cost=Decimal(5), expected=Decimal(5))

    told = billing_limits([], cost=cost, at=start + timedelta(days=day))

    assert told["limits"]["days_remaining"] == left


@pytest.mark.parametrize(
    ("tokens", "overage"),
    [
        # 2.50 USD a million; 14.5 of March's 31 days have passed.
        (180_000, "0"),  # 0.45 × 31 / 14.5 = 0.962 USD
        (560_000, "1.99"),  # 1.40 × 31 / 14.5 = 2.993 USD
    ],
)
def test_the_rate_so_far_is_carried_to_the_end(key: str, tokens: int, overage: str) -> None:
    limit(a_limit("1", "cost"))
    record(an_event(input_tokens=tokens, output_tokens=0))

    assert look(LIMITS, key=key).body["limits"]["projected_overage"] == overage


@pytest.mark.parametrize(
    ("tokens", "overage"),
    [
        # 1 USD on each of the last 14 days. Half of today and 16 days are left: 16.5 more to come.
        (400_000, "7.5"),  # 1 + 16.5, of 10
        (8_000_000, "26.5"),  # 20 + 16.5
    ],
)
def test_an_account_whose_weekdays_are_known_is_expected_to_go_on_by_them(
    acme: Account, key: str, tokens: int, overage: str
) -> None:
    limit(a_limit("10", "cost"))
    for number in range(1, 15):
        a_day(acme, day=NOW.date() - timedelta(days=number), cost="1")
    record(an_event(input_tokens=tokens, output_tokens=0))
    projections.compute_due(at=NOW, limit=1)

    assert look(LIMITS, key=key).body["limits"]["projected_overage"] == overage


class TestAccess:
    def test_a_member_reads_the_accounts(self, acme: Account) -> None:
        assert look(LIMITS, user=a_member(acme)).status == 200

    def test_a_stranger_is_refused_whether_the_account_exists_or_not(self) -> None:
        mallory = a_member(an_account("globex"), username="mallory")

        existing, missing = (look(f"{LIMITS}?user_id={name}", user=mallory) for name in ("acme", "nobody"))
        assert existing.status == missing.status == 403
        assert existing.body == missing.body

    def test_staff_may_name_any_account(self) -> None:
        staff = a_user("staff", is_staff=True)

        assert look(f"{LIMITS}?user_id=acme", user=staff).status == 200
        assert look(f"{LIMITS}?user_id=nobody", user=staff).status == 404

    def test_a_key_that_only_sends_usage_reads_none(self, acme: Account) -> None:
        assert look(LIMITS, key=a_key(acme, scopes=(Scope.INGEST,)).plain).status == 403

    def test_without_a_credential_nothing_is_shown(self) -> None:
        assert look(LIMITS).status == 401


class TestPlan:
    """What the account is subscribed to."""

    def test_alerts_are_told_at_the_thresholds_of_the_plan(self, key: str) -> None:
        subscribe(a_plan(included_usage=Decimal(25), alert_thresholds=[50, 90]))

        body = look(LIMITS, key=key).body

        assert body["limits"]["monthly_budget"] == "25"
        assert body["budget_management"]["alert_thresholds"] == [50.0, 90.0]
        assert body["overage_protection"]["alert_threshold"] == 50.0

    def test_limits_that_only_tell_are_thresholds_beside_them(self, key: str) -> None:
        subscribe(a_plan(included_usage=Decimal(25), alert_thresholds=[80]))
        limit(a_limit("5", "cost", mode="notify"), source=LimitSource.BUDGET)

        # 5 of 25 USD
        assert look(LIMITS, key=key).body["budget_management"]["alert_thresholds"] == [20.0, 80.0]

    @pytest.mark.parametrize(
        ("policy", "maximum", "protection"),
        [
            ("block", None, {"enabled": True, "max_monthly_cost": "25", "auto_pause_at_limit": False}),
            ("pause", None, {"enabled": True, "max_monthly_cost": "25", "auto_pause_at_limit": True}),
            ("bill", "50", {"enabled": True, "max_monthly_cost": "50", "auto_pause_at_limit": False}),
            ("bill", None, {"enabled": False, "max_monthly_cost": None, "auto_pause_at_limit": False}),
        ],
    )
    def test_what_happens_beyond_the_included_usage_is_the_plans(
        self, key: str, policy: str, maximum: str | None, protection: dict[str, object]
    ) -> None:
        most = None if maximum is None else Decimal(maximum)
        subscribe(a_plan(included_usage=Decimal(25), overage_policy=policy, max_monthly_cost=most))

        told = look(LIMITS, key=key).body["overage_protection"]

        assert told == {**protection, "alert_threshold": 80.0}

    def test_a_tighter_budget_takes_the_plans_place(self, key: str) -> None:
        subscribe(a_plan(included_usage=Decimal(25)))
        limit(a_limit("10", "cost", name="budget"), source=LimitSource.BUDGET)

        assert look(LIMITS, key=key).body["overage_protection"]["max_monthly_cost"] == "10"


def test_it_takes_seven_queries(key: str, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    limit(a_limit(5), a_limit("1", "cost"))
    look(LIMITS, key=key)

    # The key, all limits, the period, its totals and its projection, the budget, the subscription.
    with django_assert_num_queries(7):
        assert look(LIMITS, key=key).status == 200
