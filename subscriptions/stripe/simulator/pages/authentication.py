"""The bank's page in between: the holder of a card confirms, or does not."""

from subscriptions.stripe.simulator import charging, collecting
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.http import Answer
from subscriptions.stripe.simulator.pages import checkout, portal
from subscriptions.stripe.simulator.pages.rendering import fill, page, redirect
from subscriptions.stripe.simulator.resources import setup_intents
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import no_such

KINDS = ("setup_intent", "payment_intent")


def show(call: Call) -> Answer:
    intent = _intent(call)
    if intent["status"] != "requires_action":
        return _go_on(call, intent)
    body = fill("authentication.html", action=f"/authenticate/{intent['id']}")
    return page("Confirm it is you", body)


def submit(call: Call, form: dict[str, str]) -> Answer:
    intent = _intent(call)
    if intent["status"] != "requires_action":
        return _go_on(call, intent)
    is_confirmed = form.get("outcome") == "complete"
    if intent["object"] == "setup_intent":
        return _go_on(call, _set_up(call, intent, is_confirmed=is_confirmed))
    return _go_on(call, _pay(call, intent, is_confirmed=is_confirmed))


def _intent(call: Call) -> Json:
    intent = call.store.find(call.path_id)
    if intent is None or intent["object"] not in KINDS:
        raise no_such("intent", call.path_id)
    return intent


def _set_up(call: Call, intent: Json, *, is_confirmed: bool) -> Json:
    if not is_confirmed:
        return setup_intents.fail_authentication(call, intent)
    method = call.get("payment_method", intent["payment_method"])
    return setup_intents.succeed(call, intent, method=method)


def _pay(call: Call, intent: Json, *, is_confirmed: bool) -> Json:
    if not is_confirmed:
        intent = charging.fail_authentication(call, intent)
        collecting.note(call, intent)
        return intent
    method = call.get("payment_method", intent["payment_method"])
    method = call.change(method, _authenticated=True)
    return collecting.collect(call, intent, method=method, is_on_session=True)


def _go_on(call: Call, intent: Json) -> Answer:
    """To the page that sent the holder here, or to the shop if its purpose is fulfilled."""
    if intent["status"] == "succeeded":
        for session in call.store.select(
            "checkout.session", matching={"status": "open", intent["object"]: intent["id"]}
        ):
            return checkout.finish(call, session, intent=intent)
        portal.keep_new_card(call, intent)
    address = intent.get("_continue") or intent.get("_return_url")
    if address:
        return redirect(address)
    text = "Confirmed. You can close this page."
    if intent["status"] != "succeeded":
        text = "Not confirmed. You can close this page."
    return page("Thank you", fill("message.html", title="Your bank", text=text, link=""))
