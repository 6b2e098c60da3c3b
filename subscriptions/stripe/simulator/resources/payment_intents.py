"""Payment intents: one amount to be charged, however many cards it takes."""

from subscriptions.stripe.simulator import charging
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.listing import page
from subscriptions.stripe.simulator.money import check_chargeable
from subscriptions.stripe.simulator.presenting import shown
from subscriptions.stripe.simulator.resources import payment_methods
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, check_url, new_id, new_token

SECRET_LENGTH = 25
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def make(
    call: Call,
    *,
    amount: int,
    currency: str,
    customer: str | None,
    description: str | None = None,
    metadata: Json | None = None,
    setup_future_usage: str | None = None,
    receipt_email: str | None = None,
) -> Json:
    intent_id = new_id("pi")
    body = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{intent_id}_secret_{new_token(SECRET_LENGTH)}",
        "confirmation_method": "automatic",
        "created": call.now,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": description,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata or {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": receipt_email,
        "review": None,
        "setup_future_usage": setup_future_usage,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    return call.make(body, event="payment_intent.created")


def begin(call: Call) -> Json:
    """A new intent as the call's parameters say, not yet confirmed."""
    params = call.params
    if customer := params.get("customer"):
        call.get("customer", customer, param="customer")
    currency = params["currency"].lower()
    check_chargeable(params["amount"], currency=currency)
    intent = make(
        call,
        amount=params["amount"],
        currency=currency,
        customer=params.get("customer"),
        description=params.get("description"),
        metadata=call.with_metadata({}),
        setup_future_usage=params.get("setup_future_usage"),
        receipt_email=params.get("receipt_email"),
    )
    return with_method(call, intent)


def with_method(call: Call, intent: Json) -> Json:
    """The intent with the payment method and return address that the call names, if it does."""
    if token := call.params.get("payment_method"):
        method = payment_methods.resolve(call, token)
        _check_owner(method, intent)
        intent = call.change(intent, payment_method=method["id"], status="requires_confirmation")
    if address := call.params.get("return_url"):
        check_url(address, param="return_url")
        intent = call.change(intent, _return_url=address)
    return intent


def _check_owner(method: Json, intent: Json) -> None:
    if method["customer"] and method["customer"] != intent["customer"]:
        raise ApiError(
            f"The provided PaymentMethod belongs to another Customer: {method['id']}.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )


def check_open(intent: Json, *, verb: str) -> None:
    if intent["status"] not in OPEN:
        raise ApiError(
            f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
            details={"payment_intent": shown(intent)},
        )


def confirmed(intent: Json) -> Json:
    """The intent after an attempt. Raises its card error if the card was declined."""
    if intent["last_payment_error"]:
        raise charging.refusal(intent)
    return intent


def cancel_intent(call: Call, intent: Json, *, reason: str | None) -> Json:
    check_open(intent, verb="cancel")
    return call.change(
        intent,
        event="payment_intent.canceled",
        canceled_at=call.now,
        cancellation_reason=reason,
        next_action=None,
        status="canceled",
    )


def cancel(call: Call) -> Json:
    intent = call.at_path("payment_intent", param="intent")
    if intent.get("_invoice"):
        raise ApiError(
            "You cannot cancel this PaymentIntent because it was created by an invoice. Void the invoice.",
            code="payment_intent_unexpected_state",
        )
    return cancel_intent(call, intent, reason=call.params.get("cancellation_reason"))


def retrieve(call: Call) -> Json:
    return call.at_path("payment_intent", param="intent")


def update(call: Call) -> Json:
    intent = call.at_path("payment_intent", param="intent")
    call.may_change("description", "metadata")
    description = call.params.get("description", intent["description"])
    return call.change(intent, metadata=call.with_metadata(intent), description=description)


def list_intents(call: Call) -> Json:
    matching = {"customer": call.params.get("customer")}
    return page(call, "payment_intent", url="/v1/payment_intents", matching=matching)
