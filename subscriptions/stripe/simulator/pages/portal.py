"""The billing portal: a customer's cards and invoices."""

import time

from subscriptions.stripe.simulator import money
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.http import Answer
from subscriptions.stripe.simulator.pages import card_form
from subscriptions.stripe.simulator.pages.card_form import Entered
from subscriptions.stripe.simulator.pages.rendering import Html, fill, joined, page, redirect
from subscriptions.stripe.simulator.resources import customers, payment_methods, setup_intents
from subscriptions.stripe.simulator.store import Json

INVOICES_SHOWN = 24


def show(call: Call) -> Answer:
    session = call.at_path("billing_portal.session")
    return _page(call, session, Entered())


def add_card(call: Call, form: dict[str, str]) -> Answer:
    session = call.at_path("billing_portal.session")
    method, entered = card_form.read(call, form)
    if method is None:
        return _page(call, session, entered)
    intent = setup_intents.make(call, customer=session["customer"])
    is_default = bool(form.get("default")) or session["flow"] is not None
    after = _after(session)
    intent = call.change(intent, _continue=after, _becomes_default=is_default)
    intent = setup_intents.attempt(call, intent, method=method)
    if intent["status"] == "requires_action":
        return redirect(f"/authenticate/{intent['id']}")
    if intent["last_setup_error"]:
        entered.problem = intent["last_setup_error"]["message"]
        return _page(call, session, entered)
    keep_new_card(call, intent)
    return redirect(after)


def keep_new_card(call: Call, intent: Json) -> None:
    """The card an intent of the portal saved becomes the default, if that was wished."""
    if intent.get("_becomes_default"):
        customer = call.get("customer", intent["customer"])
        customers.with_default(call, customer, method_id=intent["payment_method"])
        call.change(intent, _becomes_default=False)


def make_default(call: Call, form: dict[str, str]) -> Answer:
    session, method = _own(call)
    customer = call.get("customer", session["customer"])
    customers.with_default(call, customer, method_id=method["id"])
    return redirect(f"/portal/{session['id']}")


def remove(call: Call, form: dict[str, str]) -> Answer:
    session, method = _own(call)
    payment_methods.detach_from(call, method)
    return redirect(f"/portal/{session['id']}")


def _own(call: Call) -> tuple[Json, Json]:
    session = call.at_path("billing_portal.session")
    method = payment_methods.owned(
        call, call.path_ids[1], customer=session["customer"], param="payment_method"
    )
    return session, method


def _after(session: Json) -> str:
    after = (session["flow"] or {}).get("after_completion", {})
    if after.get("type") == "redirect":
        return str(after["redirect"]["return_url"])
    return f"/portal/{session['id']}"


def _page(call: Call, session: Json, entered: Entered) -> Answer:
    customer = call.get("customer", session["customer"])
    is_flow = session["flow"] is not None
    form = card_form.render(
        entered,
        action=f"/portal/{session['id']}/cards",
        button="Save card",
        extra=Html("") if is_flow else fill("default_choice.html"),
    )
    back = fill("link.html", url=session["return_url"], text="Back") if session["return_url"] else Html("")
    body = fill(
        "portal.html",
        name=customer["name"] or customer["email"] or customer["id"],
        cards=_cards(call, session, customer),
        form=form,
        invoices=Html("") if is_flow else _invoices(call, customer),
        back=back,
    )
    return page("Your billing", body, status=422 if entered.errors or entered.problem else 200)


def _cards(call: Call, session: Json, customer: Json) -> Html:
    default = customer["invoice_settings"]["default_payment_method"]
    methods = call.store.select("payment_method", matching={"customer": customer["id"]}, newest_first=True)
    if not methods:
        return fill("paragraph.html", text="No card is saved yet.")
    return fill(
        "saved_cards.html",
        rows=joined([_card(session, method, is_default=method["id"] == default) for method in methods]),
    )


def _card(session: Json, method: Json, *, is_default: bool) -> Html:
    card = method["card"]
    action = f"/portal/{session['id']}/cards/{method['id']}"
    label = f"{card['brand'].capitalize()} ending in {card['last4']}"
    state = Html('<span class="tag">Default</span>')
    if not is_default:
        state = fill("button.html", action=f"{action}/default", text="Make default", label=label)
    return fill(
        "saved_card.html",
        label=label,
        expiry=f"{card['exp_month']:02d} / {card['exp_year']}",
        state=state,
        remove=fill("button.html", action=f"{action}/remove", text="Remove", label=label),
    )


def _invoices(call: Call, customer: Json) -> Html:
    found = call.store.select(
        "invoice",
        matching={"customer": customer["id"], "status": ["open", "paid", "uncollectible", "void"]},
        newest_first=True,
        limit=INVOICES_SHOWN,
    )
    if not found:
        return fill("paragraph.html", text="There are no invoices yet.")
    rows = [
        fill(
            "invoice_row.html",
            url=invoice["hosted_invoice_url"],
            number=invoice["number"],
            date=date_text(invoice["created"]),
            status=invoice["status"],
            total=money.text(invoice["total"], currency=invoice["currency"]),
        )
        for invoice in found
    ]
    return fill("invoices.html", rows=joined(rows))


def date_text(at: int) -> str:
    return time.strftime("%d %b %Y", time.gmtime(at))
