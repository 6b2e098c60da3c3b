"""The Stripe simulator in tests: its client, a cast of customers, and a listener for its webhooks."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe

from subscriptions.stripe.simulator.server import Simulator
from tests.support.processes import wait_until

SECRET = "whsec_simulator"
PATIENCE_S = 10


def v1(simulator: Simulator, *, key: str = "sk_test_simulator", retries: int = 0) -> Any:
    """The official library's calls, answered by the simulator."""
    client = stripe.StripeClient(
        key,
        base_addresses={
            "api": simulator.url,
            "files": simulator.url,
            "connect": simulator.url,
            "meter_events": simulator.url,
        },
        max_network_retries=retries,
    )
    return client.v1


def a_customer(api: Any, *, card: str | None = "pm_card_visa", country: str = "US", **fields: Any) -> Any:
    """Ada, whose invoices this card pays."""
    customer = api.customers.create(
        {"name": "Ada", "email": "ada@example.test", "address": {"country": country}, **fields}
    )
    if card is None:
        return customer
    method = api.payment_methods.attach(card, {"customer": customer.id})
    return api.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})


def a_draft(api: Any, customer: Any, *amounts: int, **fields: Any) -> Any:
    """A draft with one line for each amount."""
    draft = api.invoices.create({"customer": customer.id, "currency": "usd", **fields})
    if not amounts:
        return draft
    lines = [{"amount": amount, "description": f"Line {amount}"} for amount in amounts]
    return api.invoices.add_lines(draft.id, {"lines": lines})


def an_open_invoice(api: Any, customer: Any, *amounts: int, **fields: Any) -> Any:
    return api.invoices.finalize_invoice(a_draft(api, customer, *(amounts or (1000,)), **fields).id)


def a_paid_invoice(api: Any, customer: Any, *amounts: int, **fields: Any) -> Any:
    return api.invoices.pay(
        an_open_invoice(api, customer, *amounts, **fields).id,
        {"expand": ["payments.data.payment.payment_intent"]},
    )


def charge_of(api: Any, invoice: Any) -> Any:
    """The last charge made for the invoice."""
    (payment,) = api.invoice_payments.list({"invoice": invoice.id}).data
    intent = api.payment_intents.retrieve(payment.payment.payment_intent, {"expand": ["latest_charge"]})
    return intent.latest_charge


def event_types(api: Any) -> list[str]:
    """What happened, oldest first."""
    return [event.type for event in api.events.list({"limit": 100}).data][::-1]


@contextmanager
def refused(kind: type[stripe.StripeError] = stripe.InvalidRequestError) -> Iterator[Callable[[], Any]]:
    """Expect the error that is given back by the function."""
    caught: list[stripe.StripeError] = []
    try:
        yield lambda: caught[0]
    except kind as error:
        caught.append(error)
    assert caught, f"no {kind.__name__} was raised"


class Listener:
    """A webhook endpoint that keeps what it gets; it answers `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.payloads: list[tuple[str, str]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                listener.payloads.append((body, self.headers["Stripe-Signature"]))
                self.send_response(listener.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/webhook"

    def events(self) -> list[stripe.Event]:
        """What came, each verified by the official library."""
        return [stripe.Webhook.construct_event(body, signed, SECRET) for body, signed in self.payloads]

    def types(self) -> list[str]:
        return [event.type for event in self.events()]

    def wait_for(self, number: int) -> None:
        assert wait_until(lambda: len(self.payloads) >= number, seconds=PATIENCE_S), self.payloads

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
