"""Credit notes: a final invoice is lowered, by what is still due first, by what was paid then."""

from subscriptions.stripe.simulator import collecting, money, taxes
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.listing import page, page_of
from subscriptions.stripe.simulator.resources import refunds
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, listed, new_id

CREDITABLE = ("open", "paid", "uncollectible")


def create(call: Call) -> Json:
    invoice = call.get("invoice", call.params["invoice"], param="invoice")
    if invoice["status"] not in CREDITABLE:
        raise ApiError(
            f"Credit notes cannot be created for invoices with status {invoice['status']}.", param="invoice"
        )
    number = f"{invoice['number']}-CN-{len(notes_of(call, invoice)) + 1:02d}"
    lines = _lines(call, invoice)
    note = _blank(call, invoice, lines=lines, number=number)
    _check_amount(call, invoice, amount=note["total"])
    before_payment = min(note["total"], invoice["amount_remaining"])
    note |= _split(note["total"], before_payment=before_payment)
    note["refunds"] = _give_back(call, invoice, amount=note["post_payment_amount"])
    note["out_of_band_amount"] = call.params.get("out_of_band_amount")
    note["_credit_amount"] = call.params.get("credit_amount", 0)
    call.make(note, event="credit_note.created")
    _lower(call, invoice, note=note, sign=1)
    return note


def notes_of(call: Call, invoice: Json) -> list[Json]:
    return call.store.select("credit_note", matching={"invoice": invoice["id"]})


def _split(total: int, *, before_payment: int) -> Json:
    kinds = {0: "post_payment", total: "pre_payment"}
    return {
        "pre_payment_amount": before_payment,
        "post_payment_amount": total - before_payment,
        "type": kinds.get(before_payment, "mixed"),
    }


def _check_amount(call: Call, invoice: Json, *, amount: int) -> None:
    if amount < 1:
        raise ApiError("The credit note amount must be greater than zero.", param="amount")
    issued = sum(note["total"] for note in notes_of(call, invoice) if note["status"] == "issued")
    left = invoice["total"] - issued - _refunded_alone(call, invoice)
    if amount > left:
        written = money.text(amount, currency=invoice["currency"])
        there = money.text(max(left, 0), currency=invoice["currency"])
        raise ApiError(
            f"The credit note amount ({written}) is greater than the amount that can be credited ({there}).",
            param="amount",
        )


def _refunded_alone(call: Call, invoice: Json) -> int:
    """What was refunded of the invoice's charge without any credit note."""
    joined = {each["refund"] for note in notes_of(call, invoice) for each in note["refunds"]}
    linked = {each["refund"] for each in call.params.get("refunds", []) if "refund" in each}
    charge = _charge_of(call, invoice)
    if charge is None:
        return 0
    made = call.store.select("refund", matching={"charge": charge["id"]})
    return sum(each["amount"] for each in made if each["id"] not in joined | linked)


def _charge_of(call: Call, invoice: Json) -> Json | None:
    for payment in call.store.select(
        "invoice_payment", matching={"invoice": invoice["id"], "status": "paid"}
    ):
        intent = call.get("payment_intent", payment["payment"]["payment_intent"])
        return call.get("charge", intent["latest_charge"])
    return None


def _give_back(call: Call, invoice: Json, *, amount: int) -> list[Json]:
    """What was paid goes back as the call says: refunded, credited, or outside. The sum must be `amount`."""
    params = call.params
    linked = [_linked(call, each, invoice=invoice) for each in params.get("refunds", [])]
    refunded, credited = params.get("refund_amount", 0), params.get("credit_amount", 0)
    outside = params.get("out_of_band_amount", 0)
    if min(refunded, credited, outside) < 0:
        raise ApiError("The amounts given back cannot be negative.", param="refund_amount")
    given = refunded + credited + outside + sum(each["amount_refunded"] for each in linked)
    if given != amount:
        raise ApiError(
            "The sum of refund amount, credit amount and out of band amount "
            f"({money.text(given, currency=invoice['currency'])}) must equal the post payment credit note "
            f"amount ({money.text(amount, currency=invoice['currency'])}).",
            param="refund_amount",
        )
    if credited:
        _credit(call, invoice, amount=credited)
    if refunded:
        linked.append(_refund(call, invoice, amount=refunded))
    return linked


def _linked(call: Call, given: Json, *, invoice: Json) -> Json:
    refund = call.get("refund", given.get("refund", ""), param="refunds[refund]")
    charge = _charge_of(call, invoice)
    if charge is None or refund["charge"] != charge["id"]:
        raise ApiError("The refund does not belong to this invoice.", param="refunds[refund]")
    amount = int(given.get("amount_refunded") or refund["amount"])
    return _refund_entry(refund["id"], amount=amount)


def _refund(call: Call, invoice: Json, *, amount: int) -> Json:
    charge = _charge_of(call, invoice)
    if charge is None:
        raise ApiError("There is no charge on this invoice to refund.", param="refund_amount")
    made = refunds.refund(call, charge, amount=amount)
    return _refund_entry(made["id"], amount=amount)


def _refund_entry(refund_id: str, *, amount: int) -> Json:
    return {
        "amount_refunded": amount,
        "payment_record_refund": None,
        "refund": refund_id,
        "type": "refund",
    }


def _credit(call: Call, invoice: Json, *, amount: int) -> None:
    customer = call.get("customer", invoice["customer"])
    call.change(customer, event="customer.updated", balance=customer["balance"] - amount)


def _lower(call: Call, invoice: Json, *, note: Json, sign: int) -> None:
    """The invoice with the note's amounts taken off, or with sign -1 put on again."""
    before, after = sign * note["pre_payment_amount"], sign * note["post_payment_amount"]
    lowered = {
        **call.get("invoice", invoice["id"]),
        "amount_due": invoice["amount_due"] - before,
        "amount_remaining": invoice["amount_remaining"] - before,
        "pre_payment_credit_notes_amount": invoice["pre_payment_credit_notes_amount"] + before,
        "post_payment_credit_notes_amount": invoice["post_payment_credit_notes_amount"] + after,
    }
    if before and lowered["amount_remaining"] == 0:
        collecting.stop(call, invoice, reason="automatic")
        collecting.mark_paid(call, lowered, amount=0)
        return
    if before:
        collecting.resize(call, invoice, amount=lowered["amount_remaining"])
    call.save(lowered, event="invoice.updated")


def _lines(call: Call, invoice: Json) -> list[Json]:
    params = call.params
    if ("amount" in params) == ("lines" in params):
        raise ApiError(
            "You must provide exactly one of amount or lines.", code="parameters_exclusive", param="amount"
        )
    if "lines" in params:
        return [_line(call, given, invoice=invoice) for given in params["lines"]]
    return [_whole_line(invoice, amount=params["amount"])]


def _whole_line(invoice: Json, *, amount: int) -> Json:
    """An amount of the whole invoice, tax included; the tax is its share of the invoice's."""
    shares = [
        {
            **tax,
            "amount": money.share(tax["amount"], part=amount, whole=invoice["total"]),
            "taxable_amount": money.share(tax["taxable_amount"], part=amount, whole=invoice["total"]),
        }
        for tax in invoice["total_taxes"]
    ]
    untaxed = amount - sum(tax["amount"] for tax in shares)
    return _line_body({"description": None}, amount=untaxed, tax=shares, unit=untaxed)


def _line(call: Call, given: Json, *, invoice: Json) -> Json:
    quantity = given.get("quantity", 1)
    if given["type"] == "custom_line_item":
        unit = given.get("unit_amount", given.get("amount"))
        if unit is None:
            raise ApiError(
                "Missing required param: lines[unit_amount].",
                code="parameter_missing",
                param="lines[unit_amount]",
            )
        return _line_body(given, amount=unit * quantity, tax=[], unit=unit)
    lines = {line["id"]: line for line in invoice["lines"]["data"]}
    line = lines.get(given.get("invoice_line_item", ""))
    if line is None:
        raise ApiError(
            f"No such invoice line item: '{given.get('invoice_line_item')}'",
            status=404,
            code="resource_missing",
            param="lines[invoice_line_item]",
        )
    of_quantity = money.share(line["amount"], part=quantity, whole=line["quantity"] or 1)
    amount = given.get("amount", of_quantity if "quantity" in given else line["amount"])
    tax = [
        {
            **each,
            "amount": money.share(each["amount"], part=amount, whole=line["amount"]),
            "taxable_amount": amount if each["taxable_amount"] else 0,
        }
        for each in line["taxes"]
    ]
    described = {**given, "description": given.get("description") or line["description"]}
    return _line_body(
        described, amount=amount, tax=tax, unit=money.share(amount, part=1, whole=quantity or 1)
    )


def _line_body(given: Json, *, amount: int, tax: list[Json], unit: int) -> Json:
    return {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": given.get("description"),
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": given.get("invoice_line_item"),
        "livemode": False,
        "metadata": given.get("metadata") or {},
        "pretax_credit_amounts": [],
        "quantity": given.get("quantity", 1),
        "tax_rates": [],
        "taxes": tax,
        "type": given.get("type", "custom_line_item"),
        "unit_amount": unit,
        "unit_amount_decimal": str(unit),
    }


def _blank(call: Call, invoice: Json, *, lines: list[Json], number: str) -> Json:
    note_id = new_id("cn")
    total_taxes = taxes.summed([tax for line in lines for tax in line["taxes"]])
    subtotal = sum(line["amount"] for line in lines)
    total = subtotal + sum(tax["amount"] for tax in total_taxes)
    return {
        "id": note_id,
        "object": "credit_note",
        "amount": total,
        "amount_shipping": 0,
        "created": call.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": call.params.get("effective_at", call.now),
        "invoice": invoice["id"],
        "lines": listed(lines, url=f"/v1/credit_notes/{note_id}/lines", total_count=len(lines)),
        "livemode": False,
        "memo": call.params.get("memo"),
        "metadata": call.with_metadata({}),
        "number": number,
        "pdf": f"{invoice['hosted_invoice_url']}?credit_note={note_id}",
        "pretax_credit_amounts": [],
        "reason": call.params.get("reason"),
        "shipping_cost": None,
        "status": "issued",
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": subtotal,
        "total_taxes": total_taxes,
        "voided_at": None,
    }


def void(call: Call) -> Json:
    """Only what lowered an invoice that still is open can be taken back."""
    note = call.at_path("credit_note")
    invoice = call.get("invoice", note["invoice"])
    if note["status"] == "void":
        raise ApiError("This credit note is already void.")
    if invoice["status"] != "open" or note["post_payment_amount"]:
        raise ApiError("You can only void a credit note of an open invoice.")
    _lower(call, invoice, note=note, sign=-1)
    voided = call.change(note, event="credit_note.updated", status="void", voided_at=call.now)
    call.emit("credit_note.voided", voided)
    return voided


def retrieve(call: Call) -> Json:
    return call.at_path("credit_note")


def update(call: Call) -> Json:
    note = call.at_path("credit_note")
    memo = call.params.get("memo", note["memo"])
    return call.change(note, event="credit_note.updated", metadata=call.with_metadata(note), memo=memo)


def list_notes(call: Call) -> Json:
    matching = {name: call.params.get(name) for name in ("customer", "invoice")}
    return page(call, "credit_note", url="/v1/credit_notes", matching=matching)


def list_lines(call: Call) -> Json:
    note = call.at_path("credit_note", param="credit_note")
    url = f"/v1/credit_notes/{note['id']}/lines"
    return page_of(call, note["lines"]["data"], url=url, kind="credit_note_line_item")


ROUTES = [
    Route("POST", "/v1/credit_notes", "CreditNoteCreateParams", create),
    Route("GET", "/v1/credit_notes", "CreditNoteListParams", list_notes),
    Route("GET", "/v1/credit_notes/*", "CreditNoteRetrieveParams", retrieve),
    Route("POST", "/v1/credit_notes/*", "CreditNoteUpdateParams", update),
    Route("GET", "/v1/credit_notes/*/lines", "CreditNoteLineItemListParams", list_lines),
    Route("POST", "/v1/credit_notes/*/void", "CreditNoteVoidCreditNoteParams", void),
]
