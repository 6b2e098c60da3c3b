"""What an invoice goes through: final, sent, paid, void or given up."""

from subscriptions.stripe.simulator import charging, collecting, invoice_lines
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.listing import page
from subscriptions.stripe.simulator.presenting import shown
from subscriptions.stripe.simulator.resources import invoices, payment_methods
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, new_token

SECRET_LENGTH = 32
PAYABLE = ("open", "uncollectible")


def finalize(call: Call) -> Json:
    invoice = call.at_path("invoice", param="invoice")
    if invoice["status"] != "draft":
        raise ApiError(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_not_editable",
        )
    auto_advance = call.params.get("auto_advance", invoice["auto_advance"])
    return finalized(call, {**invoice, "auto_advance": auto_advance})


def finalized(call: Call, draft: Json) -> Json:
    """The invoice with a number, its totals fixed; nothing to pay makes it paid at once.

    One that advances by itself and charges automatically is also charged; a decline stays on the invoice.
    """
    draft = invoices.refreshed(call, draft)
    customer = call.get("customer", draft["customer"])
    balance = invoice_lines.ending_balance(draft)
    sequence = customer["next_invoice_sequence"]
    page_url = f"{call.base_url}/invoice/{draft['id']}/{new_token(SECRET_LENGTH)}"
    invoice = {
        **draft,
        "automatically_finalizes_at": None,
        "effective_at": draft["effective_at"] or call.now,
        "ending_balance": balance,
        "hosted_invoice_url": page_url,
        "number": draft["number"] or f"{customer['invoice_prefix']}-{sequence:04d}",
        "status": "open",
        "status_transitions": {**draft["status_transitions"], "finalized_at": call.now},
    }
    numbered = {"next_invoice_sequence": sequence + 1, "currency": customer["currency"] or draft["currency"]}
    call.change(customer, balance=balance, **numbered)
    call.save(invoice, event="invoice.updated")
    call.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        return collecting.mark_paid(call, invoice, amount=0)
    collecting.ask_for_payment(call, invoice)
    return _advanced(call, invoice)


def _advanced(call: Call, invoice: Json) -> Json:
    if not invoice["auto_advance"] or invoice["collection_method"] != "charge_automatically":
        return invoice
    if _method(call, invoice) is not None:
        _attempt(call, invoice)
    return call.get("invoice", invoice["id"])


def pay(call: Call) -> Json:
    """Charge it now. A decline answers 402, and the attempt stays."""
    invoice = call.at_path("invoice", param="invoice")
    if invoice["status"] == "draft":
        invoice = finalized(call, {**invoice, "auto_advance": False})
        if invoice["status"] == "paid":
            return invoice
    _check_payable(invoice)
    if call.params.get("paid_out_of_band"):
        collecting.stop(call, invoice, reason="automatic")
        amount = invoice["amount_remaining"]
        return collecting.mark_paid(call, invoice, amount=amount, is_off_stripe=True)
    intent = _attempt(call, invoice)
    if intent["status"] == "requires_action":
        raise _needs_action(intent)
    if intent["last_payment_error"]:
        raise charging.refusal(intent)
    return call.at_path("invoice")


def _check_payable(invoice: Json) -> None:
    if invoice["status"] == "paid":
        raise ApiError("Invoice is already paid", param="invoice")
    if invoice["status"] not in PAYABLE:
        raise ApiError(f"Invoices with a status of {invoice['status']} cannot be paid.")


def _needs_action(intent: Json) -> ApiError:
    return ApiError(
        "This payment requires additional user action before it can be completed successfully. Payment can "
        "be completed using the PaymentIntent associated with the invoice.",
        status=402,
        kind="card_error",
        code="invoice_payment_intent_requires_action",
        keeps_effects=True,
        details={"payment_intent": shown(intent)},
    )


def _attempt(call: Call, invoice: Json) -> Json:
    """One charge. An invoice waits for its card's holder to confirm, who has the hosted page for it."""
    method = _method(call, invoice)
    if method is None:
        raise ApiError(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set either an "
            "`invoice_settings.default_payment_method` on the Customer or a `default_payment_method` on the "
            "Invoice.",
        )
    intent = collecting.intent_of(call, invoice) or collecting.ask_for_payment(call, invoice)
    return collecting.collect(call, intent, method=method, is_on_session=True)


def _method(call: Call, invoice: Json) -> Json | None:
    """The card to charge: the call's, the invoice's, or the customer's."""
    customer = call.get("customer", invoice["customer"])
    settings = customer["invoice_settings"]
    chosen = (
        call.params.get("payment_method")
        or invoice["default_payment_method"]
        or settings["default_payment_method"]
    )
    if not chosen:
        return None
    return payment_methods.owned(call, chosen, customer=customer["id"], param="payment_method")


def void(call: Call) -> Json:
    invoice = call.at_path("invoice", param="invoice")
    if invoice["status"] not in PAYABLE:
        raise ApiError(
            f"You can only pass in open or uncollectible invoices. This invoice is {invoice['status']}.",
            code="invoice_not_editable",
        )
    collecting.stop(call, invoice, reason="void_invoice")
    transitions = {**invoice["status_transitions"], "voided_at": call.now}
    voided = call.change(
        invoice, event="invoice.updated", status="void", status_transitions=transitions, auto_advance=False
    )
    _give_balance_back(call, invoice)
    call.emit("invoice.voided", voided)
    return voided


def _give_balance_back(call: Call, invoice: Json) -> None:
    """What the invoice took of the customer's balance, or left to it, is undone."""
    moved = invoice["ending_balance"] - invoice["starting_balance"]
    if moved:
        customer = call.get("customer", invoice["customer"])
        call.change(customer, event="customer.updated", balance=customer["balance"] - moved)


def mark_uncollectible(call: Call) -> Json:
    invoice = call.at_path("invoice", param="invoice")
    if invoice["status"] != "open":
        raise ApiError(
            f"You can only mark open invoices as uncollectible. This invoice is {invoice['status']}.",
            code="invoice_not_editable",
        )
    transitions = {**invoice["status_transitions"], "marked_uncollectible_at": call.now}
    given_up = call.change(
        invoice,
        event="invoice.updated",
        status="uncollectible",
        status_transitions=transitions,
        auto_advance=False,
    )
    call.emit("invoice.marked_uncollectible", given_up)
    return given_up


def send(call: Call) -> Json:
    """Nothing is mailed; the event says it would have been."""
    invoice = call.at_path("invoice", param="invoice")
    if invoice["status"] == "draft":
        invoice = finalized(call, invoice)
    if invoice["status"] not in (*PAYABLE, "paid"):
        raise ApiError(f"You cannot send an invoice that is {invoice['status']}.")
    if invoice["collection_method"] != "send_invoice":
        raise ApiError("You can only manually send an invoice if its collection_method is 'send_invoice'.")
    call.emit("invoice.sent", invoice)
    return invoice


def retrieve_payment(call: Call) -> Json:
    return call.at_path("invoice_payment")


def list_payments(call: Call) -> Json:
    payment = call.params.get("payment", {})
    matching = {
        "invoice": call.params.get("invoice"),
        "status": call.params.get("status"),
        "payment.payment_intent": payment.get("payment_intent"),
    }
    return page(call, "invoice_payment", url="/v1/invoice_payments", matching=matching)


ROUTES = [
    Route("POST", "/v1/invoices/*/finalize", "InvoiceFinalizeInvoiceParams", finalize),
    Route("POST", "/v1/invoices/*/pay", "InvoicePayParams", pay),
    Route("POST", "/v1/invoices/*/void", "InvoiceVoidInvoiceParams", void),
    Route(
        "POST",
        "/v1/invoices/*/mark_uncollectible",
        "InvoiceMarkUncollectibleParams",
        mark_uncollectible,
    ),
    Route("POST", "/v1/invoices/*/send", "InvoiceSendInvoiceParams", send),
    Route("GET", "/v1/invoice_payments", "InvoicePaymentListParams", list_payments),
    Route("GET", "/v1/invoice_payments/*", "InvoicePaymentRetrieveParams", retrieve_payment),
]
