"""GET /api/subscription/user/{user_id}/subscription and GET /api/billing/subscription"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from subscriptions import changes, credits, lifecycle, overrides
from subscriptions.core.states import State
from subscriptions.models import CreditKind
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.paying import a_card
from tests.support.posting import look
from tests.support.subscribing import MONTHLY, TESTS, YEARLY, a_plan, subscribe
from usage.api.known_limits import LIMIT_NAMES
from usage.core.calendar import months_after
from usage.models import Account

OURS = "/api/subscription/user/acme/subscription"
BILLING = "/api/billing/subscription"
CALLS = a_limit(10, scope="provider", value="openai", name="openai_calls")
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account()


def shown(**options: Any) -> Any:
    return look(OURS, key=a_key(**options).plain).data


def billed() -> Any:
    return look(f"{BILLING}?user_id=acme", key=a_key().plain).body


def test_a_subscription_is_told_with_plan_period_and_limits() -> None:
    plan = a_plan("team", CALLS, features=["research"])
    subscribe(plan)

    data = shown()

    limits, states = data.pop("limits"), data.pop("limit_states")
    assert data == {
        "plan": "Team",
        "plan_id": plan.pk,
        "tier": "basic",
        "status": "active",
        "cycle": "monthly",
        "period": {"start": "2026-03-15T12:00:00Z", "end": "2026-04-15T12:00:00Z"},
        "price": 30,
        "features": ["research"],
        "trial_ends_at": None,
        "cancel_at_period_end": False,
        "pending_change": None,
        "paused": False,
        "resumes_at": None,
        "renewal_count": 0,
        "started_at": "2026-03-15T12:00:00Z",
        "ended_at": None,
    }
    assert (limits["openai_calls"], states["openai_calls"]) == (10, "capped")
    assert states["gemini_calls"] == "unlimited"


def test_an_account_without_a_subscription_has_no_plan_and_no_limits() -> None:
    data = shown()

    assert (data["plan"], data["plan_id"], data["tier"]) == ("No plan", None, "free")
    assert (data["status"], data["cycle"], data["period"], data["price"]) == ("none", None, None, 0)
    assert data["limit_states"] == dict.fromkeys(LIMIT_NAMES, "unlimited")


def test_it_agrees_with_usage_statistics(acme: Account) -> None:
    subscribe(a_plan("team", CALLS, features=["research"]))
    terms = a_limit(4, scope="provider", value="openai", name="openai_calls")
    overrides.add(acme, terms, reason="A tight month.", by=TESTS, at=NOW)

    ours = shown()
    stats = look("/api/subscription/usage/acme", key=a_key().plain).data["limits"]

    assert stats["plan_name"] == ours["plan"]
    for name in ("tier", "features", "limits", "limit_states"):
        assert stats[name] == ours[name]
    assert ours["limits"]["openai_calls"] == 4


def test_a_trial_tells_its_end() -> None:
    subscribe(a_plan(trial_days=14))

    data = shown()

    assert (data["status"], data["trial_ends_at"], data["price"]) == ("trialing", "2026-03-29T12:00:00Z", 0)
    assert data["period"]["end"] == data["trial_ends_at"]


def test_a_change_that_waits_is_told() -> None:
    subscribe(a_plan("large", price="50"), cycle=YEARLY)
    small = a_plan("small", price="10")
    subscribe(small)

    data = shown()

    assert (data["plan"], data["cycle"], data["price"]) == ("Large", "yearly", 500)
    assert data["pending_change"] == {
        "plan_id": small.pk,
        "plan": "Small",
        "cycle": "monthly",
        "takes_effect_at": "2027-03-15T12:00:00Z",
    }


def test_a_cancellation_that_waits_is_told() -> None:
    lifecycle.cancel(subscribe(a_plan()), at=NOW, by=TESTS)

    data = shown()

    assert (data["status"], data["cancel_at_period_end"]) == ("active", True)


def test_a_pause_tells_when_it_ends() -> None:
    lifecycle.pause(subscribe(a_plan()), at=NOW, by=TESTS, resumes_at=NOW + timedelta(days=2))

    data = shown()

    assert (data["status"], data["paused"]) == ("paused", True)
    assert data["resumes_at"] == "2026-03-17T12:00:00Z"


def test_what_has_ended_is_told_as_it_was() -> None:
    lifecycle.cancel(subscribe(a_plan()), at=NOW, by=TESTS, at_term_end=False)

    data = shown()

    assert (data["plan"], data["status"], data["ended_at"]) == ("Team", "canceled", "2026-03-15T12:00:00Z")


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_name(acme: Account, state: State) -> None:
    subscription = subscribe(a_plan(trial_days=14 if state is State.TRIALING else 0))
    match state:
        case State.PAUSED:
            lifecycle.pause(subscription, at=NOW, by=TESTS)
        case State.CANCELED:
            lifecycle.cancel(subscription, at=NOW, by=TESTS, at_term_end=False)
        case State.PAST_DUE | State.EXPIRED:
            lifecycle.payment_failed(subscription, at=NOW, by=TESTS)
            if state is State.EXPIRED:
                lifecycle.expire(subscription, at=NOW, by=TESTS)

    assert shown()["status"] == billed()["status"] == state.value


def test_new_clients_read_the_same_with_exact_money() -> None:
    subscribe(a_plan("team", CALLS, a_limit(0, "images", name="images"), price="29.90"))

    ours, body = shown(), billed()

    assert (body["account"], body["currency"], body["price"]) == ("acme", "USD", "29.9")
    assert body["limits"] == {"openai_calls": "10", "images": "0", "monthly_cost": None}
    told_alike = ours.keys() - {"price", "limits", "limit_states"}
    assert {name: body[name] for name in told_alike} == {name: ours[name] for name in told_alike}


def test_new_clients_are_told_of_no_plan_as_well() -> None:
    body = billed()

    assert (body["plan"], body["status"], body["price"], body["limits"]) == ("No plan", "none", "0", {})


def test_the_period_told_is_the_one_that_runs() -> None:
    small, large = a_plan("small", price="10"), a_plan("large", price="50")
    subscription = subscribe(small)
    changes.change_plan(subscription, plan=large, cycle=YEARLY, at=NOW, by=TESTS)

    assert shown()["period"]["end"] == f"{months_after(NOW, 12):%Y-%m-%dT%H:%M:%SZ}"
    assert subscription.cycle is MONTHLY


def test_it_takes_few_queries(acme: Account, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    subscribe(a_plan("team", CALLS))
    key = a_key(acme).plain
    look(OURS, key=key)

    # The key, the subscription with its plan, the limits; for BILLING also the card, the credits, and eight
    # for what the next invoice is made of.
    for address, queries in ((OURS, 3), (BILLING, 13)):
        with django_assert_num_queries(queries):
            assert look(address, key=key).status == 200


def test_it_tells_how_it_is_paid(acme: Account) -> None:
    subscribe(a_plan())
    a_card(acme)
    credits.grant(acme, kind=CreditKind.PREPAID, amount=Decimal(10), reason="Paid.", at=NOW, by=TESTS)

    body = billed()

    assert body["card"] == {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2040}
    assert body["credit_balance"] == "10"
    # The fee of the first term, which no invoice has yet, and of the next.
    assert body["next_invoice"] == {
        "due_from": "2026-04-15T12:00:00Z",
        "total": "60",
        "credit_applied": "10",
        "amount_due": "50",
    }


def test_without_a_card_or_a_subscription_it_tells_that() -> None:
    body = billed()

    assert (body["card"], body["credit_balance"], body["next_invoice"]) == (None, "0", None)
