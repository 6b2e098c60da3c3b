"""Setup intents: a card is saved, and its holder agrees to later charges."""

from subscriptions.stripe.simulator import cards
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.cards import Decline
from subscriptions.stripe.simulator.listing import page
from subscriptions.stripe.simulator.presenting import shown
from subscriptions.stripe.simulator.resources import payment_methods
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, new_id, new_token

SECRET_LENGTH = 25
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
NOT_AUTHENTICATED = Decline(
    code="setup_intent_authentication_failure",
    decline_code="",
    message="We are unable to authenticate your payment method. Please choose a different payment method "
    "and try again.",
)


def create(call: Call) -> Json:
    params = call.params
    if customer := params.get("customer"):
        call.get("customer", customer, param="customer")
    intent = make(
        call,
        customer=params.get("customer"),
        usage=params.get("usage", "off_session"),
        description=params.get("description"),
        metadata=call.with_metadata({}),
    )
    if token := params.get("payment_method"):
        method = payment_methods.resolve(call, token)
        intent = call.change(intent, payment_method=method["id"], status="requires_confirmation")
    if params.get("confirm"):
        return _confirmed_or_refused(call, intent, return_url=params.get("return_url"))
    return intent


def make(
    call: Call,
    *,
    customer: str | None,
    usage: str = "off_session",
    description: str | None = None,
    metadata: Json | None = None,
) -> Json:
    intent_id = new_id("seti")
    body = {
        "id": intent_id,
        "object": "setup_intent",
        "application": None,
        "attach_to_self": False,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": f"{intent_id}_secret_{new_token(SECRET_LENGTH)}",
        "created": call.now,
        "customer": customer,
        "customer_account": None,
        "description": description,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": metadata or {},
        "next_action": None,
        "payment_method": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": usage,
    }
    return call.make(body, event="setup_intent.created")


def attempt(call: Call, intent: Json, *, method: Json, return_url: str | None = None) -> Json:
    """Save the card. What came of it is the status: succeeded, requires_action, or a last_setup_error."""
    card = payment_methods.card_of(method)
    if card.declined and not card.sets_up:
        return _failed(call, intent, method=method, decline=card.declined)
    if card.needs_authentication and not method["_authenticated"]:
        page_url = f"{call.base_url}/authenticate/{intent['id']}"
        return call.change(
            intent,
            event="setup_intent.requires_action",
            payment_method=method["id"],
            status="requires_action",
            last_setup_error=None,
            next_action={
                "type": "redirect_to_url",
                "redirect_to_url": {"url": page_url, "return_url": return_url},
            },
        )
    return succeed(call, intent, method=method)


def succeed(call: Call, intent: Json, *, method: Json) -> Json:
    if intent["customer"]:
        method = payment_methods.attach_to(call, method["id"], customer=intent["customer"])
    call.change(method, _authenticated=True)
    return call.change(
        intent,
        event="setup_intent.succeeded",
        payment_method=method["id"],
        status="succeeded",
        next_action=None,
        last_setup_error=None,
        latest_attempt=new_id("setatt"),
    )


def fail_authentication(call: Call, intent: Json) -> Json:
    method = call.get("payment_method", intent["payment_method"])
    return _failed(call, intent, method=method, decline=NOT_AUTHENTICATED)


def _failed(call: Call, intent: Json, *, method: Json, decline: Decline) -> Json:
    error = {
        "type": "card_error" if decline.decline_code else "invalid_request_error",
        "code": decline.code,
        "message": decline.message,
        "payment_method": shown(method),
    }
    if decline.decline_code:
        error["decline_code"] = decline.decline_code
    return call.change(
        intent,
        event="setup_intent.setup_failed",
        payment_method=None,
        status="requires_payment_method",
        next_action=None,
        last_setup_error=error,
        latest_attempt=new_id("setatt"),
    )


def refusal(intent: Json) -> ApiError:
    """The card error of a failed attempt, which stays on the intent."""
    error = intent["last_setup_error"]
    refused = cards.card_error(error["message"], code=error["code"], decline_code=error.get("decline_code"))
    refused.keeps_effects = True
    refused.details |= {"payment_method": error["payment_method"], "setup_intent": shown(intent)}
    return refused


def confirm(call: Call) -> Json:
    intent = call.at_path("setup_intent")
    if intent["status"] not in CONFIRMABLE:
        raise _unexpected(intent, "confirm")
    if token := call.params.get("payment_method"):
        method = payment_methods.resolve(call, token)
        intent = call.change(intent, payment_method=method["id"])
    return _confirmed_or_refused(call, intent, return_url=call.params.get("return_url"))


def _confirmed_or_refused(call: Call, intent: Json, *, return_url: str | None) -> Json:
    if intent["payment_method"] is None:
        raise ApiError(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
        )
    method = call.get("payment_method", intent["payment_method"])
    intent = attempt(call, intent, method=method, return_url=return_url)
    if intent["last_setup_error"]:
        raise refusal(intent)
    return intent


def cancel(call: Call) -> Json:
    intent = call.at_path("setup_intent")
    if intent["status"] not in CONFIRMABLE:
        raise _unexpected(intent, "cancel")
    reason = call.params.get("cancellation_reason")
    return call.change(
        intent,
        event="setup_intent.canceled",
        status="canceled",
        cancellation_reason=reason,
        next_action=None,
    )


def _unexpected(intent: Json, verb: str) -> ApiError:
    return ApiError(
        f"You cannot {verb} this SetupIntent because it has a status of {intent['status']}.",
        code="setup_intent_unexpected_state",
        details={"setup_intent": shown(intent)},
    )


def retrieve(call: Call) -> Json:
    return call.at_path("setup_intent", param="intent")


def update(call: Call) -> Json:
    intent = call.at_path("setup_intent", param="intent")
    call.may_change("description", "metadata")
    description = call.params.get("description", intent["description"])
    return call.change(intent, metadata=call.with_metadata(intent), description=description)


def list_intents(call: Call) -> Json:
    matching = {"customer": call.params.get("customer"), "payment_method": call.params.get("payment_method")}
    return page(call, "setup_intent", url="/v1/setup_intents", matching=matching)


ROUTES = [
    Route("POST", "/v1/setup_intents", "SetupIntentCreateParams", create),
    Route("GET", "/v1/setup_intents", "SetupIntentListParams", list_intents),
    Route("GET", "/v1/setup_intents/*", "SetupIntentRetrieveParams", retrieve),
    Route("POST", "/v1/setup_intents/*", "SetupIntentUpdateParams", update),
    Route("POST", "/v1/setup_intents/*/confirm", "SetupIntentConfirmParams", confirm),
    Route("POST", "/v1/setup_intents/*/cancel", "SetupIntentCancelParams", cancel),
]
