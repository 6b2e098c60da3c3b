"""Billing portal sessions: a page on which a customer keeps the cards and reads the invoices."""

from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, check_url, new_id

FLOWS = ("payment_method_update",)


def create(call: Call) -> Json:
    params = call.params
    if not params.get("customer"):
        raise ApiError("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = call.get("customer", params["customer"], param="customer")
    check_url(params.get("return_url"), param="return_url")
    session_id = new_id("bps")
    session = {
        "id": session_id,
        "object": "billing_portal.session",
        "configuration": "bpc_simulator",
        "created": call.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": _flow(call),
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url"),
        "url": f"{call.base_url}/portal/{session_id}",
    }
    return call.make(session, event="billing_portal.session.created")


def _flow(call: Call) -> Json | None:
    given = call.params.get("flow_data")
    if not given:
        return None
    if given["type"] not in FLOWS:
        raise ApiError(f"The Stripe simulator knows the flows {', '.join(FLOWS)}", param="flow_data[type]")
    after = given.get("after_completion", {"type": "portal_homepage"})
    redirect = after.get("redirect")
    if redirect:
        check_url(redirect["return_url"], param="flow_data[after_completion][redirect][return_url]")
    return {
        "type": given["type"],
        "after_completion": {"hosted_confirmation": None, "redirect": None, **after},
        "subscription_cancel": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
    }


ROUTES = [Route("POST", "/v1/billing_portal/sessions", "billing_portal.SessionCreateParams", create)]
