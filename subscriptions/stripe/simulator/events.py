"""What happened, as Stripe tells it: events, and the deliveries to make of them."""

from typing import Any

from subscriptions.stripe.simulator.presenting import shown
from subscriptions.stripe.simulator.store import Json, Store
from subscriptions.stripe.simulator.wire import API_VERSION, new_id


def record(
    store: Store, kind: str, *, body: Json, before: Json | None, now: int, request: dict[str, Any]
) -> None:
    """Write the event with the object as it is now, and a delivery for each endpoint that wants it."""
    data: Json = {"object": shown(body)}
    if before is not None:
        data["previous_attributes"] = before
    endpoints = [each for each in store.select("webhook_endpoint", newest_first=False) if _wants(each, kind)]
    event = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": now,
        "data": data,
        "livemode": False,
        "pending_webhooks": len(endpoints),
        "request": request,
        "type": kind,
    }
    store.insert(event)
    for endpoint in endpoints:
        store.execute("INSERT INTO deliveries (event, endpoint) VALUES (?, ?)", (event["id"], endpoint["id"]))


def previous(before: Json, after: Json) -> Json:
    """The fields that changed, as they were."""
    old, new = shown(before), shown(after)
    return {key: old.get(key) for key in {**old, **new} if old.get(key) != new.get(key)}


def _wants(endpoint: Json, kind: str) -> bool:
    wanted = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in wanted or kind in wanted)
