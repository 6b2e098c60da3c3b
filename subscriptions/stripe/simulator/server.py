"""The simulator as an HTTP server."""

import logging
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from subscriptions.stripe.simulator import api, sweeping
from subscriptions.stripe.simulator.controls import Controls
from subscriptions.stripe.simulator.delivery import Webhooks
from subscriptions.stripe.simulator.faults import Faults
from subscriptions.stripe.simulator.http import Answer, NoAnswer, Request
from subscriptions.stripe.simulator.pages.site import Site
from subscriptions.stripe.simulator.resources import notifications
from subscriptions.stripe.simulator.store import Json, Store

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000
IDLE_TIMEOUT_S = 60
BACKLOG = 128
POLL_S = 0.02
# Closes with a reset instead of a farewell.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Simulator:
    """A Stripe of its own: its objects live in the file `path`, and outlive every stop and kill.

    `port` 0 takes a free one. Events go to `webhook_url`, if given, and to the endpoints made over the API.
    `public_url` is how browsers reach it where that differs from how the API's client does.
    """

    def __init__(
        self,
        *,
        path: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        webhook_url: str | None = None,
        webhook_secret: str = "whsec_simulator",  # noqa: S107 - signs nothing but simulated events
        public_url: str | None = None,
        retry_delay_s: float = 1.0,
    ) -> None:
        self.path = path
        self.host = host
        self.port = port
        self.webhook_url = webhook_url
        self.webhook_secret = webhook_secret
        self.public_url = public_url
        self.faults = Faults()
        self._retry_delay_s = retry_delay_s

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Serves from here on, in threads of its own; also again after `stop`, at the same port."""
        self._store = Store(self.path)
        with self._store.transaction():
            notifications.keep_constructed(
                self._store, url=self.webhook_url, secret=self.webhook_secret, now=int(time.time())
            )
        self.webhooks = Webhooks(self._store, retry_delay_s=self._retry_delay_s, sweep=self._sweep)
        self._api = api.Api(self._store, faults=self.faults)
        self._controls = Controls(self._store, faults=self.faults, webhooks=self.webhooks)
        self._site = Site(self._store)
        self._server = _Server((self.host, self.port), _Handler)
        self._server.simulator = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name="stripe-simulator", daemon=True
        )
        self._thread.start()
        self.webhooks.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.close_connections()
        self.webhooks.stop()
        self._store.close()

    def decide_dispute(self, dispute_id: str, *, outcome: str) -> Json:
        """The bank decides: `won` by the seller, or `lost`."""
        return self._controls.decide_dispute(dispute_id, outcome=outcome)

    def turn_card(self, payment_method_id: str, *, number: str) -> Json:
        """A saved card behaves like the test card of this number from now on."""
        return self._controls.turn_card(payment_method_id, number=number)

    def forget_keys(self) -> None:
        """Idempotency keys are forgotten, as those of Stripe's are after a day or more."""
        with self._store.transaction():
            self._store.execute("DELETE FROM answers")

    def answer(self, request: Request) -> Answer:
        """Raises NoAnswer where a fault keeps the answer back."""
        if request.path.startswith("/_simulator/"):
            return self._controls.answer(request)
        try:
            if request.path.startswith("/v1/"):
                return self._api.answer(request)
            return self._site.answer(request)
        finally:
            if request.method != "GET":
                self.webhooks.wake()

    def _sweep(self) -> None:
        sweeping.sweep(self._store, now=int(time.time()), base_url=self.public_url or self.url)


class _Server(ThreadingHTTPServer):
    simulator: Simulator
    daemon_threads = True
    request_queue_size = BACKLOG

    def __init__(self, *args: Any) -> None:
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End what clients keep alive: nobody answers there any more."""
        with self._connections_lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    logger.debug("a connection was closed already")

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a connection broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "StripeSimulator"
    # Headers and body are written apart: without this each answer would wait for an acknowledgement.
    disable_nagle_algorithm = True
    timeout = IDLE_TIMEOUT_S

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """One line a request is written below, with what matters here."""

    def _serve(self) -> None:
        started = time.monotonic()
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY_BYTES:
            self._send(Answer(status=413, body="", content_type="text/plain"))
            return
        body = self.rfile.read(length).decode("utf-8", errors="replace")
        try:
            answer = self._answer(body)
        except NoAnswer as kept_back:
            logger.info("%s %s: no answer, as a fault asks", self.command, self.path)
            self._keep_back(kept_back)
            return
        self._send(answer)
        duration_ms = round((time.monotonic() - started) * 1000)
        logger.info("%s %s %s in %s ms", self.command, self.path, answer.status, duration_ms)

    def _answer(self, body: str) -> Answer:
        simulator = self.server.simulator
        address = urlsplit(self.path)
        host = self.headers.get("Host") or urlsplit(simulator.url).netloc
        request = Request(
            method=self.command,
            path=address.path,
            query=address.query,
            body=body,
            headers={name.lower(): value for name, value in self.headers.items()},
            base_url=simulator.public_url or f"http://{host}",
        )
        try:
            return simulator.answer(request)
        except NoAnswer:
            raise
        except Exception:
            logger.exception("%s %s failed", self.command, self.path)
            return api.internal_error()

    def _send(self, answer: Answer) -> None:
        content = answer.body.encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{answer.content_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _keep_back(self, kept_back: NoAnswer) -> None:
        time.sleep(kept_back.hold_s)
        if kept_back.is_reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.connection.close()
        self.close_connection = True
