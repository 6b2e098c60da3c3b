"""A customer's way through the plans, over HTTP and the clock alone."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from subscriptions.tasks import renew_subscriptions
from tests.support.cast import NOW
from tests.support.credentials import a_key
from tests.support.paying import a_card
from tests.support.posting import Posted, look, post
from tests.support.recording import prepare
from tests.support.subscribing import load_catalog
from usage.core.calendar import months_after
from usage.models import Account, Scope

SUBSCRIPTION = "/api/subscription"
CALL = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "max_output_tokens": 100}
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        prepare()
        a_card(Account.objects.get())
        load_catalog()
        yield traveller


@pytest.fixture
def key() -> str:
    return a_key(Account.objects.get(), scopes=(Scope.INGEST, Scope.READ, Scope.ADMIN)).plain


def told(path: str, key: str) -> Any:
    return look(f"{SUBSCRIPTION}/{path}", key=key).data


def choose(name: str, key: str) -> Any:
    ids = {plan["name"]: plan["id"] for plan in told("plans", key)["plans"]}
    chosen = {"plan_id": ids[name], "billing_cycle": "monthly"}
    return post(f"{SUBSCRIPTION}/subscribe/acme", chosen, key=key).data


def ask_to_call(key: str) -> Posted:
    return post("/api/usage/authorizations", {"operations": [CALL]}, key=key)


def allowed(key: str) -> tuple[Any, ...]:
    """The plan that usage statistics tell, what it allows of OpenAI, and what asking to call is answered."""
    limits = told("usage/acme", key)["limits"]
    named = (limits["limits"]["openai_calls"], limits["limit_states"]["openai_calls"])
    return (limits["plan_name"], *named, ask_to_call(key).status)


def test_limits_follow_every_change_of_plan_at_its_moment(key: str, clock: time_machine.Traveller) -> None:
    assert allowed(key) == ("No plan", 0, "unlimited", 201)

    choose("Free", key)
    assert allowed(key) == ("Free", 0, "none", 402)

    choose("Pro", key)
    assert allowed(key) == ("Pro", 2500, "capped", 201)

    lowered = choose("Free", key)
    assert (lowered["plan"], lowered["pending_change"]["plan"]) == ("Pro", "Free")
    assert allowed(key) == ("Pro", 2500, "capped", 201)
    status = told("status/acme", key)
    assert (status["active"], status["plan"], status["can_use_api"], status["reason"]) == (
        True,
        "Pro",
        True,
        "",
    )

    clock.move_to(datetime.fromisoformat(lowered["period"]["end"]))
    renew_subscriptions()

    assert allowed(key) == ("Free", 0, "none", 402)
    now = told("user/acme/subscription", key)
    assert (now["plan"], now["pending_change"], now["renewal_count"]) == ("Free", None, 1)
    assert now["period"]["end"] == f"{months_after(NOW, 2):%Y-%m-%dT%H:%M:%SZ}"


def test_the_history_tells_what_each_change_costs(key: str, clock: time_machine.Traveller) -> None:
    choose("Free", key)
    choose("Pro", key)
    end = choose("Free", key)["period"]["end"]
    clock.move_to(datetime.fromisoformat(end))
    renew_subscriptions()

    renewals = told("renewal-history/acme", key)["renewals"]

    assert [(each["renewal_type"], each["plan_name"], each["payment_amount"]) for each in renewals] == [
        ("downgrade", "Free", 0),
        ("upgrade", "Pro", 79),
        ("new", "Free", 0),
    ]


def test_what_was_used_before_an_upgrade_still_counts_after_it(key: str) -> None:
    choose("Basic", key)
    for number in range(3):
        call = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
        quantities = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}
        event = {"id": f"e{number}", "source": "scenario", "data": {**call, **quantities}}
        assert post("/api/usage/events", event, key=key).status == 200

    choose("Pro", key)

    granted = ask_to_call(key).body["decision"]
    (calls,) = [limit for limit in granted["limits"] if limit["name"] == "openai_calls"]
    assert (Decimal(calls["limit"]), Decimal(calls["used"])) == (2500, 3)
