"""Faults strike as asked, and are seen by the official library as its own errors."""

import time
from typing import Any

import httpx
import pytest
import stripe

from subscriptions.stripe.simulator.server import Simulator
from tests.support.stripe_simulator import a_customer, an_open_invoice, refused, v1

CREATE = {"method": "POST", "path": "/v1/customers"}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("error_500", stripe.APIError),
        ("rate_limited_429", stripe.RateLimitError),
        ("timeout_before", stripe.APIConnectionError),
        ("connection_reset", stripe.APIConnectionError),
    ],
)
def test_a_fault_before_the_call_leaves_nothing(
    simulator: Simulator, api: Any, kind: str, error: type[stripe.StripeError]
) -> None:
    simulator.faults.add(**CREATE, kind=kind)

    with refused(error):
        api.customers.create({})

    assert api.customers.list().data == []


def test_a_fault_after_the_commit_leaves_the_effect(simulator: Simulator, api: Any) -> None:
    simulator.faults.add(**CREATE, kind="timeout_after_commit")

    with refused(stripe.APIConnectionError):
        api.customers.create({"name": "Ada"})

    assert [customer.name for customer in api.customers.list().data] == ["Ada"]


def test_a_retry_with_the_key_finds_the_effect(simulator: Simulator) -> None:
    simulator.faults.add(**CREATE, kind="timeout_after_commit")

    made = v1(simulator, retries=1).customers.create({"name": "Ada"})

    assert made.last_response.headers["Idempotent-Replayed"] == "true"


def test_an_answer_can_be_held_back(simulator: Simulator, api: Any) -> None:
    simulator.faults.add(**CREATE, kind="timeout_after_commit", hold_s=0.2)
    started = time.monotonic()

    with refused(stripe.APIConnectionError):
        api.customers.create({})

    assert time.monotonic() - started >= 0.2


def test_a_fault_strikes_as_often_as_asked(simulator: Simulator, api: Any) -> None:
    simulator.faults.add(**CREATE, kind="error_500", times=2)

    for _ in range(2):
        with refused(stripe.APIError):
            api.customers.create({})

    assert api.customers.create({}).id


def test_a_fault_lets_calls_pass_first(simulator: Simulator, api: Any) -> None:
    simulator.faults.add(**CREATE, kind="error_500", skip=1)
    api.customers.create({})

    with refused(stripe.APIError):
        api.customers.create({})


def test_a_fault_strikes_its_path_and_method_only(simulator: Simulator, api: Any) -> None:
    simulator.faults.add(method="POST", path=r"/v1/invoices/.*/pay", kind="error_500")
    invoice = an_open_invoice(api, a_customer(api))

    with refused(stripe.APIError):
        api.invoices.pay(invoice.id)

    assert api.invoices.retrieve(invoice.id).attempt_count == 0


def test_faults_are_set_and_cleared_over_http(simulator: Simulator, api: Any) -> None:
    address = f"{simulator.url}/_simulator/faults"
    made = httpx.post(address, json={**CREATE, "kind": "error_500", "times": 3}).json()

    (listed,) = httpx.get(address).json()["faults"]
    httpx.delete(address)

    assert (listed["id"], listed["times"]) == (made["id"], 3)
    assert api.customers.create({}).id


@pytest.mark.parametrize(
    "asked",
    [
        {**CREATE, "kind": "fire"},
        {**CREATE, "kind": "error_500", "times": 0},
        {"method": "POST", "path": "(", "kind": "error_500"},
        {"kind": "error_500"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(simulator: Simulator, asked: dict[str, Any]) -> None:
    answer = httpx.post(f"{simulator.url}/_simulator/faults", json=asked)

    assert answer.status_code == 400


def test_a_web_page_cannot_set_a_fault(simulator: Simulator) -> None:
    answer = httpx.post(f"{simulator.url}/_simulator/faults", data={"kind": "error_500"})

    assert answer.status_code == 415
