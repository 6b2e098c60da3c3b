"""How an invoice gets its money: its payment intent, and what an attempt means for it."""

from subscriptions.stripe.simulator import charging
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.resources import payment_intents
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import new_id


def ask_for_payment(call: Call, invoice: Json) -> Json:
    """The payment intent of a finalized invoice, and the record that joins the two."""
    intent = payment_intents.make(
        call,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=invoice["description"] or "Payment for Invoice",
    )
    intent = call.change(intent, _invoice=invoice["id"])
    payment = {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_due"],
        "created": call.now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    call.make(payment)
    return intent


def payment_of(call: Call, invoice: Json) -> Json | None:
    payments = call.store.select("invoice_payment", matching={"invoice": invoice["id"], "status": "open"})
    return payments[0] if payments else None


def intent_of(call: Call, invoice: Json) -> Json | None:
    """The intent that waits for the invoice's money, if any."""
    payment = payment_of(call, invoice)
    return call.get("payment_intent", payment["payment"]["payment_intent"]) if payment else None


def collect(call: Call, intent: Json, *, method: Json, is_on_session: bool) -> Json:
    """Charge the card for the intent, and let its invoice know, if it has one."""
    intent = charging.attempt(call, intent, method=method, is_on_session=is_on_session)
    note(call, intent)
    return intent


def note(call: Call, intent: Json) -> None:
    """What became of an intent, written on its invoice."""
    invoice = call.store.find(intent.get("_invoice") or "")
    if invoice is None:
        return
    attempts = invoice["attempt_count"] + 1
    invoice = {**invoice, "attempt_count": attempts, "attempted": True}
    if intent["status"] == "succeeded":
        _settle_payment(call, invoice)
        mark_paid(call, invoice, amount=intent["amount_received"])
    elif intent["status"] == "requires_action":
        call.save(invoice, event="invoice.updated")
        call.emit("invoice.payment_action_required", invoice)
        call.emit("invoice.payment_failed", invoice)
    else:
        call.save(invoice, event="invoice.updated")
        call.emit("invoice.payment_failed", invoice)


def mark_paid(call: Call, invoice: Json, *, amount: int, is_off_stripe: bool = False) -> Json:
    paid = {
        **invoice,
        "amount_paid": invoice["amount_paid"] + amount,
        "amount_paid_off_stripe": amount if is_off_stripe else 0,
        "amount_remaining": 0,
        "attempted": True,
        "auto_advance": False,
        "status": "paid",
        "status_transitions": {**invoice["status_transitions"], "paid_at": call.now},
    }
    call.save(paid, event="invoice.updated")
    call.emit("invoice.paid", paid)
    call.emit("invoice.payment_succeeded", paid)
    return paid


def stop(call: Call, invoice: Json, *, reason: str) -> None:
    """Nothing more is to be charged for this invoice."""
    payment = payment_of(call, invoice)
    intent = intent_of(call, invoice)
    if payment is None or intent is None:
        return
    payment_intents.cancel_intent(call, intent, reason=reason)
    transitions = {**payment["status_transitions"], "canceled_at": call.now}
    call.change(payment, status="canceled", status_transitions=transitions)


def _settle_payment(call: Call, invoice: Json) -> None:
    payment = payment_of(call, invoice)
    if payment is None:
        return
    transitions = {**payment["status_transitions"], "paid_at": call.now}
    paid = call.change(
        payment, status="paid", amount_paid=payment["amount_requested"], status_transitions=transitions
    )
    call.emit("invoice_payment.paid", paid)


def resize(call: Call, invoice: Json, *, amount: int) -> None:
    """What is asked for, after a credit note took some of it away."""
    payment = payment_of(call, invoice)
    intent = intent_of(call, invoice)
    if payment and intent:
        call.change(payment, amount_requested=amount)
        call.change(intent, amount=amount)
