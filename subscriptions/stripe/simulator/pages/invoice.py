"""The hosted invoice: what is billed, and a form to pay it by card."""

from subscriptions.stripe.simulator import collecting, money
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.http import Answer
from subscriptions.stripe.simulator.pages import card_form
from subscriptions.stripe.simulator.pages.card_form import Entered
from subscriptions.stripe.simulator.pages.portal import date_text
from subscriptions.stripe.simulator.pages.rendering import Html, fill, joined, page, redirect
from subscriptions.stripe.simulator.resources import credit_notes
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import no_such

PAYABLE = ("open", "uncollectible")


def show(call: Call) -> Answer:
    invoice = _invoice(call)
    intent = collecting.intent_of(call, invoice) or {}
    error = intent.get("last_payment_error") or {}
    return _page(call, invoice, Entered(problem=error.get("message", "")))


def pay(call: Call, form: dict[str, str]) -> Answer:
    invoice = _invoice(call)
    address = _address(call)
    intent = collecting.intent_of(call, invoice)
    if invoice["status"] not in PAYABLE or intent is None:
        return redirect(address)
    method, entered = card_form.read(call, form)
    if method is None:
        return _page(call, invoice, entered)
    intent = call.change(intent, _continue=address)
    intent = collecting.collect(call, intent, method=method, is_on_session=True)
    if intent["status"] == "requires_action":
        return redirect(f"/authenticate/{intent['id']}")
    if intent["last_payment_error"]:
        entered.problem = intent["last_payment_error"]["message"]
        return _page(call, _invoice(call), entered)
    return redirect(address)


def _address(call: Call) -> str:
    return f"/invoice/{call.path_ids[0]}/{call.path_ids[1]}"


def _invoice(call: Call) -> Json:
    """The invoice of the address; its secret part must be right."""
    invoice = call.at_path("invoice")
    if not (invoice["hosted_invoice_url"] or "").endswith(_address(call)):
        raise no_such("invoice", call.path_id)
    return invoice


def _page(call: Call, invoice: Json, entered: Entered) -> Answer:
    currency = invoice["currency"]
    due = money.text(invoice["amount_remaining"], currency=currency)
    form, confirmation = Html(""), Html("")
    if invoice["status"] in PAYABLE:
        confirmation = _confirmation(call, invoice)
        form = card_form.render(entered, action=_address(call), button=f"Pay {due}")
    body = fill(
        "invoice.html",
        number=invoice["number"],
        status=invoice["status"],
        customer=invoice["customer_name"] or invoice["customer_email"] or invoice["customer"],
        date=date_text(invoice["status_transitions"]["finalized_at"]),
        due_date=f"Due {date_text(invoice['due_date'])}" if invoice["due_date"] else "",
        description=invoice["description"] or "",
        rows=joined(_rows(call, invoice)),
        confirmation=confirmation,
        form=form,
    )
    return page(f"Invoice {invoice['number']}", body, status=422 if entered.errors else 200)


def _confirmation(call: Call, invoice: Json) -> Html:
    """The way to the bank's page, where the last attempt waits for the holder."""
    intent = collecting.intent_of(call, invoice)
    if intent is None or intent["status"] != "requires_action":
        return Html("")
    if not intent.get("_continue"):
        call.change(intent, _continue=_address(call))
    return fill("confirmation.html", url=f"/authenticate/{intent['id']}")


def _rows(call: Call, invoice: Json) -> list[Html]:
    notes = [note for note in credit_notes.notes_of(call, invoice) if note["status"] == "issued"]
    entries = [
        *((line["description"] or "Line", line["amount"]) for line in invoice["lines"]["data"]),
        *(("Tax", tax["amount"]) for tax in invoice["total_taxes"] if tax["amount"]),
        ("Total", invoice["total"]),
        *((f"Credit note {note['number']}", -note["total"]) for note in notes),
        *([("Paid", invoice["amount_paid"])] if invoice["amount_paid"] else []),
        ("Still due", 0 if invoice["status"] == "void" else invoice["amount_remaining"]),
    ]
    return [
        fill("amount_row.html", text=text, amount=money.text(amount, currency=invoice["currency"]))
        for text, amount in entries
    ]
