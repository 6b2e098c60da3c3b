"""Refunds: money back on a charge, never more than it took."""

from subscriptions.stripe.simulator import money
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.listing import page
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, new_id


def create(call: Call) -> Json:
    charge = _charge_meant(call)
    left = charge["amount"] - charge["amount_refunded"]
    return refund(
        call,
        charge,
        amount=call.params.get("amount", left),
        reason=call.params.get("reason"),
        metadata=call.with_metadata({}),
    )


def refund(
    call: Call, charge: Json, *, amount: int, reason: str | None = None, metadata: Json | None = None
) -> Json:
    """Give this much of the charge back. Raises ApiError if so much is not left, or it is disputed."""
    _check_refundable(charge, amount=amount)
    refunded = charge["amount_refunded"] + amount
    body = {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {
            "type": "card",
            "card": {
                "reference": None,
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
        },
        "metadata": metadata or {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    made = call.make(body, event="refund.created")
    is_whole = refunded == charge["amount"]
    charge = call.change(charge, amount_refunded=refunded, refunded=is_whole)
    call.emit("charge.refunded", charge)
    _settle_warnings(call, charge)
    return made


def _charge_meant(call: Call) -> Json:
    if charge_id := call.params.get("charge"):
        return call.get("charge", charge_id, param="charge")
    if intent_id := call.params.get("payment_intent"):
        intent = call.get("payment_intent", intent_id, param="payment_intent")
        if intent["status"] != "succeeded":
            raise ApiError(
                f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
                param="payment_intent",
            )
        return call.get("charge", intent["latest_charge"])
    raise ApiError(
        "One of the following params should be provided for this request: payment_intent or charge.",
        code="parameter_missing",
    )


def _check_refundable(charge: Json, *, amount: int) -> None:
    left = charge["amount"] - charge["amount_refunded"]
    if not charge["paid"]:
        raise ApiError(f"Charge {charge['id']} failed, and cannot be refunded.", param="charge")
    if charge["disputed"]:
        raise ApiError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if left == 0:
        raise ApiError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount < 1:
        raise ApiError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        asked = money.text(amount, currency=charge["currency"])
        there = money.text(left, currency=charge["currency"])
        raise ApiError(
            f"Refund amount ({asked}) is greater than unrefunded amount on charge ({there})", param="amount"
        )


def _settle_warnings(call: Call, charge: Json) -> None:
    """What was given back needs no action any more."""
    if not charge["refunded"]:
        return
    for warning in call.store.select("radar.early_fraud_warning", matching={"charge": charge["id"]}):
        if warning["actionable"]:
            call.change(warning, event="radar.early_fraud_warning.updated", actionable=False)


def retrieve(call: Call) -> Json:
    return call.at_path("refund")


def update(call: Call) -> Json:
    found = call.at_path("refund")
    return call.change(found, event="refund.updated", metadata=call.with_metadata(found))


def list_refunds(call: Call) -> Json:
    matching = {name: call.params.get(name) for name in ("charge", "payment_intent")}
    return page(call, "refund", url="/v1/refunds", matching=matching)


ROUTES = [
    Route("POST", "/v1/refunds", "RefundCreateParams", create),
    Route("GET", "/v1/refunds", "RefundListParams", list_refunds),
    Route("GET", "/v1/refunds/*", "RefundRetrieveParams", retrieve),
    Route("POST", "/v1/refunds/*", "RefundUpdateParams", update),
]
