"""The simulator's own switches over HTTP, for tests in other processes and for demonstrations."""

import json
import time

from subscriptions.stripe.simulator import cards
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.delivery import Webhooks
from subscriptions.stripe.simulator.faults import Faults
from subscriptions.stripe.simulator.http import Answer, Request, json_answer
from subscriptions.stripe.simulator.presenting import shown
from subscriptions.stripe.simulator.resources import disputes
from subscriptions.stripe.simulator.store import Json, Store
from subscriptions.stripe.simulator.wire import ApiError

OUTCOMES = ("won", "lost")


class Controls:
    def __init__(self, store: Store, *, faults: Faults, webhooks: Webhooks) -> None:
        self._store = store
        self._faults = faults
        self._webhooks = webhooks

    def answer(self, request: Request) -> Answer:
        name = request.path.removeprefix("/_simulator/")
        try:
            return json_answer(self._run(request.method, name=name, asked=_json(request)))
        except ApiError as error:
            return json_answer(error.body(request_id=""), status=error.status)
        except (KeyError, TypeError, ValueError) as wrong:
            return json_answer({"error": {"message": f"Not understood: {wrong}"}}, status=400)

    def _run(self, method: str, *, name: str, asked: Json) -> Json:
        match method, name:
            case "GET", "faults":
                return {"faults": self._faults.pending()}
            case "POST", "faults":
                return {"id": self._faults.add(**asked)}
            case "DELETE", "faults":
                self._faults.clear()
                return {"faults": []}
            case "GET", "webhooks":
                return self._webhooks.state()
            case "POST", "webhooks":
                return self._set_webhooks(asked)
            case "POST", "disputes":
                return self.decide_dispute(asked["dispute"], outcome=asked["outcome"])
            case "POST", "cards":
                return self.turn_card(asked["payment_method"], number=asked["number"])
        raise ApiError(f"The simulator has no control {method} {name}", status=404)

    def _set_webhooks(self, asked: Json) -> Json:
        is_flush = asked.pop("flush", False)
        if asked or not is_flush:
            self._webhooks.set(**asked)
        accepted = self._webhooks.flush() if is_flush else 0
        return {**self._webhooks.state(), "accepted": accepted}

    def decide_dispute(self, dispute_id: str, *, outcome: str) -> Json:
        """The bank decides: `won` by the seller, or `lost`."""
        if outcome not in OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)}")
        with self._store.transaction():
            call = self._call()
            dispute = call.get("dispute", dispute_id)
            closed = disputes.decide(call, dispute, is_won=outcome == "won")
        self._webhooks.wake()
        return shown(closed)

    def turn_card(self, payment_method_id: str, *, number: str) -> Json:
        """A saved card behaves like the test card of this number from now on, as if it had expired since."""
        card = cards.of_number(number)
        with self._store.transaction():
            call = self._call()
            method = call.get("payment_method", payment_method_id)
            return shown(call.change(method, _card=card.name))

    def _call(self) -> Call:
        return Call(store=self._store, now=int(time.time()), base_url="")


def _json(request: Request) -> Json:
    if request.method != "POST":
        return {}
    # Only a program can send this type across origins, so that no web page can throw the switches.
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ApiError("The simulator's controls take application/json", status=415)
    asked = json.loads(request.body or "{}")
    if not isinstance(asked, dict):
        raise ValueError("an object is needed")
    return asked
