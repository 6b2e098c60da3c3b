"""Events to read, and the endpoints they are sent to."""

from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.listing import page
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json, Store
from subscriptions.stripe.simulator.wire import API_VERSION, check_url, new_id, new_token

SECRET_LENGTH = 32
CONSTRUCTED_ID = "we_simulator"


def retrieve_event(call: Call) -> Json:
    return call.at_path("event")


def list_events(call: Call) -> Json:
    wanted = call.params.get("types") or call.params.get("type")
    matching = {"type": wanted}
    if "delivery_success" in call.params:
        matching["pending_webhooks"] = 0 if call.params["delivery_success"] else {"gt": 0}
    return page(call, "event", url="/v1/events", matching=matching)


def create_endpoint(call: Call) -> Json:
    """The secret is told once, in this answer."""
    check_url(call.params["url"], param="url")
    secret = f"whsec_{new_token(SECRET_LENGTH)}"
    body = _endpoint(
        new_id("we"),
        url=call.params["url"],
        secret=secret,
        now=call.now,
        enabled_events=call.params["enabled_events"],
    )
    body |= {"metadata": call.with_metadata({}), "description": call.params.get("description")}
    return {**call.make(body), "secret": secret}


def keep_constructed(store: Store, *, url: str | None, secret: str, now: int) -> None:
    """The endpoint the simulator was started with, instead of the one of an earlier start."""
    store.delete(CONSTRUCTED_ID)
    if url:
        store.insert(_endpoint(CONSTRUCTED_ID, url=url, secret=secret, now=now, enabled_events=["*"]))


def _endpoint(endpoint_id: str, *, url: str, secret: str, now: int, enabled_events: list[str]) -> Json:
    return {
        "id": endpoint_id,
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": None,
        "created": now,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secret": secret,
    }


def retrieve_endpoint(call: Call) -> Json:
    return call.at_path("webhook_endpoint")


def update_endpoint(call: Call) -> Json:
    endpoint = call.at_path("webhook_endpoint")
    changes: Json = {"metadata": call.with_metadata(endpoint)}
    for name in ("url", "enabled_events", "description"):
        if name in call.params:
            changes[name] = call.params[name]
    check_url(changes.get("url"), param="url")
    if "disabled" in call.params:
        changes["status"] = "disabled" if call.params["disabled"] else "enabled"
    return call.change(endpoint, **changes)


def delete_endpoint(call: Call) -> Json:
    endpoint = call.at_path("webhook_endpoint")
    call.store.delete(endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def list_endpoints(call: Call) -> Json:
    return page(call, "webhook_endpoint", url="/v1/webhook_endpoints")


ROUTES = [
    Route("GET", "/v1/events", "EventListParams", list_events),
    Route("GET", "/v1/events/*", "EventRetrieveParams", retrieve_event),
    Route("POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams", create_endpoint),
    Route("GET", "/v1/webhook_endpoints", "WebhookEndpointListParams", list_endpoints),
    Route("GET", "/v1/webhook_endpoints/*", "WebhookEndpointRetrieveParams", retrieve_endpoint),
    Route("POST", "/v1/webhook_endpoints/*", "WebhookEndpointUpdateParams", update_endpoint),
    Route("DELETE", "/v1/webhook_endpoints/*", "WebhookEndpointDeleteParams", delete_endpoint),
]
