"""The numbers of the two catalogs that come with the project, written out once more."""

from decimal import Decimal

import pytest

from subscriptions import catalog_file
from subscriptions.catalog_file import CatalogPlan
from usage.models import LimitMode

DEFAULT = ("free", "basic", "pro", "enterprise")
GATEWAY = ("gateway-community", "gateway-starter", "gateway-professional", "gateway-enterprise")
# What a limit counts, its window, its amount in each plan; None is unlimited. What a plan lacks is "-".
DEFAULT_LIMITS = {
    ("calls", "kind", "llm", "period"): (50, 500, 3000, None),
    ("calls", "provider", "gemini", "period"): (50, 1000, 5000, None),
    ("calls", "provider", "openai", "period"): (0, 500, 2500, None),
    ("calls", "provider", "anthropic", "period"): (0, 200, 1000, None),
    ("calls", "provider", "mistral", "period"): (0, 500, 2500, None),
    ("calls", "provider", "tavily", "period"): (10, 200, 1000, None),
    ("calls", "provider", "serper", "period"): (10, 200, 1000, None),
    ("calls", "provider", "metaphor", "period"): (10, 100, 500, None),
    ("calls", "provider", "firecrawl", "period"): (0, 100, 500, None),
    ("images", "provider", "stability", "period"): (10, 25, 100, None),
    ("calls", "request_type", "image_edit", "period"): (5, 25, 100, None),
    ("calls", "request_type", "video", "period"): (2, 10, 30, None),
    ("calls", "request_type", "audio", "period"): (10, 100, 100, None),
    ("tokens", "provider", "gemini", "period"): (50_000, 100_000, 5_000_000, None),
    ("tokens", "provider", "openai", "period"): (0, 100_000, 2_500_000, None),
    ("tokens", "provider", "anthropic", "period"): (0, 100_000, 1_000_000, None),
    ("tokens", "provider", "mistral", "period"): (0, 100_000, 2_500_000, None),
}
GATEWAY_LIMITS = {
    ("cost", "everything", "", "request"): ("0.01", "0.02", "0.05", "0.10"),
    ("calls", "everything", "", "minute"): (10, 30, 100, 500),
    ("calls", "everything", "", "hour"): (100, 500, 2000, 10_000),
    ("calls", "everything", "", "concurrent"): (2, 5, 20, 100),
    ("calls", "everything", "", "second"): ("-", "-", 50, "-"),
    ("calls", "request_type", "ai_inference", "period"): (500, 5000, 50_000, 500_000),
    ("calls", "request_type", "ai_streaming", "period"): (100, 1000, 10_000, 100_000),
    ("calls", "request_type", "ai_batch", "period"): (50, 500, 5000, 50_000),
    ("calls", "request_type", "smart_inference", "period"): (0, 1000, 10_000, 100_000),
    ("calls", "request_type", "model_optimization", "period"): (0, 0, 1000, 10_000),
    ("calls", "request_type", "batch_job", "period"): (0, 0, 500, 5000),
    ("calls", "request_type", "fine_tune", "period"): (0, 0, 10, 100),
    ("calls", "request_type", "ab_test", "period"): (0, 0, 50, 500),
}
# USD a request, and an hour.
SURCHARGES = {
    "smart_inference": ("0.005", "0"),
    "model_optimization": ("0.01", "0"),
    "batch_job": ("0.002", "0"),
    "fine_tune": ("0", "0.02"),
    "ab_test": ("0.008", "0"),
    "realtime_collaboration": ("0.001", "0"),
}
FEATURES = {
    "free": ["basic_content_generation", "limited_research"],
    "basic": ["full_content_generation", "advanced_research", "basic_analytics", "all_tools_access"],
    "pro": ["unlimited_content_generation", "premium_research", "advanced_analytics", "priority_support"],
    "enterprise": ["unlimited_everything", "white_label", "dedicated_support", "custom_integrations"],
}

# What a limit counts and over which window.
What = tuple[str, str, str, str]


def plans_of(name: str) -> dict[str, CatalogPlan]:
    return {plan.key: plan for plan in catalog_file.read(name).plans}


def amount_of(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def column(table: dict[What, tuple[object, ...]], position: int) -> dict[What, Decimal | None]:
    """The limits of one plan in a table."""
    return {what: amount_of(amounts[position]) for what, amounts in table.items() if amounts[position] != "-"}


def limits_of(plan: CatalogPlan) -> dict[What, Decimal | None]:
    _, limits, _ = plan.rows()
    assert {limit.mode for limit in limits} == {LimitMode.BLOCK}
    return {(limit.measure, limit.scope, limit.scope_value, limit.window): limit.amount for limit in limits}


@pytest.mark.parametrize(
    ("name", "table", "keys"), [("default", DEFAULT_LIMITS, DEFAULT), ("gateway", GATEWAY_LIMITS, GATEWAY)]
)
def test_every_plan_has_the_limits_of_the_table_and_no_others(
    name: str, table: dict[What, tuple[object, ...]], keys: tuple[str, ...]
) -> None:
    found = {key: limits_of(plan) for key, plan in plans_of(name).items()}

    assert found == {key: column(table, position) for position, key in enumerate(keys)}


@pytest.mark.parametrize(
    ("name", "keys", "prices"),
    [("default", DEFAULT, ("0", "29", "79", "199")), ("gateway", GATEWAY, ("0", "49", "199", "999"))],
)
def test_a_year_costs_ten_months(name: str, keys: tuple[str, ...], prices: tuple[str, ...]) -> None:
    found = {key: plan.terms() for key, plan in plans_of(name).items()}

    assert {key: terms["price_monthly"] for key, terms in found.items()} == dict(
        zip(keys, map(Decimal, prices), strict=True)
    )
    assert all(terms["price_yearly"] == 10 * terms["price_monthly"] for terms in found.values())


@pytest.mark.parametrize(("key", "included"), list(zip(DEFAULT, ("2", "25", "150", "500"), strict=True)))
def test_the_default_plans_refuse_what_goes_beyond_the_included_usage(key: str, included: str) -> None:
    terms = plans_of("default")[key].terms()

    assert (terms["included_usage"], terms["overage_policy"]) == (Decimal(included), "block")
    assert terms["alert_thresholds"] == [80, 90, 100]
    assert terms["features"] == FEATURES[key]


@pytest.mark.parametrize(
    ("key", "included", "policy", "most"),
    [
        ("gateway-community", "5", "block", None),
        ("gateway-starter", "25", "bill", "50"),
        ("gateway-professional", "250", "bill", "500"),
        ("gateway-enterprise", "2500", "bill", "5000"),
    ],
)
def test_the_gateways_plans_bill_what_goes_beyond_the_budget_up_to_a_maximum(
    key: str, included: str, policy: str, most: str | None
) -> None:
    terms = plans_of("gateway")[key].terms()

    assert (terms["included_usage"], terms["overage_policy"]) == (Decimal(included), policy)
    assert terms["max_monthly_cost"] == amount_of(most)
    assert terms["alert_thresholds"] == [50, 80, 95]


@pytest.mark.parametrize("key", GATEWAY)
def test_the_gateways_surcharges_are_those_of_the_table(key: str) -> None:
    found = plans_of("gateway")[key].surcharge_columns()

    assert {each["request_type"]: (each["per_request"], each["per_hour"]) for each in found} == {
        request_type: (Decimal(request), Decimal(hour))
        for request_type, (request, hour) in SURCHARGES.items()
    }


def test_the_default_catalog_has_no_surcharges() -> None:
    assert not any(plan.surcharges for plan in plans_of("default").values())


@pytest.mark.parametrize(("name", "keys"), [("default", DEFAULT), ("gateway", GATEWAY)])
def test_the_smallest_plan_is_the_default_and_the_tiers_ascend(name: str, keys: tuple[str, ...]) -> None:
    plans = plans_of(name)

    assert [plan.key for plan in plans.values() if plan.default] == [keys[0]]
    assert [(plan.tier, plan.position) for plan in plans.values()] == [
        ("free", 10),
        ("basic", 20),
        ("pro", 30),
        ("enterprise", 40),
    ]
