"""Payment intents that a call makes or confirms; the invoice of one learns what came of it."""

from subscriptions.stripe.simulator import collecting
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.resources import payment_intents
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError


def create(call: Call) -> Json:
    intent = payment_intents.begin(call)
    if call.params.get("confirm"):
        return _confirm(call, intent)
    return intent


def confirm(call: Call) -> Json:
    intent = call.at_path("payment_intent", param="intent")
    payment_intents.check_open(intent, verb="confirm")
    return _confirm(call, payment_intents.with_method(call, intent))


def _confirm(call: Call, intent: Json) -> Json:
    if intent["payment_method"] is None:
        raise ApiError(
            "You cannot confirm this PaymentIntent because it's missing a payment method. Update the "
            "PaymentIntent with a payment method and then confirm it again.",
            code="payment_intent_unexpected_state",
        )
    method = call.get("payment_method", intent["payment_method"], param="payment_method")
    is_on_session = not call.params.get("off_session")
    return payment_intents.confirmed(
        collecting.collect(call, intent, method=method, is_on_session=is_on_session)
    )


ROUTES = [
    Route("POST", "/v1/payment_intents", "PaymentIntentCreateParams", create),
    Route("GET", "/v1/payment_intents", "PaymentIntentListParams", payment_intents.list_intents),
    Route("GET", "/v1/payment_intents/*", "PaymentIntentRetrieveParams", payment_intents.retrieve),
    Route("POST", "/v1/payment_intents/*", "PaymentIntentUpdateParams", payment_intents.update),
    Route("POST", "/v1/payment_intents/*/confirm", "PaymentIntentConfirmParams", confirm),
    Route("POST", "/v1/payment_intents/*/cancel", "PaymentIntentCancelParams", payment_intents.cancel),
]
