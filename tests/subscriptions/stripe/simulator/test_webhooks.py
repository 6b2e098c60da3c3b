"""Webhooks: signed, repeated until accepted, and as disorderly as asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from subscriptions.stripe.simulator.server import Simulator
from tests.support.processes import wait_until
from tests.support.stripe_simulator import PATIENCE_S, SECRET, Listener, event_types, refused, v1


@pytest.fixture
def simulator(tmp_path: Path, listener: Listener) -> Iterator[Simulator]:
    """Sends everything to the listener."""
    running = Simulator(path=tmp_path / "stripe.sqlite3", webhook_url=listener.url, retry_delay_s=0.02)
    running.start()
    yield running
    running.stop()


def names(listener: Listener) -> list[str]:
    return [event.data.object.name for event in listener.events()]


def test_an_event_is_delivered_and_verified(api: Any, listener: Listener) -> None:
    customer = api.customers.create({"name": "Ada"})

    listener.wait_for(1)

    (event,) = listener.events()
    assert (event.type, event.data.object.id) == ("customer.created", customer.id)
    assert (event.api_version, event.livemode) == (stripe.api_version, False)


def test_another_secret_does_not_verify(api: Any, listener: Listener) -> None:
    api.customers.create({})
    listener.wait_for(1)
    body, signed = listener.payloads[0]

    with refused(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signed, "whsec_other")
    with refused(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body.replace("Ada", "Eve") + " ", signed, SECRET)


def test_an_event_comes_again_until_it_is_accepted(
    simulator: Simulator, api: Any, listener: Listener
) -> None:
    listener.status = 500
    api.customers.create({})
    listener.wait_for(2)
    assert simulator.webhooks.waiting() == 1

    listener.status = 204

    assert wait_until(lambda: simulator.webhooks.waiting() == 0, seconds=PATIENCE_S)
    assert len({event.id for event in listener.events()}) == 1


def test_pending_webhooks_are_counted_down(simulator: Simulator, api: Any, listener: Listener) -> None:
    api.customers.create({})

    assert wait_until(lambda: simulator.webhooks.waiting() == 0, seconds=PATIENCE_S)
    assert api.events.list({"delivery_success": True}).data[0].pending_webhooks == 0


def test_deliveries_can_be_doubled(simulator: Simulator, api: Any, listener: Listener) -> None:
    simulator.webhooks.set(duplicate=True)
    api.customers.create({})

    listener.wait_for(2)

    assert len({event.id for event in listener.events()}) == 1


def test_held_deliveries_wait_for_a_flush(simulator: Simulator, api: Any, listener: Listener) -> None:
    simulator.webhooks.set(hold=True)
    for name in ("one", "two"):
        api.customers.create({"name": name})
    assert listener.payloads == []

    assert simulator.webhooks.flush() == 2

    assert names(listener) == ["one", "two"]


def test_deliveries_can_be_shuffled_the_same_way_each_time(
    simulator: Simulator, api: Any, listener: Listener
) -> None:
    simulator.webhooks.set(hold=True, shuffle_seed=1)
    for name in ("one", "two", "three", "four"):
        api.customers.create({"name": name})

    simulator.webhooks.flush()

    assert names(listener) == ["four", "one", "three", "two"]


def test_deliveries_can_be_late(simulator: Simulator, api: Any, listener: Listener) -> None:
    simulator.webhooks.set(delay_s=60)
    api.customers.create({})
    assert simulator.webhooks.waiting() == 1

    assert simulator.webhooks.flush() == 1


def test_switches_are_thrown_over_http(simulator: Simulator, api: Any, listener: Listener) -> None:
    address = f"{simulator.url}/_simulator/webhooks"
    httpx.post(address, json={"hold": True, "duplicate": True}).raise_for_status()
    api.customers.create({})
    held = httpx.get(address).json()

    flushed = httpx.post(address, json={"flush": True}).json()

    assert (held["hold"], held["duplicate"], held["waiting"]) == (True, True, 1)
    assert (flushed["accepted"], flushed["hold"], len(listener.payloads)) == (1, True, 2)


def test_an_endpoint_gets_the_events_it_wants(simulator: Simulator, api: Any, listener: Listener) -> None:
    simulator.webhooks.set(hold=True)
    endpoint = api.webhook_endpoints.create({"url": listener.url, "enabled_events": ["customer.deleted"]})
    customer = api.customers.create({})
    api.customers.delete(customer.id)

    simulator.webhooks.flush()

    body, signed = listener.payloads[-1]
    assert len(listener.payloads) == 3
    assert stripe.Webhook.construct_event(body, signed, endpoint.secret).type == "customer.deleted"
    assert "secret" not in api.webhook_endpoints.retrieve(endpoint.id)


def test_a_deleted_endpoint_gets_nothing_more(simulator: Simulator, api: Any, listener: Listener) -> None:
    simulator.webhooks.set(hold=True)
    endpoint = api.webhook_endpoints.create({"url": listener.url, "enabled_events": ["*"]})
    api.customers.create({})

    api.webhook_endpoints.delete(endpoint.id)

    assert simulator.webhooks.flush() == 1
    assert simulator.webhooks.waiting() == 0


def test_a_refused_call_has_no_event(api: Any, listener: Listener) -> None:
    with refused():
        api.customers.create({"payment_method": "pm_nothing"})

    assert event_types(api) == []


def test_events_are_found_by_type(api: Any) -> None:
    customer = api.customers.create({})
    api.customers.update(customer.id, {"name": "Ada"})

    found = api.events.list({"types": ["customer.updated", "customer.deleted"]}).data

    assert [event.type for event in found] == ["customer.updated"]
    assert api.events.retrieve(found[0].id).data.object.name == "Ada"


def test_what_waited_is_delivered_after_a_restart(simulator: Simulator, api: Any, listener: Listener) -> None:
    listener.status = 500
    customer = api.customers.create({"name": "Ada"})
    listener.wait_for(1)
    simulator.stop()
    listener.status = 200
    before = len(listener.payloads)

    simulator.start()

    listener.wait_for(before + 1)
    assert listener.events()[-1].data.object.id == customer.id
    assert v1(simulator).customers.retrieve(customer.id).name == "Ada"
