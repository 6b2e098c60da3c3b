"""What happens when a card is charged: the charge, and what follows from the kind of card it is."""

from subscriptions.stripe.simulator import cards
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.cards import Decline
from subscriptions.stripe.simulator.presenting import shown
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, new_id

EVIDENCE_DUE_S = 9 * 24 * 3600


def attempt(call: Call, intent: Json, *, method: Json, is_on_session: bool) -> Json:
    """Charge the card once. The intent's status then is succeeded, requires_action (only while its holder is
    there), or requires_payment_method with a last_payment_error."""
    card = cards.BY_NAME[method["_card"]]
    must_authenticate = card.needs_authentication and not method["_authenticated"]
    if must_authenticate and is_on_session:
        return _awaiting_authentication(call, intent, method=method)
    decline = cards.AUTHENTICATION_REQUIRED if must_authenticate else card.declined
    if decline:
        return _declined(call, intent, method=method, decline=decline)
    intent = _succeeded(call, intent, method=method)
    if card.is_disputed:
        _open_dispute(call, intent)
    if card.is_warned_of:
        _warn_of_fraud(call, intent)
    return intent


def fail_authentication(call: Call, intent: Json) -> Json:
    """The holder did not confirm: no charge was tried."""
    method = call.get("payment_method", intent["payment_method"])
    error = {
        "type": "invalid_request_error",
        "code": "payment_intent_authentication_failure",
        "message": "The provided PaymentMethod has failed authentication. You can provide "
        "payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
        "payment_method": shown(method),
    }
    return _refused(call, intent, error=error)


def refusal(intent: Json) -> ApiError:
    """The card error that a failed attempt answers with. What happened stays."""
    error = intent["last_payment_error"]
    refused = cards.card_error(error["message"], code=error["code"], decline_code=error.get("decline_code"))
    refused.keeps_effects = True
    kept = {name: error[name] for name in ("charge", "payment_method") if name in error}
    refused.details |= {**kept, "payment_intent": shown(intent)}
    return refused


def _awaiting_authentication(call: Call, intent: Json, *, method: Json) -> Json:
    page_url = f"{call.base_url}/authenticate/{intent['id']}"
    return call.change(
        intent,
        event="payment_intent.requires_action",
        payment_method=method["id"],
        status="requires_action",
        last_payment_error=None,
        next_action={
            "type": "redirect_to_url",
            "redirect_to_url": {"url": page_url, "return_url": intent.get("_return_url")},
        },
    )


def _succeeded(call: Call, intent: Json, *, method: Json) -> Json:
    charge = _charge(call, intent, method=method, decline=None)
    if intent["setup_future_usage"] and intent["customer"] and not method["customer"]:
        call.change(method, event="payment_method.attached", customer=intent["customer"])
    intent = call.change(
        intent,
        event="payment_intent.succeeded",
        amount_received=intent["amount"],
        last_payment_error=None,
        latest_charge=charge["id"],
        next_action=None,
        payment_method=method["id"],
        status="succeeded",
    )
    call.emit("charge.succeeded", charge)
    return intent


def _declined(call: Call, intent: Json, *, method: Json, decline: Decline) -> Json:
    charge = _charge(call, intent, method=method, decline=decline)
    call.emit("charge.failed", charge)
    error = {
        "type": "card_error",
        "charge": charge["id"],
        "code": decline.code,
        "decline_code": decline.decline_code,
        "message": decline.message,
        "payment_method": shown(method),
    }
    return _refused(call, {**intent, "latest_charge": charge["id"]}, error=error)


def _refused(call: Call, intent: Json, *, error: Json) -> Json:
    return call.change(
        intent,
        event="payment_intent.payment_failed",
        last_payment_error=error,
        next_action=None,
        payment_method=None,
        status="requires_payment_method",
    )


def _charge(call: Call, intent: Json, *, method: Json, decline: Decline | None) -> Json:
    amount = intent["amount"]
    body = {
        "id": new_id("ch"),
        "object": "charge",
        "amount": amount,
        "amount_captured": 0 if decline else amount,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": None,
        "captured": decline is None,
        "created": call.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": _outcome(decline),
        "paid": decline is None,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"type": "card", "card": {**method["card"], "amount_authorized": amount}},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "failed" if decline else "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }
    return call.make(body)


def _outcome(decline: Decline | None) -> Json:
    return {
        "advice_code": "try_again_later" if decline else None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if decline else "approved_by_network",
        "reason": decline.decline_code if decline else None,
        "risk_level": "normal",
        "risk_score": 5,
        "seller_message": decline.message if decline else "Payment complete.",
        "type": "issuer_declined" if decline else "authorized",
    }


def _open_dispute(call: Call, intent: Json) -> None:
    charge = call.get("charge", intent["latest_charge"])
    dispute = {
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {
            "due_by": call.now + EVIDENCE_DUE_S,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "83",
        "payment_intent": intent["id"],
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "case_type": "chargeback",
                "network_reason_code": "83",
            },
        },
        "reason": "fraudulent",
        "status": "needs_response",
    }
    call.change(charge, event="charge.updated", disputed=True)
    call.make(dispute, event="charge.dispute.created")
    call.emit("charge.dispute.funds_withdrawn", dispute)


def _warn_of_fraud(call: Call, intent: Json) -> None:
    warning = {
        "id": new_id("issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": True,
        "charge": intent["latest_charge"],
        "created": call.now,
        "fraud_type": "misc",
        "livemode": False,
        "payment_intent": intent["id"],
    }
    call.make(warning, event="radar.early_fraud_warning.created")
