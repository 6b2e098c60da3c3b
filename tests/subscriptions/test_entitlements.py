"""What a subscription and its overrides come to in `usage`: limits, surcharges, suspension."""

from datetime import timedelta
from decimal import Decimal

import pytest

from subscriptions import entitlements, overrides
from subscriptions.models import PlanSurcharge, PlanVersion, UserSubscription
from tests.support.authorizing import a_limit, ask, counters, is_granted, limit
from tests.support.cast import NOW, an_account, an_event
from tests.support.recording import prepare, record
from tests.support.subscribing import (
    MONTHLY,
    TESTS,
    a_plan,
    again,
    limit_amounts,
    load_catalog,
    start,
    subscribe,
    the_plan,
)
from usage import surcharges
from usage.core.errors import InvalidRequest, UsageLimitExceededException
from usage.core.surcharges import SurchargeTerms, terms_at
from usage.limits import LimitTerms
from usage.models import Account, LimitSource

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(hours=1)


def acme() -> Account:
    return Account.objects.get(external_id="acme")


def override(terms: LimitTerms) -> None:
    overrides.add(acme(), terms, reason="Test.", by=TESTS, at=NOW)


def sources() -> dict[str, str]:
    return dict(acme().limits.values_list("name", "source"))


# --- Limits ---


def test_an_account_has_what_its_version_sells() -> None:
    start(a_plan("team", a_limit(10, name="calls"), a_limit(None, "tokens", name="tokens")))

    assert limit_amounts(acme()) == {"calls": 10, "tokens": None, "monthly_cost": None}
    assert set(sources().values()) == {"plan"}


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"included_usage": None}, [("monthly_cost", "block", None)]),
        ({"included_usage": "25"}, [("monthly_cost", "block", 25)]),
        ({"included_usage": "0"}, [("monthly_cost", "block", 0)]),
        ({"included_usage": "25", "overage_policy": "pause"}, [("monthly_cost", "block", 25)]),
        # What it may cost at most says nothing where nothing is billed beyond what is included.
        ({"included_usage": "25", "max_monthly_cost": "50"}, [("monthly_cost", "block", 25)]),
        ({"included_usage": "25", "overage_policy": "bill"}, [("monthly_cost", "bill", 25)]),
        (
            {"included_usage": "25", "overage_policy": "bill", "max_monthly_cost": "50"},
            [("monthly_cost", "bill", 25), ("max_monthly_cost", "block", 50)],
        ),
    ],
)
def test_what_a_period_may_cost_follows_from_the_policy(
    terms: dict[str, str], expected: list[tuple[str, str, int | None]]
) -> None:
    amounts = {
        key: value if key == "overage_policy" else value and Decimal(value) for key, value in terms.items()
    }
    version = a_plan(**amounts).versions.get()

    found = entitlements.limit_terms(version)

    assert [(each.name, each.mode, each.amount) for each in found] == expected


def test_an_override_stands_in_place_of_the_plans_limit_that_counts_the_same() -> None:
    start(a_plan("team", a_limit(10, name="calls"), a_limit(5, name="a_minute", window="minute")))

    override(a_limit(99, name="more"))

    assert limit_amounts(acme()) == {"more": 99, "a_minute": 5, "monthly_cost": None}
    assert sources()["more"] == "override"


@pytest.mark.parametrize(
    "terms",
    [
        a_limit(99, "tokens", name="more"),
        a_limit(99, name="more", window="day"),
        a_limit(99, name="more", scope="provider", value="openai"),
        a_limit(99, name="more", mode="notify"),
    ],
)
def test_an_override_that_counts_something_else_stands_beside_it(terms: LimitTerms) -> None:
    start(a_plan("team", a_limit(10, name="calls")))

    override(terms)

    assert limit_amounts(acme()) == {"calls": 10, "more": 99, "monthly_cost": None}


def test_an_override_holds_without_a_subscription_too() -> None:
    an_account()

    override(a_limit(3, name="calls"))

    assert limit_amounts(acme()) == {"calls": 3}


def test_an_override_survives_a_change_of_plan() -> None:
    start(a_plan("small", a_limit(10, name="calls"), price="1"))
    override(a_limit(99, name="more"))

    subscribe(a_plan("large", a_limit(50, name="calls"), price="60"), account=acme())

    assert limit_amounts(acme()) == {"more": 99, "monthly_cost": None}


def test_a_customers_budget_is_nobody_elses_to_change() -> None:
    start(a_plan("small", a_limit(10, name="calls"), price="1"))
    limit(a_limit(7, name="own"), source=LimitSource.BUDGET)

    subscribe(a_plan("large", a_limit(50, name="calls"), price="60"), account=acme())

    assert limit_amounts(acme()) == {"own": 7, "calls": 50, "monthly_cost": None}


def test_used_counts_survive_a_change_of_plan_and_an_override() -> None:
    prepare()
    start(a_plan("small", a_limit(10, name="calls"), price="1"), account=acme())
    record(an_event("e1"), an_event("e2"))
    ask()

    subscribe(a_plan("large", a_limit(50, name="calls"), price="60"), account=acme())
    assert counters("calls") == (2, 1)
    override(a_limit(3, name="calls"))

    assert counters("calls") == (2, 1)
    assert not is_granted()


def test_a_new_limit_counts_what_the_period_has_seen_since_it_began() -> None:
    prepare()
    record(an_event("before", at=NOW - timedelta(days=1)), at=NOW - timedelta(days=1))
    start(a_plan("small", price="1"), account=acme())
    record(an_event("e1"), at=LATER)

    subscribe(a_plan("large", a_limit(50, name="calls"), price="60"), account=acme(), at=LATER)

    assert counters("calls", at=LATER) == (1, 0)


# --- Surcharges ---


def with_surcharges(key: str, price: str, **amounts: str) -> PlanVersion:
    """A plan's second version, which adds USD a request by request type."""
    plan = a_plan(key, price=price)
    version = PlanVersion.objects.create(plan=plan, number=2, price_monthly=price, price_yearly=price)
    for request_type, amount in amounts.items():
        PlanSurcharge.objects.create(version=version, request_type=request_type, per_request=Decimal(amount))
    PlanVersion.objects.filter(pk=version.pk).update(published_at=NOW - timedelta(days=1))
    return version


def in_force(request_type: str, *, at: object = LATER) -> Decimal:
    return terms_at(surcharges.of_account(acme()), request_type, at=at).per_request  # type: ignore[arg-type]


def test_surcharges_are_those_of_the_version_and_end_with_it() -> None:
    start(with_surcharges("small", "1", smart="0.005", tuned="0.02").plan)
    assert (in_force("smart"), in_force("tuned")) == (Decimal("0.005"), Decimal("0.02"))

    subscribe(with_surcharges("large", "60", tuned="0.03").plan, account=acme(), at=LATER)

    assert (in_force("smart"), in_force("tuned")) == (0, Decimal("0.03"))
    # What happened before carries what was in force then.
    assert in_force("smart", at=NOW) == Decimal("0.005")


def test_an_hourly_surcharge_is_kept_as_that() -> None:
    load_catalog("gateway")
    start(the_plan("gateway-starter"))

    terms = terms_at(surcharges.of_account(acme()), "fine_tune", at=NOW)

    assert terms == SurchargeTerms(Decimal(0), Decimal("0.02"))


# --- Suspension ---


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("trialing", ""),
        ("active", ""),
        ("past_due", ""),
        ("paused", "The subscription is paused: resume it to go on."),
        ("canceled", "The subscription was canceled: choose a plan to go on."),
        ("expired", "The subscription has expired: choose a plan to go on."),
    ],
)
def test_each_state_says_why_it_allows_no_calls(state: str, told: str) -> None:
    prepare()
    subscription = start(a_plan(), account=acme())
    changed = UserSubscription.objects.filter(pk=subscription.pk)
    ended_at = NOW if state in ("canceled", "expired") else None
    changed.update(
        state=state, ended_at=ended_at, trial_ends_at=subscription.term_end,
        paused_from="active" if state == "paused" else "",
    )  # fmt: skip

    entitlements.apply(subscription.account, at=NOW)

    assert acme().suspended_reason == told
    assert is_granted() is (told == "")


def test_a_pause_that_ends_by_itself_by_hand_is_told_as_one_by_hand() -> None:
    subscription = start(a_plan())
    subscription.state, subscription.resumes_at = "paused", LATER

    assert entitlements.suspension(subscription) == "The subscription is paused: resume it to go on."
    subscription.paused_automatically = True
    assert entitlements.suspension(subscription).endswith("is paused until 2026-03-15 13:00 UTC.")


def test_a_suspended_call_is_told_why_and_who_can_help() -> None:
    prepare()
    subscription = start(a_plan(), account=acme())
    UserSubscription.objects.filter(pk=subscription.pk).update(state="canceled", ended_at=NOW)
    entitlements.apply(subscription.account, at=NOW)

    with pytest.raises(UsageLimitExceededException, match="was canceled") as refused:
        ask()

    assert (refused.value.status, refused.value.error_code) == (402, "subscription_inactive")
    assert "choose or resume a plan" in refused.value.hint


# --- What can be sold ---


@pytest.mark.parametrize(("mode", "fine"), [("block", False), ("bill", False), ("notify", True)])
def test_what_a_period_costs_is_limited_by_the_version_and_told_by_a_limit(mode: str, fine: bool) -> None:
    terms = a_limit(5, "cost", name="cost", mode=mode)

    if fine:
        a_plan("team", terms, included_usage=Decimal(9))
    else:
        with pytest.raises(InvalidRequest, match="'cost': what a period may cost is said by included_usage"):
            a_plan("team", terms)


def test_applying_again_changes_nothing() -> None:
    subscription = start(a_plan("team", a_limit(10, name="calls")))
    before = list(acme().limits.values())

    entitlements.apply(subscription.account, at=LATER)

    assert list(acme().limits.values()) == before
    assert again(subscription).cycle is MONTHLY
