"""GET /api/subscription/status/{user_id}"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from subscriptions import lifecycle
from tests.support.authorizing import a_limit, ask
from tests.support.cast import NOW
from tests.support.credentials import a_key
from tests.support.posting import look
from tests.support.recording import prepare
from tests.support.subscribing import TESTS, a_plan, subscribe
from usage.core.errors import UsageLimitExceededException
from usage.models import Account

STATUS = "/api/subscription/status/acme"
CALLS = a_limit(10, scope="provider", value="openai", name="openai_calls")
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get()


def shown() -> Any:
    return look(STATUS, key=a_key().plain).data


def refusal() -> str:
    """What an authorization is told; empty when it is granted."""
    try:
        ask()
    except UsageLimitExceededException as refused:
        return refused.message
    return ""


def test_a_subscription_that_runs_may_call() -> None:
    subscribe(a_plan("team", CALLS))

    data = shown()

    limits, states = data.pop("limits"), data.pop("limit_states")
    assert data == {"active": True, "plan": "Team", "tier": "basic", "can_use_api": True, "reason": ""}
    assert (limits["openai_calls"], states["openai_calls"]) == (10, "capped")


def test_an_account_without_a_subscription_may_call_as_an_authorization_says() -> None:
    data = shown()

    assert (data["active"], data["plan"], data["tier"]) == (False, "No plan", "free")
    assert (data["can_use_api"], data["reason"]) == (True, "")
    assert refusal() == ""


def test_a_payment_that_is_late_stops_no_call() -> None:
    lifecycle.payment_failed(subscribe(a_plan()), at=NOW, by=TESTS)

    data = shown()

    assert (data["active"], data["can_use_api"], data["reason"]) == (True, True, "")
    assert refusal() == ""


@pytest.mark.parametrize("ending", ["paused", "paused_until", "canceled", "expired"])
def test_a_state_that_allows_no_calls_is_told_in_the_words_of_the_refusal(ending: str) -> None:
    subscription = subscribe(a_plan(trial_days=14))
    match ending:
        case "paused":
            lifecycle.pause(subscription, at=NOW, by=TESTS)
        case "paused_until":
            resumes_at = NOW + timedelta(days=2)
            lifecycle.pause(subscription, at=NOW, by=TESTS, resumes_at=resumes_at, automatic=True)
        case "canceled":
            lifecycle.cancel(subscription, at=NOW, by=TESTS, at_term_end=False)
        case "expired":
            lifecycle.expire(subscription, at=NOW, by=TESTS)

    data = shown()

    assert (data["active"], data["can_use_api"]) == (False, False)
    assert data["reason"] == refusal() != ""


def test_a_pause_by_staff_is_told_first(acme: Account) -> None:
    lifecycle.pause(subscribe(a_plan()), at=NOW, by=TESTS)
    Account.objects.update(paused_reason="The last invoice is unpaid.")

    data = shown()

    assert data["reason"] == refusal() == "The account is paused: The last invoice is unpaid."
    assert data["can_use_api"] is False


def test_staff_pausing_the_account_leave_its_subscription_active() -> None:
    subscribe(a_plan())
    Account.objects.update(paused_reason="The last invoice is unpaid.")

    data = shown()

    assert (data["active"], data["can_use_api"]) == (True, False)


def test_it_takes_few_queries(acme: Account, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    subscribe(a_plan("team", CALLS))
    key = a_key(acme).plain
    look(STATUS, key=key)

    # The key, the subscription with its plan, the limits.
    with django_assert_num_queries(3):
        assert look(STATUS, key=key).status == 200
