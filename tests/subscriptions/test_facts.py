"""What a version sells, in words, and how two versions differ."""

from decimal import Decimal

import pytest

from subscriptions import facts
from subscriptions.facts import Difference
from subscriptions.models import PlanLimit, PlanSurcharge, PlanVersion
from tests.support.authorizing import a_limit
from tests.support.subscribing import a_plan, a_version, columns
from usage.limits import LimitTerms


def sentence(terms: LimitTerms) -> str:
    return facts.limit_sentence(PlanLimit(**columns(terms)))


def facts_of(*limits: LimitTerms, surcharges: tuple[PlanSurcharge, ...] = (), **terms: object) -> facts.Facts:
    version = PlanVersion(**{"price_monthly": Decimal(30), "price_yearly": Decimal(300), **terms})
    return facts.of_parts(version, [PlanLimit(**columns(each)) for each in limits], surcharges)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (a_limit(50), "50 calls a billing period, then refused"),
        (a_limit(50, window="second"), "50 calls a second, then refused"),
        (a_limit(50, window="minute", mode="notify"), "50 calls a minute, then people are told"),
        (a_limit(2, window="concurrent"), "2 calls at the same time, then refused"),
        (a_limit("0.05", "cost", "request"), "0.05 USD in one request, then refused"),
        (a_limit("25", "cost", mode="bill"), "25 USD a billing period, then billed as overage"),
        (
            a_limit(5000, scope="provider", value="gemini"),
            "5000 calls of gemini a billing period, then refused",
        ),
        (
            a_limit(9, "tokens", "day", scope="request_type", value="fine_tune"),
            "9 tokens of request type fine_tune a day, then refused",
        ),
        (
            a_limit(9, "images", scope="kind", value="image"),
            "9 images of kind image a billing period, then refused",
        ),
        (a_limit(None, "tokens", "hour"), "unlimited tokens an hour"),
        (a_limit(0), "no calls: not included"),
        (a_limit(0, "cost", mode="bill"), "0 USD a billing period, then billed as overage"),
    ],
)
def test_a_limit_reads_as_a_sentence(terms: LimitTerms, said: str) -> None:
    assert sentence(terms) == said


def test_everything_a_plain_version_sells() -> None:
    assert facts_of(a_limit(10, name="calls")) == {
        "price a month": "30 USD",
        "price a year": "300 USD",
        "trial": "none",
        "included usage": "all usage",
        "beyond what is included": "refused",
        "alerts at": "80 %, 90 %, 100 %",
        "features": "none",
        "description": "",
        "limit calls": "10 calls a billing period, then refused",
    }


@pytest.mark.parametrize(
    ("terms", "name", "said"),
    [
        ({"trial_days": 14}, "trial", "14 days, then paid"),
        ({"trial_days": 14, "trial_converts": False}, "trial", "14 days, then it expires"),
        ({"included_usage": Decimal("2.50")}, "included usage", "2.5 USD"),
        ({"overage_policy": "pause"}, "beyond what is included", "paused until the next period"),
        (
            {"overage_policy": "bill", "overage_markup_percent": Decimal("12.5")},
            "beyond what is included",
            "billed with 12.5 % markup, up to any amount",
        ),
        (
            {"overage_policy": "bill", "max_monthly_cost": Decimal(50), "overage_markup_percent": Decimal(0)},
            "beyond what is included",
            "billed with 0 % markup, up to 50 USD",
        ),
        ({"alert_thresholds": []}, "alerts at", "none"),
        ({"features": ["a", "b"]}, "features", "a, b"),
        ({"description": "For all."}, "description", "For all."),
    ],
)
def test_a_term_reads_as_a_fact(terms: dict[str, object], name: str, said: str) -> None:
    assert facts_of(**terms)[name] == said


@pytest.mark.parametrize(
    ("per_request", "per_hour", "said"),
    [
        ("0.005", "0", "0.005 USD a request"),
        ("0", "0.02", "0.02 USD an hour"),
        ("0.005", "0.02", "0.005 USD a request and 0.02 USD an hour"),
        ("0", "0", "none"),
    ],
)
def test_a_surcharge_reads_as_a_fact(per_request: str, per_hour: str, said: str) -> None:
    surcharge = PlanSurcharge(
        request_type="tuned", per_request=Decimal(per_request), per_hour=Decimal(per_hour)
    )

    assert facts_of(surcharges=(surcharge,))["surcharge tuned"] == said


def test_a_limit_that_bills_stands_beside_the_one_that_refuses() -> None:
    found = facts_of(a_limit(10, name="calls"), a_limit(5, name="calls", mode="bill"))

    assert found["limit calls"] == "10 calls a billing period, then refused"
    assert found["limit calls (bill)"] == "5 calls a billing period, then billed as overage"


def test_two_limits_of_one_name_are_both_told() -> None:
    found = facts_of(a_limit(10, name="rate", window="minute"), a_limit(99, name="rate", window="hour"))

    assert found["limit rate"] == "10 calls a minute, then refused; 99 calls an hour, then refused"


def test_the_same_has_no_differences() -> None:
    assert facts.differences(facts_of(a_limit(10)), facts_of(a_limit(10))) == []


def test_what_is_new_changed_and_gone_is_told_in_that_order_of_the_later_one() -> None:
    before = facts_of(a_limit(10, name="calls"), a_limit(1, name="old"))
    after = facts_of(a_limit(20, name="calls"), a_limit(2, name="new"), price_monthly=Decimal(40))

    found = facts.differences(before, after)

    assert [str(each) for each in found] == [
        "price a month: 30 USD → 40 USD",
        "limit calls: 10 calls a billing period, then refused → 20 calls a billing period, then refused",
        "limit new: none → 2 calls a billing period, then refused",
        "limit old: 1 calls a billing period, then refused → none",
    ]
    assert found[0] == Difference("price a month", "30 USD", "40 USD")


@pytest.mark.django_db
def test_the_facts_of_a_stored_version_are_those_of_its_parts() -> None:
    plan = a_plan("team", a_limit(10, name="calls"))
    first, second = plan.versions.get(), a_version(plan, a_limit(11, name="calls"))

    assert facts.of_version(first) == facts_of(a_limit(10, name="calls"))
    assert [each.name for each in facts.differences(facts.of_version(first), facts.of_version(second))] == [
        "limit calls"
    ]
