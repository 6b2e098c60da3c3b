"""Invoices as drafts: made, changed, filled with lines, thrown away; and read."""

from subscriptions.stripe.simulator import invoice_lines
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.listing import page, page_of
from subscriptions.stripe.simulator.resources import customers, invoice_items, payment_methods
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, listed, new_id

SECONDS_PER_DAY = 86_400
FINALIZED_AFTER_S = 3_600
# What may still change once an invoice is final.
ALWAYS_EDITABLE = {"auto_advance", "default_payment_method", "expand", "metadata"}
PLAIN_FIELDS = (
    "account_tax_ids",
    "custom_fields",
    "description",
    "effective_at",
    "footer",
    "number",
    "rendering",
    "shipping_details",
    "statement_descriptor",
)
# What a new invoice has none of yet, and what never is simulated.
UNSET = (
    "account_tax_ids",
    "application",
    "automatically_finalizes_at",
    "custom_fields",
    "customer_account",
    "default_payment_method",
    "default_source",
    "description",
    "due_date",
    "effective_at",
    "ending_balance",
    "footer",
    "from_invoice",
    "hosted_invoice_url",
    "invoice_pdf",
    "last_finalization_error",
    "latest_revision",
    "next_payment_attempt",
    "number",
    "on_behalf_of",
    "parent",
    "receipt_number",
    "rendering",
    "shipping_cost",
    "shipping_details",
    "statement_descriptor",
    "test_clock",
    "threshold_reason",
    "webhooks_delivered_at",
)
ZERO = (
    "amount_overpaid",
    "amount_paid",
    "amount_paid_off_stripe",
    "amount_shipping",
    "attempt_count",
    "post_payment_credit_notes_amount",
    "pre_payment_credit_notes_amount",
    "starting_balance",
)
TRANSITIONS = ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
NO_TAX: Json = {
    "disabled_reason": None,
    "enabled": False,
    "liability": None,
    "provider": None,
    "status": None,
}
NO_PAYMENT_SETTINGS = dict.fromkeys(("default_mandate", "payment_method_options", "payment_method_types"))


def create(call: Call) -> Json:
    params = call.params
    if not params.get("customer"):
        raise ApiError("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = call.get("customer", params["customer"], param="customer")
    currency = (params.get("currency") or customer["currency"] or "usd").lower()
    invoice = {**_blank(call, customer=customer, currency=currency), **_settings(call, customer)}
    invoice["metadata"] = call.with_metadata({})
    call.store.insert(invoice)
    invoice = invoice_lines.with_lines(call, invoice, _pending_lines(call, invoice))
    call.save(invoice)
    call.emit("invoice.created", invoice)
    return invoice


def _pending_lines(call: Call, invoice: Json) -> list[Json]:
    if call.params.get("pending_invoice_items_behavior") != "include":
        return []
    found = invoice_items.pending(call, customer=invoice["customer"], currency=invoice["currency"])
    items = [call.change(item, invoice=invoice["id"]) for item in found]
    return [invoice_lines.make_line(call, invoice, item, item=item) for item in items]


def _blank(call: Call, *, customer: Json, currency: str) -> Json:
    invoice_id = new_id("in")
    return {
        "id": invoice_id,
        "object": "invoice",
        **dict.fromkeys(UNSET),
        **dict.fromkeys(ZERO, 0),
        "account_country": "US",
        "account_name": "Stripe simulator",
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {**NO_TAX},
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "created": call.now,
        "currency": currency,
        "customer": customer["id"],
        **_of_customer(customer),
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "lines": listed([], url=f"/v1/invoices/{invoice_id}/lines", total_count=0),
        "livemode": False,
        "metadata": {},
        "payment_settings": {**NO_PAYMENT_SETTINGS},
        "period_end": call.now,
        "period_start": call.now,
        "status": "draft",
        "status_transitions": dict.fromkeys(TRANSITIONS),
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
    }


def _of_customer(customer: Json) -> Json:
    """The customer as the invoice names them: copied until it is final."""
    return {
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
    }


def _settings(call: Call, customer: Json) -> Json:
    """The fields of an invoice that this call sets."""
    params = call.params
    fields: Json = {name: params[name] or None for name in PLAIN_FIELDS if name in params}
    if "auto_advance" in params:
        fields["auto_advance"] = params["auto_advance"]
        fields["automatically_finalizes_at"] = (
            call.now + FINALIZED_AFTER_S if params["auto_advance"] else None
        )
    if "automatic_tax" in params:
        fields["automatic_tax"] = _automatic_tax(params["automatic_tax"]["enabled"], customer)
    if token := params.get("default_payment_method"):
        param = "default_payment_method"
        method = payment_methods.owned(call, token, customer=customer["id"], param=param)
        fields["default_payment_method"] = method["id"]
    if "payment_settings" in params:
        fields["payment_settings"] = {**NO_PAYMENT_SETTINGS, **params["payment_settings"]}
    return {**fields, **_terms(call)}


def _terms(call: Call) -> Json:
    """How it is collected, and until when it is to be paid."""
    params = call.params
    method = params.get("collection_method")
    has_term = "days_until_due" in params or "due_date" in params
    if method == "send_invoice" and not has_term:
        raise ApiError(
            "If collection_method is `send_invoice`, you must specify `days_until_due` or `due_date`.",
            param="days_until_due",
        )
    if has_term and method == "charge_automatically":
        raise ApiError(
            "You can only set `days_until_due` or `due_date` if collection_method is `send_invoice`.",
            param="days_until_due",
        )
    fields: Json = {"collection_method": method} if method else {}
    if "due_date" in params:
        fields["due_date"] = params["due_date"]
    elif "days_until_due" in params:
        fields["due_date"] = call.now + params["days_until_due"] * SECONDS_PER_DAY
    return fields


def _automatic_tax(is_enabled: bool, customer: Json) -> Json:
    if is_enabled:
        customers.check_tax_location(customer)
    if not is_enabled:
        return {**NO_TAX}
    by_stripe = {"liability": {"type": "self"}, "provider": "stripe", "status": "complete"}
    return {**NO_TAX, **by_stripe, "enabled": True}


def update(call: Call) -> Json:
    invoice = call.at_path("invoice", param="invoice")
    if call.params.keys() - ALWAYS_EDITABLE:
        invoice_lines.check_draft(invoice)
    customer = call.get("customer", invoice["customer"])
    changed = {**invoice, **_settings(call, customer), "metadata": call.with_metadata(invoice)}
    if invoice["status"] == "draft":
        changed = refreshed(call, changed)
    return call.save(changed, event="invoice.updated")


def refreshed(call: Call, draft: Json) -> Json:
    """The draft with the customer, taxes and totals as they are now."""
    customer = call.get("customer", draft["customer"])
    if draft["automatic_tax"]["enabled"]:
        customers.check_tax_location(customer)
    return invoice_lines.with_lines(call, {**draft, **_of_customer(customer)}, draft["lines"]["data"])


def delete(call: Call) -> Json:
    invoice = call.at_path("invoice", param="invoice")
    if invoice["status"] != "draft":
        raise ApiError(
            "You can only delete draft invoices. Finalized invoices can be voided instead.",
            code="invoice_not_editable",
        )
    for item in call.store.select("invoiceitem", matching={"invoice": invoice["id"]}):
        call.store.delete(item["id"])
    call.store.delete(invoice["id"])
    call.emit("invoice.deleted", invoice)
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


def add_lines(call: Call) -> Json:
    invoice = call.at_path("invoice", param="invoice")
    invoice_lines.check_draft(invoice)
    if "invoice_metadata" in call.params:
        call.params["metadata"] = call.params["invoice_metadata"]
        invoice = call.change(invoice, metadata=call.with_metadata(invoice))
    items = [_item_of_line(call, invoice, given) for given in call.params["lines"]]
    invoice_items.put_on(call, invoice, items=items)
    return call.at_path("invoice")


def _item_of_line(call: Call, invoice: Json, given: Json) -> tuple[Json, Json]:
    if item_id := given.get("invoice_item"):
        item = call.get("invoiceitem", item_id, param="lines[invoice_item]")
        return item, {**item, **given}
    item = invoice_items.make_item(call, given, customer=invoice["customer"], currency=invoice["currency"])
    return item, given


def retrieve(call: Call) -> Json:
    return call.at_path("invoice", param="invoice")


def list_invoices(call: Call) -> Json:
    matching = {name: call.params.get(name) for name in ("customer", "status", "collection_method")}
    return page(
        call, "invoice", url="/v1/invoices", matching={**matching, "due_date": call.params.get("due_date")}
    )


def list_lines(call: Call) -> Json:
    invoice = call.at_path("invoice", param="invoice")
    rows = invoice["lines"]["data"]
    return page_of(call, rows, url=f"/v1/invoices/{invoice['id']}/lines", kind="line_item")


ROUTES = [
    Route("POST", "/v1/invoices", "InvoiceCreateParams", create),
    Route("GET", "/v1/invoices", "InvoiceListParams", list_invoices),
    Route("GET", "/v1/invoices/*", "InvoiceRetrieveParams", retrieve),
    Route("POST", "/v1/invoices/*", "InvoiceUpdateParams", update),
    Route("DELETE", "/v1/invoices/*", "InvoiceDeleteParams", delete),
    Route("GET", "/v1/invoices/*/lines", "InvoiceLineItemListParams", list_lines),
    Route("POST", "/v1/invoices/*/add_lines", "InvoiceAddLinesParams", add_lines),
]
