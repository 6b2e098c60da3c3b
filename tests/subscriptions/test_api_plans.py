"""GET /api/subscription/plans"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from subscriptions import plans
from subscriptions.models import SubscriptionPlan
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, an_account
from tests.support.posting import look
from tests.support.subscribing import a_plan, a_version, load_catalog, the_plan
from usage.api.known_limits import LIMIT_NAMES

PLANS = "/api/subscription/plans"
# The limits that clients look up by name.
LISTED = {
    "gemini_calls", "openai_calls", "anthropic_calls", "mistral_calls", "tavily_calls", "serper_calls",
    "metaphor_calls", "firecrawl_calls", "stability_calls", "gemini_tokens", "openai_tokens",
    "anthropic_tokens", "mistral_tokens", "monthly_cost",
}  # fmt: skip
pytestmark = pytest.mark.django_db


def shown() -> list[dict[str, Any]]:
    plans: list[dict[str, Any]] = look(PLANS).data["plans"]
    return plans


def names() -> list[str]:
    return [plan["name"] for plan in shown()]


def test_anybody_sees_what_is_sold_in_its_order() -> None:
    load_catalog()

    data = look(PLANS).data

    assert [plan["name"] for plan in data["plans"]] == ["Free", "Basic", "Pro", "Enterprise"]
    assert data["total"] == 4


def test_a_plan_is_told_with_numbers() -> None:
    load_catalog()

    pro = shown()[2]

    assert {name: pro[name] for name in ("id", "tier", "price_monthly", "price_yearly")} == {
        "id": the_plan("pro").pk,
        "tier": "pro",
        "price_monthly": 79,
        "price_yearly": 790,
    }
    assert pro["description"] == "For teams that publish every day."
    assert "priority_support" in pro["features"]
    assert (pro["limits"]["gemini_calls"], pro["limits"]["monthly_cost"]) == (5000, 150)


def test_every_known_limit_stands_in_every_plan() -> None:
    load_catalog()
    load_catalog("gateway")

    assert set(LIMIT_NAMES) >= LISTED
    for plan in shown():
        assert plan["limits"].keys() == plan["limit_states"].keys() >= set(LIMIT_NAMES)


def test_capped_unlimited_and_none_are_told_apart() -> None:
    a_plan(
        "team",
        a_limit(10, scope="provider", value="gemini", name="gemini_calls"),
        a_limit(0, scope="provider", value="openai", name="openai_calls"),
        a_limit(None, scope="provider", value="mistral", name="mistral_calls"),
    )

    (team,) = shown()

    told = {name: (team["limits"][name], team["limit_states"][name]) for name in LIMIT_NAMES[:4]}
    assert told == {
        "gemini_calls": (10, "capped"),
        "openai_calls": (0, "none"),
        "anthropic_calls": (0, "unlimited"),
        "mistral_calls": (0, "unlimited"),
    }


def test_a_plans_other_limits_are_told_by_their_names() -> None:
    a_plan("team", a_limit(60, window="minute", name="requests_per_minute"))

    (team,) = shown()

    assert (team["limits"]["requests_per_minute"], team["limit_states"]["requests_per_minute"]) == (
        60,
        "capped",
    )


def test_a_rate_is_not_shown_as_the_periods() -> None:
    a_plan("team", a_limit(5, window="minute", name="mistral_calls"))

    assert shown()[0]["limit_states"]["mistral_calls"] == "unlimited"


def test_a_limit_of_metaphor_limits_exa() -> None:
    a_plan("team", a_limit(5, scope="provider", value="metaphor", name="metaphor_calls"))

    assert shown()[0]["limits"]["exa_calls"] == 5


def test_what_is_billed_beyond_is_told_with_its_maximum() -> None:
    a_plan("team", included_usage=Decimal(25), overage_policy="bill", max_monthly_cost=Decimal(50))

    limits = shown()[0]["limits"]

    assert (limits["monthly_cost"], limits["max_monthly_cost"]) == (25, 50)


def test_hidden_custom_retired_and_unpublished_plans_are_not_shown() -> None:
    a_plan("open")
    a_plan("hidden", visibility="hidden")
    a_plan("custom", account=an_account())
    plans.retire(a_plan("retired"), at=NOW)
    SubscriptionPlan.objects.create(key="draft", name="Draft", visibility="public")

    assert names() == ["Open"]


def test_a_version_is_shown_from_its_moment_on() -> None:
    a_version(a_plan(price="30"), price="40", at=NOW)

    with time_machine.travel(NOW - timedelta(seconds=1), tick=False):
        assert shown()[0]["price_monthly"] == 30
    with time_machine.travel(NOW, tick=False):
        assert shown()[0]["price_monthly"] == 40


def test_without_plans_the_list_is_empty() -> None:
    assert look(PLANS).data == {"plans": [], "total": 0}


def test_a_credential_that_is_not_valid_does_not_hide_them() -> None:
    assert look(PLANS, key="nonsense").status == 200


def test_the_slash_at_the_end_is_optional() -> None:
    a_plan()

    assert look(f"{PLANS}/").body == look(PLANS).body


def test_it_takes_as_many_queries_for_many_plans_as_for_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    load_catalog()

    # The versions, their limits, their surcharges.
    with django_assert_num_queries(3):
        assert look(PLANS).data["total"] == 4
