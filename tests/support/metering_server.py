"""A billing server of the tests' own: speaks the metering API on a real port, and misbehaves on demand."""

import json
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

API_KEY = "Ab3dEf6h.test-key-never-to-be-seen"
DEFAULT_CAP = 4096
EVENTS, AUTHORIZATIONS = "/api/usage/events", "/api/usage/authorizations"
NO_BODY = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: dict[str, Any] = field(default_factory=dict)


def a_decision(operations: list[dict[str, Any]], *, allowed: bool = True, **changes: Any) -> dict[str, Any]:
    """What our server says, as JSON; operations without a cap of their own are given DEFAULT_CAP."""
    return {
        "allowed": allowed,
        "reason": "allowed" if allowed else "limit_exceeded",
        "message": "Allowed." if allowed else "The limit of 10 calls is used up.",
        "limits": [],
        "estimated_cost": "0.01",
        "operations": [
            {
                "provider": operation["provider"],
                "model": operation.get("model", ""),
                "estimated_cost": "0.01",
                "max_output_tokens": operation.get("max_output_tokens", DEFAULT_CAP),
            }
            for operation in operations
        ],
        **changes,
    }


def a_problem(status: int, *, code: str, detail: str, **members: Any) -> Answer:
    body = {"type": "about:blank", "status": status, "code": code, "detail": detail, **members}
    return Answer(status=status, body=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request; names of headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class MeteringServer:
    """What it was told is in `received`, and what that came to in `events` (each once), `deliveries` (how
    often each came), `authorizations` (by idempotency key) and `released`.
    """

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self.deliveries: Counter[str] = Counter()
        self.authorizations: dict[str, Answer] = {}
        self.released: list[str] = []
        self.received: list[Received] = []
        # How it misbehaves: the status of every answer; seconds before it; answers cut off after the work;
        # event ids that are rejected, or that make the whole batch be refused; the answer to authorizations.
        self.broken_with: int | None = None
        self.delay_s = 0.0
        self.cut_answers = 0
        self.rejected: dict[str, str] = {}
        self.indigestible: set[str] = set()
        self.refusal: Answer | None = None
        self._lock = threading.Lock()
        self._address = ("127.0.0.1", 0)
        self._stopping = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "MeteringServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._address[1]}"

    @property
    def event_ids(self) -> list[str]:
        """In the order in which they were recorded."""
        return [event_id for _, event_id in self.events]

    def requests(self, path: str) -> int:
        """How many came for `path`."""
        return sum(request.path == path for request in self.received)

    def start(self) -> None:
        """Serve, after a stop on the same port again."""
        self._stopping.clear()
        self._server = _Server(self._address, self)
        self._address = ("127.0.0.1", self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        """Be gone: open connections are cut, new ones refused."""
        if self._server is None or self._thread is None:
            return
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.cut_connections()
        self._server.server_close()
        self._server = None

    def answer(self, request: Received) -> Answer | None:
        """What to say, or None to hang up instead."""
        self._stopping.wait(self.delay_s)
        with self._lock:
            self.received.append(request)
            if self.broken_with is not None:
                return Answer(status=self.broken_with)
            if request.headers.get("authorization") != f"Bearer {API_KEY}":
                return a_problem(401, code="not_authenticated", detail="The API key is not valid.")
            said = self._act(request)
            if self.cut_answers:
                self.cut_answers -= 1
                return None
            return said

    def _act(self, request: Received) -> Answer:
        if request.path == EVENTS:
            return self._record(json.loads(request.body))
        if request.path == AUTHORIZATIONS:
            return self._authorize(json.loads(request.body), key=request.headers["idempotency-key"])
        if request.path.startswith(AUTHORIZATIONS) and request.path.endswith("/release"):
            self.released.append(request.path.split("/")[-2])
            return Answer(status=200)
        return a_problem(404, code="not_found", detail="There is nothing at this address.")

    def _authorize(self, request: dict[str, Any], *, key: str) -> Answer:
        if self.refusal is not None:
            return self.refusal
        if key not in self.authorizations:
            hold = {"state": "open", "expires_at": "2026-03-15T13:00:00Z", "amounts": {}}
            body = {
                "id": f"a{len(self.authorizations) + 1}",
                "decision": a_decision(request["operations"]),
                "hold": hold,
            }
            self.authorizations[key] = Answer(status=201, body=body)
        return self.authorizations[key]

    def _record(self, events: list[dict[str, Any]]) -> Answer:
        if not self.indigestible.isdisjoint(event["id"] for event in events):
            return a_problem(400, code="json_invalid", detail="The body is not JSON.")
        outcomes = [self._outcome(index, event) for index, event in enumerate(events)]
        return Answer(status=200, body={"outcomes": outcomes})

    def _outcome(self, index: int, event: dict[str, Any]) -> dict[str, Any]:
        identity = {"source": event["source"], "id": event["id"]}
        self.deliveries[event["id"]] += 1
        if code := self.rejected.get(event["id"]):
            said = {"outcome": "rejected", "code": code, "message": "There is no price for this model."}
            return {"index": index, **identity, **said}
        known = self.events.setdefault((event["source"], event["id"]), event)
        outcome = "conflict" if known != event else "replayed" if known is not event else "recorded"
        return {"index": index, **identity, "outcome": outcome}


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, address: tuple[str, int], metering: MeteringServer) -> None:
        self.metering = metering
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        for connection in list(self._open):
            hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up waiting is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length else NO_BODY
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.metering.answer(Received(path=self.path, headers=headers, body=body))
        if answer is None:
            self.close_connection = True
            hang_up(self.connection)
            return
        content = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header(
            "Content-Type", "application/json" if answer.status < 400 else "application/problem+json"
        )
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests say what went wrong."""


def hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The other side was quicker.
        return
