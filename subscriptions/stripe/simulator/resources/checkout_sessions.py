"""Checkout sessions: a page on which somebody saves a card or pays once."""

from typing import Any

from subscriptions.stripe.simulator import money
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.invoice_lines import priced
from subscriptions.stripe.simulator.listing import page, page_of
from subscriptions.stripe.simulator.resources import payment_intents, setup_intents
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, check_url, new_id, new_token

SECONDS_PER_HOUR = 3_600
SHORTEST_S = SECONDS_PER_HOUR // 2
LONGEST_S = 24 * SECONDS_PER_HOUR
ID_LENGTH = 58
MODES = ("setup", "payment")


def create(call: Call) -> Json:
    params = call.params
    mode = params.get("mode")
    if mode not in MODES:
        raise ApiError("The Stripe simulator knows the modes setup and payment", param="mode")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise ApiError("The Stripe simulator hosts the page itself", param="ui_mode")
    if (params.get("automatic_tax") or {}).get("enabled"):
        raise ApiError("The Stripe simulator taxes invoices only", param="automatic_tax")
    if params.get("customer_creation") == "always":
        raise ApiError("The Stripe simulator makes no customer of a session", param="customer_creation")
    for name in ("success_url", "cancel_url"):
        check_url(params.get(name), param=name)
    if customer := params.get("customer"):
        call.get("customer", customer, param="customer")
    session = _blank(call)
    if mode == "setup":
        session |= _to_set_up(call)
    else:
        session |= _to_pay(call, session)
    return call.make(session)


def _to_set_up(call: Call) -> Json:
    params = call.params
    if "currency" not in params and "payment_method_types" not in params:
        raise ApiError(
            "You must provide one of: payment_method_types, currency.",
            code="parameter_missing",
            param="currency",
        )
    given = params.get("setup_intent_data", {})
    intent = setup_intents.make(
        call,
        customer=params.get("customer"),
        description=given.get("description"),
        metadata=given.get("metadata"),
    )
    return {"setup_intent": intent["id"], "payment_status": "no_payment_required"}


def _to_pay(call: Call, session: Json) -> Json:
    given = call.params.get("line_items")
    if not given:
        raise ApiError("Missing required param: line_items.", code="parameter_missing", param="line_items")
    if (call.params.get("invoice_creation") or {}).get("enabled"):
        raise ApiError("The Stripe simulator makes no invoice of a session", param="invoice_creation")
    items = [_item(each, at=f"line_items[{place}]") for place, each in enumerate(given)]
    currencies = {item["currency"] for item in items}
    if len(currencies) > 1:
        raise ApiError("All line items must be of one currency.", param="line_items")
    (currency,) = currencies
    total = sum(item["amount_total"] for item in items)
    money.check_chargeable(total, currency=currency)
    return {
        "amount_subtotal": total,
        "amount_total": total,
        "currency": currency,
        "payment_status": "unpaid",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "_line_items": items,
        "_payment_intent_data": call.params.get("payment_intent_data", {}),
    }


def _item(given: Json, *, at: str) -> Json:
    data = given.get("price_data", {})
    if "currency" not in data:
        name = f"{at}[price_data]"
        raise ApiError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    amount, _ = priced(given, at=at)
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": data["currency"].lower(),
        "description": data.get("product_data", {}).get("name"),
        "price": None,
        "quantity": given.get("quantity", 1),
    }


def _blank(call: Call) -> Json:
    params = call.params
    session_id = f"cs_test_{new_token(ID_LENGTH)}"
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": None,
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": None,
        "amount_total": None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": call.now,
        "currency": (params.get("currency") or "").lower() or None,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
            **{name: text or None for name, text in (params.get("custom_text") or {}).items()},
        },
        "customer": params.get("customer"),
        "customer_account": None,
        "customer_creation": params.get("customer_creation"),
        "customer_details": None,
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "expires_at": _expiry(call),
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": call.with_metadata({}),
        "mode": params["mode"],
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "always",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": params.get("success_url"),
        "total_details": None,
        "ui_mode": "hosted_page",
        "url": f"{call.base_url}/checkout/{session_id}",
        "wallet_options": None,
    }


def _expiry(call: Call) -> int:
    expires_at: int = call.params.get("expires_at", call.now + LONGEST_S)
    if not SHORTEST_S <= expires_at - call.now <= LONGEST_S:
        raise ApiError(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session "
            "creation.",
            param="expires_at",
        )
    return expires_at


def complete(call: Call, session: Json, **outcome: Any) -> Json:
    """The session is done: what it was for has happened."""
    customer = call.store.find(session["customer"] or "") or {}
    details = {
        "address": customer.get("address"),
        "email": customer.get("email") or session["customer_email"],
        "name": customer.get("name"),
        "phone": customer.get("phone"),
        "tax_exempt": customer.get("tax_exempt", "none"),
        "tax_ids": [],
    }
    done = {**session, **outcome, "customer_details": details, "status": "complete", "url": None}
    return call.save(done, event="checkout.session.completed")


def intent_to_pay(call: Call, session: Json) -> Json:
    """The session's payment intent, made when somebody first tries to pay."""
    if session["payment_intent"]:
        return call.get("payment_intent", session["payment_intent"])
    given = session["_payment_intent_data"]
    intent = payment_intents.make(
        call,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=session["customer"],
        description=given.get("description"),
        metadata=given.get("metadata"),
        setup_future_usage=given.get("setup_future_usage"),
        receipt_email=given.get("receipt_email"),
    )
    call.change(session, payment_intent=intent["id"])
    return intent


def expire(call: Call) -> Json:
    session = call.at_path("checkout.session", param="session")
    if session["status"] != "open":
        raise ApiError(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of {session['status']}.",
            param="session",
        )
    return expired(call, session)


def expired(call: Call, session: Json) -> Json:
    if session["setup_intent"]:
        intent = call.get("setup_intent", session["setup_intent"])
        call.change(intent, event="setup_intent.canceled", status="canceled", next_action=None)
    if session["payment_intent"]:
        intent = call.get("payment_intent", session["payment_intent"])
        payment_intents.cancel_intent(call, intent, reason="expired")
    return call.change(session, event="checkout.session.expired", status="expired", url=None)


def retrieve(call: Call) -> Json:
    return call.at_path("checkout.session", param="session")


def update(call: Call) -> Json:
    session = call.at_path("checkout.session", param="session")
    call.may_change("metadata")
    return call.change(session, metadata=call.with_metadata(session))


def list_sessions(call: Call) -> Json:
    matching = {name: call.params.get(name) for name in ("customer", "payment_intent", "status")}
    return page(call, "checkout.session", url="/v1/checkout/sessions", matching=matching)


def list_line_items(call: Call) -> Json:
    session = call.at_path("checkout.session", param="session")
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return page_of(call, session.get("_line_items", []), url=url, kind="item")


ROUTES = [
    Route("POST", "/v1/checkout/sessions", "checkout.SessionCreateParams", create),
    Route("GET", "/v1/checkout/sessions", "checkout.SessionListParams", list_sessions),
    Route("GET", "/v1/checkout/sessions/*", "checkout.SessionRetrieveParams", retrieve),
    Route("POST", "/v1/checkout/sessions/*", "checkout.SessionUpdateParams", update),
    Route("POST", "/v1/checkout/sessions/*/expire", "checkout.SessionExpireParams", expire),
    Route("GET", "/v1/checkout/sessions/*/line_items", "checkout.SessionLineItemListParams", list_line_items),
]
