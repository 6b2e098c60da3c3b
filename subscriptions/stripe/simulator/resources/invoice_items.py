"""Invoice items: what a customer is to be charged, on a draft or on the next one."""

from subscriptions.stripe.simulator import invoice_lines
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.listing import page
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, new_id


def create(call: Call) -> Json:
    params = call.params
    invoice = None
    if invoice_id := params.get("invoice"):
        invoice = call.get("invoice", invoice_id, param="invoice")
        invoice_lines.check_draft(invoice)
    customer_id = params.get("customer") or (invoice or {}).get("customer")
    if not customer_id:
        raise ApiError("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = call.get("customer", customer_id, param="customer")
    if invoice and invoice["customer"] != customer["id"]:
        raise ApiError("The invoice belongs to another customer.", param="invoice")
    currency = _currency(call, customer=customer, invoice=invoice)
    given = {**params, "metadata": call.with_metadata({})}
    item = make_item(call, given, customer=customer["id"], currency=currency)
    call.emit("invoiceitem.created", item)
    return put_on(call, invoice, items=[(item, given)])[0] if invoice else item


def _currency(call: Call, *, customer: Json, invoice: Json | None) -> str:
    data = call.params.get("price_data", {})
    fallback = invoice["currency"] if invoice else customer["currency"] or "usd"
    currency: str = (call.params.get("currency") or data.get("currency") or fallback).lower()
    if invoice and invoice["currency"] != currency:
        raise ApiError(
            f"The currency of the invoice item ({currency}) does not match that of the invoice "
            f"({invoice['currency']}).",
            param="currency",
        )
    return currency


def make_item(call: Call, given: Json, *, customer: str, currency: str) -> Json:
    """An item that waits for an invoice."""
    amount, unit = invoice_lines.priced(given)
    quantity = given.get("quantity", 1)
    body = {
        "id": new_id("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "date": call.now,
        "description": given.get("description") or None,
        "discountable": given.get("discountable", True),
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": given.get("metadata") or {},
        "net_amount": amount,
        "parent": None,
        "period": given.get("period") or {"start": call.now, "end": call.now},
        "pricing": {"type": "price_details", "price_details": None, "unit_amount_decimal": unit},
        "proration": False,
        "proration_details": None,
        "quantity": quantity,
        "quantity_decimal": str(given.get("quantity_decimal", quantity)),
        "tax_rates": [],
        "test_clock": None,
    }
    return call.make(body)


def put_on(call: Call, invoice: Json, *, items: list[tuple[Json, Json]]) -> list[Json]:
    """Each item, with what was asked for, as a line of the draft."""
    joined = [call.change(item, invoice=invoice["id"]) for item, _ in items]
    added = [invoice_lines.make_line(call, invoice, given, item=item) for item, given in items]
    lines = [*invoice["lines"]["data"], *added]
    call.save(invoice_lines.with_lines(call, invoice, lines), event="invoice.updated")
    return joined


def pending(call: Call, *, customer: str, currency: str) -> list[Json]:
    matching = {"customer": customer, "invoice": None, "currency": currency}
    return call.store.select("invoiceitem", matching=matching)


def retrieve(call: Call) -> Json:
    return call.at_path("invoiceitem")


def update(call: Call) -> Json:
    item = call.at_path("invoiceitem")
    call.may_change("description", "metadata")
    description = call.params.get("description", item["description"])
    changed = {**item, "metadata": call.with_metadata(item), "description": description}
    if item["invoice"]:
        invoice = call.get("invoice", item["invoice"])
        invoice_lines.check_draft(invoice)
        fields = {"description": description, "metadata": changed["metadata"]}
        lines = [{**line, **fields} if _is_of(line, item) else line for line in invoice["lines"]["data"]]
        call.save(invoice_lines.with_lines(call, invoice, lines), event="invoice.updated")
    return call.save(changed)


def delete(call: Call) -> Json:
    item = call.at_path("invoiceitem")
    if item["invoice"]:
        invoice = call.get("invoice", item["invoice"])
        invoice_lines.check_draft(invoice)
        kept = [line for line in invoice["lines"]["data"] if not _is_of(line, item)]
        call.save(invoice_lines.with_lines(call, invoice, kept), event="invoice.updated")
    call.store.delete(item["id"])
    call.emit("invoiceitem.deleted", item)
    return {"id": item["id"], "object": "invoiceitem", "deleted": True}


def _is_of(line: Json, item: Json) -> bool:
    return bool(line["parent"]["invoice_item_details"]["invoice_item"] == item["id"])


def list_items(call: Call) -> Json:
    matching = {name: call.params.get(name) for name in ("customer", "invoice")}
    is_pending = call.params.get("pending")
    rows = page(call, "invoiceitem", url="/v1/invoiceitems", matching=matching)
    if is_pending is not None:
        rows["data"] = [row for row in rows["data"] if (row["invoice"] is None) == is_pending]
    return rows


ROUTES = [
    Route("POST", "/v1/invoiceitems", "InvoiceItemCreateParams", create),
    Route("GET", "/v1/invoiceitems", "InvoiceItemListParams", list_items),
    Route("GET", "/v1/invoiceitems/*", "InvoiceItemRetrieveParams", retrieve),
    Route("POST", "/v1/invoiceitems/*", "InvoiceItemUpdateParams", update),
    Route("DELETE", "/v1/invoiceitems/*", "InvoiceItemDeleteParams", delete),
]
