"""A provider of the tests' own: its wire, a local server that speaks it (and misbehaves), and a meter that
remembers what it was asked.

A request is `{"model", "prompt", "max", "stream", "report"}`; an answer says `{"text", "in", "out"}`, in a
stream the last event does, when `report` asked for it, and then `[DONE]` follows.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from usage.core.errors import BillingError
from usage.events import UsageEvent
from usage.metering.protocol import Grant, Intent
from usage.providers import Provider
from usage.wire.base import Call, Reading, SentRequest

# The cap the meter grants where a request names none.
DEFAULT_CAP = 256
STALL_S = 5.0
WAIT_S = 5.0


class RecordingMeter:
    """Grants everything unless it has a `refusal`. Each grant may be settled once per call, or released."""

    def __init__(self, *, refusal: BillingError | None = None) -> None:
        self.refusal = refusal
        self.intents: list[Intent] = []
        self.settled: list[UsageEvent] = []
        self.released: list[str] = []
        # What a test lets happen while the meter works.
        self.while_authorizing: Callable[[], object] = lambda: None
        self.while_settling: Callable[[], object] = lambda: None
        self._changed = threading.Condition()

    def authorize(self, intent: Intent) -> Grant:
        self.while_authorizing()
        with self._changed:
            self.intents.append(intent)
            number = len(self.intents)
        if self.refusal is not None:
            raise self.refusal
        caps = (operation.max_output_tokens for operation in intent.operations)
        return Grant(
            authorization=f"grant-{number}",
            output_caps=tuple(DEFAULT_CAP if cap is None else cap for cap in caps),
        )

    def settle(self, event: UsageEvent) -> None:
        self.while_settling()
        with self._changed:
            self.settled.append(event)
            self._changed.notify_all()

    def release(self, grant: Grant) -> None:
        with self._changed:
            self.released.append(grant.authorization)
            self._changed.notify_all()

    def the_event(self) -> UsageEvent:
        """The one event of the one call, waited for; nothing was released."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self.settled), WAIT_S)
        [event] = self.settled
        assert self.released == []
        return event

    def the_release(self) -> str:
        """The one grant that was given back, waited for; nothing was settled."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self.released), WAIT_S)
        [authorization] = self.released
        assert self.settled == []
        return authorization


class ToyReader:
    """Sums up a toy answer; its usage stays unknown until the answer says it."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._said: dict[str, int] = {}
        self._seen = 0
        self._complete = not call.streaming

    def whole(self, body: bytes) -> None:
        self._said = json.loads(body)

    def event(self, data: bytes) -> bool:
        if data == b"[DONE]":
            self._complete = True
            return True
        event = json.loads(data)
        if "out" in event:
            self._said = event
            return False
        self._seen += 1
        return True

    def reading(self) -> Reading:
        known = "out" in self._said
        return Reading(
            response_model=f"{self._call.model}-2026",
            input_tokens=self._said["in"] if known else self._call.input_tokens,
            output_tokens=self._said["out"] if known else self._seen,
            estimated=not known,
            complete=self._complete,
        )


class ToyWire:
    """The toy provider's wire; only `/v1/answer` is metered."""

    def call_of(self, request: SentRequest) -> Call | None:
        if request.path != "/v1/answer":
            return None
        asked = json.loads(request.body or b"{}")
        return Call(
            operation="chat",
            model=asked.get("model", ""),
            streaming=asked.get("stream", False),
            input_tokens=len(asked.get("prompt", "")),
            generates=True,
            output_cap=asked.get("max"),
            choices=asked.get("n", 1),
        )

    def prepared(self, request: SentRequest, call: Call, *, output_cap: int | None) -> bytes:
        asked = json.loads(request.body or b"{}")
        wanted = {**asked, "max": output_cap, **({"report": True} if call.streaming else {})}
        return request.body if wanted == asked else json.dumps(wanted).encode()

    def reader(self, call: Call) -> ToyReader:
        return ToyReader(call)


TOY = Provider(key="openai", name="Toy", kind="llm", hosts=(), wire=ToyWire())


def asking(**fields: Any) -> dict[str, Any]:
    """A request to the toy provider whose prompt counts eleven tokens at most."""
    return {"model": "toy-1", "prompt": "hello world", "max": 100, **fields}


def event(data: Any) -> bytes:
    """A server-sent event; what is not text is sent as JSON."""
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


ANSWER = json.dumps({"text": "bonjour", "in": 11, "out": 7}).encode()
WORDS = (event({"text": "bon"}), event({"text": "jour"}))
REPORT = event({"in": 11, "out": 7})
DONE = event("[DONE]")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the upstream answers: pieces are sent as they stand, each after `pause_s`.

    `then` says what follows the last one: the proper end, the connection cut, or silence for STALL_S.
    """

    pieces: Sequence[bytes] = (ANSWER,)
    status: int = 200
    content_type: str = "application/json"
    encoding: str = ""
    location: str = ""
    pause_s: float = 0.0
    then: str = "end"
    is_silent: bool = False


def a_stream(*pieces: bytes, **fields: Any) -> Reply:
    return Reply(
        pieces=pieces or (*WORDS, REPORT, DONE), content_type="text/event-stream; charset=utf-8", **fields
    )


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it arrived upstream; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(kw_only=True)
class Upstream:
    """The local server: answers every request with `reply`, and keeps what it got."""

    host: str
    reply: Reply = field(default_factory=Reply)
    received: list[Received] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1/answer"

    def the_request(self) -> Received:
        [received] = self.received
        return received

    def the_body(self) -> Any:
        return msgspec.json.decode(self.the_request().body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: Upstream

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body(headers)
        self.upstream.received.append(
            Received(method=self.command, target=self.path, headers=headers, body=body)
        )
        with suppress(OSError):
            self._answer(self.upstream.reply)

    do_GET = do_POST

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, reply: Reply) -> None:
        if reply.is_silent:
            self._end("stall" if reply.then == "stall" else "cut")
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in (("Content-Encoding", reply.encoding), ("Location", reply.location)):
            if value:
                self.send_header(name, value)
        self.end_headers()
        for piece in reply.pieces:
            time.sleep(reply.pause_s)
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self._end(reply.then)

    def _end(self, then: str) -> None:
        if then == "end":
            self.wfile.write(b"0\r\n\r\n")
            return
        if then == "stall":
            self.upstream.closing.wait(STALL_S)
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Many clients connect at once; the default of five would turn some away.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the play; anything else is told."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def running_upstream() -> Iterator[Upstream]:
    """A server on a free local port for as long as the block lasts."""
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        upstream = Upstream(host=f"127.0.0.1:{server.server_address[1]}")
        handler.upstream = upstream  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield upstream
        finally:
            upstream.closing.set()
            server.shutdown()
            thread.join()
