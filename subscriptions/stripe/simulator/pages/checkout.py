"""The Checkout page: somebody saves a card, or pays once."""

from subscriptions.stripe.simulator import collecting, money
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.http import Answer
from subscriptions.stripe.simulator.pages import card_form
from subscriptions.stripe.simulator.pages.card_form import Entered
from subscriptions.stripe.simulator.pages.rendering import Html, fill, joined, page, redirect
from subscriptions.stripe.simulator.resources import checkout_sessions, setup_intents
from subscriptions.stripe.simulator.store import Json

PLACEHOLDER = "{CHECKOUT_SESSION_ID}"


def show(call: Call) -> Answer:
    session = call.at_path("checkout.session")
    if session["status"] != "open":
        return _closed(session)
    entered = Entered(problem=_last_problem(call, session))
    return _form(session, entered)


def submit(call: Call, form: dict[str, str]) -> Answer:
    session = call.at_path("checkout.session")
    if session["status"] != "open":
        return _closed(session)
    method, entered = card_form.read(call, form)
    if method is None:
        return _form(session, entered)
    intent = _attempt(call, session, method=method)
    if intent["status"] == "requires_action":
        call.change(intent, _continue=f"/checkout/{session['id']}")
        return redirect(f"/authenticate/{intent['id']}")
    if intent["status"] == "succeeded":
        return finish(call, call.at_path("checkout.session"), intent=intent)
    entered.problem = _last_problem(call, call.at_path("checkout.session"))
    return _form(session, entered)


def finish(call: Call, session: Json, *, intent: Json) -> Answer:
    """The session is complete, and who sat at it goes on to the shop."""
    if intent["object"] == "payment_intent":
        done = checkout_sessions.complete(call, session, payment_intent=intent["id"], payment_status="paid")
    else:
        done = checkout_sessions.complete(call, session)
    return _closed(done)


def _attempt(call: Call, session: Json, *, method: Json) -> Json:
    if session["mode"] == "setup":
        intent = call.get("setup_intent", session["setup_intent"])
        return setup_intents.attempt(call, intent, method=method, return_url=session["success_url"])
    intent = checkout_sessions.intent_to_pay(call, session)
    return collecting.collect(call, intent, method=method, is_on_session=True)


def _last_problem(call: Call, session: Json) -> str:
    intent = call.store.find(session["setup_intent"] or session["payment_intent"] or "") or {}
    error = intent.get("last_setup_error") or intent.get("last_payment_error") or {}
    return str(error.get("message", ""))


def _form(session: Json, entered: Entered) -> Answer:
    is_setup = session["mode"] == "setup"
    total = "" if is_setup else money.text(session["amount_total"], currency=session["currency"])
    title = "Save a card" if is_setup else f"Pay {total}"
    form = card_form.render(
        entered,
        action=f"/checkout/{session['id']}",
        button="Save card" if is_setup else f"Pay {total}",
    )
    body = fill(
        "checkout.html",
        title=title,
        summary=_summary(session),
        form=form,
        back=_link(session["cancel_url"], "Back without saving" if is_setup else "Back without paying"),
    )
    return page(title, body, status=422 if entered.errors or entered.problem else 200)


def _summary(session: Json) -> Html:
    rows = [
        fill(
            "amount_row.html",
            text=f"{item['description'] or 'Item'} × {item['quantity']}",
            amount=money.text(item["amount_total"], currency=item["currency"]),
        )
        for item in session.get("_line_items", [])
    ]
    if not rows:
        told = (session["custom_text"].get("submit") or {}).get("message")
        kept = "The card is kept for later charges. Nothing is charged now."
        return fill("paragraph.html", text=told or kept)
    return fill("amounts.html", rows=joined(rows))


def _link(url: str | None, text: str) -> Html:
    return fill("link.html", url=url, text=text) if url else Html("")


def _closed(session: Json) -> Answer:
    if session["status"] == "complete" and session["success_url"]:
        return redirect(session["success_url"].replace(PLACEHOLDER, session["id"]))
    text = {
        "complete": "Done. You can close this page.",
        "expired": "This Checkout session has expired. Go back to where you came from and start again.",
    }[session["status"]]
    body = fill("message.html", title="Checkout", text=text, link=_link(session["cancel_url"], "Back"))
    return page("Checkout", body, status=200 if session["status"] == "complete" else 410)
