"""Payment methods: cards, made from a number or from one of Stripe's test tokens."""

from subscriptions.stripe.simulator import cards
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.cards import Card
from subscriptions.stripe.simulator.listing import page
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, new_id, no_such

DEFAULT_EXPIRY_YEARS = 4
SECONDS_PER_YEAR = 31_556_952
EPOCH_YEAR = 1970


def create(call: Call) -> Json:
    given = call.params.get("card", {})
    if call.params.get("type") != "card":
        raise ApiError("The Stripe simulator knows payment methods of the type card", param="type")
    if "token" in given:
        raise ApiError("The Stripe simulator takes a card by its number", param="card[token]")
    if "number" not in given:
        raise ApiError(
            "Missing required param: card[number].", code="parameter_missing", param="card[number]"
        )
    card = cards.of_number(given["number"])
    body = make(
        call,
        card,
        exp_month=given.get("exp_month"),
        exp_year=given.get("exp_year"),
        billing=call.params.get("billing_details", {}),
    )
    return call.save({**body, "metadata": call.with_metadata({})})


def make(
    call: Call,
    card: Card,
    *,
    exp_month: int | None = None,
    exp_year: int | None = None,
    billing: Json | None = None,
) -> Json:
    """A payment method of nobody yet."""
    expiry_year = EPOCH_YEAR + call.now // SECONDS_PER_YEAR + DEFAULT_EXPIRY_YEARS
    body = {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": None,
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
            **(billing or {}),
        },
        "card": card_details(card, exp_month=exp_month or 12, exp_year=exp_year or expiry_year),
        "created": call.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
        "_card": card.name,
        "_authenticated": False,
    }
    return call.make(body)


def card_details(card: Card, *, exp_month: int, exp_year: int) -> Json:
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": card.brand,
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": f"simulated{card.number[-8:]}",
        "funding": "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def resolve(call: Call, id_or_token: str, *, param: str = "payment_method") -> Json:
    """The payment method of this id; a test token makes a new one."""
    if card := cards.BY_TOKEN.get(id_or_token):
        return make(call, card)
    found = call.store.find(id_or_token)
    if found is None or found["object"] != "payment_method":
        raise no_such("PaymentMethod", id_or_token, param=param)
    return found


def owned(call: Call, id_or_token: str, *, customer: str, param: str) -> Json:
    """The customer's payment method. Raises ApiError for anybody else's."""
    method = resolve(call, id_or_token, param=param)
    if method["customer"] != customer:
        raise ApiError(
            f"The customer does not have a payment method with the ID {method['id']}. The payment method "
            "must be attached to the customer.",
            code="resource_missing",
            param=param,
        )
    return method


def card_of(method: Json) -> Card:
    return cards.BY_NAME[method["_card"]]


def attach_to(call: Call, id_or_token: str, *, customer: str) -> Json:
    """The customer's card from now on, also if it was so before."""
    method = resolve(call, id_or_token)
    if method["customer"] == customer:
        return method
    if method["customer"] is not None:
        raise ApiError(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    if method.get("_was_detached"):
        raise ApiError(
            "This PaymentMethod was previously used without being attached to a Customer or was detached "
            "from a Customer, and may not be used again.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    return call.change(method, event="payment_method.attached", customer=customer)


def detach_from(call: Call, method: Json) -> Json:
    """Nobody's card from now on, nor anybody's default."""
    if method["customer"] is None:
        raise ApiError(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    owner = call.store.find(method["customer"]) or {}
    settings = owner.get("invoice_settings") or {}
    if settings.get("default_payment_method") == method["id"]:
        call.change(
            owner,
            event="customer.updated",
            invoice_settings={**settings, "default_payment_method": None},
        )
    return call.change(method, event="payment_method.detached", customer=None, _was_detached=True)


def attach(call: Call) -> Json:
    customer = call.get("customer", call.params.get("customer", ""), param="customer")
    return attach_to(call, call.path_id, customer=customer["id"])


def detach(call: Call) -> Json:
    return detach_from(call, resolve(call, call.path_id))


def retrieve(call: Call) -> Json:
    return resolve(call, call.path_id)


def update(call: Call) -> Json:
    method = resolve(call, call.path_id)
    changed = {**method, "metadata": call.with_metadata(method)}
    changed["billing_details"] = {**method["billing_details"], **call.params.get("billing_details", {})}
    changed["card"] = {
        **method["card"],
        **{
            name: value
            for name, value in call.params.get("card", {}).items()
            if name in ("exp_month", "exp_year")
        },
    }
    return call.save(changed, event="payment_method.updated")


def list_methods(call: Call) -> Json:
    matching = {"customer": call.params.get("customer"), "type": call.params.get("type")}
    return page(call, "payment_method", url="/v1/payment_methods", matching=matching)


ROUTES = [
    Route("POST", "/v1/payment_methods", "PaymentMethodCreateParams", create),
    Route("GET", "/v1/payment_methods", "PaymentMethodListParams", list_methods),
    Route("GET", "/v1/payment_methods/*", "PaymentMethodRetrieveParams", retrieve),
    Route("POST", "/v1/payment_methods/*", "PaymentMethodUpdateParams", update),
    Route("POST", "/v1/payment_methods/*/attach", "PaymentMethodAttachParams", attach),
    Route("POST", "/v1/payment_methods/*/detach", "PaymentMethodDetachParams", detach),
]
