"""Servers that alerts are sent to, on real ports, and the stand-in for an internet that leads to them."""

import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpcore2
import pytest

from alerts import outbound
from alerts.core.messages import Undelivered
from alerts.outbound import Network

HOST = "hooks.example.com"
PUBLIC, OTHER_PUBLIC = "93.184.216.34", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
# The status of an answer that is none.
HANGS_UP = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`drips`: each byte of the body (or, `in_head`, of a header) comes only after so many seconds."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    drips_s: float = 0
    in_head: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request; names of headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """Answers one after the other, the last of them from then on; what came is in `received`."""

    daemon_threads = False

    def __init__(self, answers: Sequence[Answer], *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.received: list[Received] = []
        self.stopping = threading.Event()
        self._scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_port)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/alerts"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that had enough is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(path=self.path, headers=headers, body=body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.status == HANGS_UP:
            self.close_connection = True
            return
        with suppress(OSError):
            self._say(answer)

    def do_GET(self) -> None:
        self.do_POST()

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.in_head:
            self.flush_headers()
            self._drip(b"X-Drip: " + answer.body, every_s=answer.drips_s)
        self.end_headers()
        self._drip(answer.body, every_s=answer.drips_s)

    def _drip(self, text: bytes, *, every_s: float) -> None:
        if not every_s:
            self.wfile.write(text)
            return
        for position in range(len(text)):
            self.wfile.write(text[position : position + 1])
            if self.server.stopping.wait(every_s):
                return

    def log_message(self, format: str, *args: Any) -> None:
        """Tests say what went wrong."""


@contextmanager
def receiving(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A server that gives these answers, until the block ends; "ok" where there are none."""
    with Receiver(answers or [Answer()], tls=tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()


class StandInInternet(httpcore2.NetworkBackend):
    """Leads each public address to a port of this machine; whatever else is dialled is unreachable.

    `dialled` are the addresses asked for, `bytes_read` all that was read from them.
    """

    def __init__(self, ports: dict[str, int]) -> None:
        self._ports = ports
        self._real = httpcore2.SyncBackend()
        self.dialled: list[str] = []
        self.bytes_read = 0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        self.dialled.append(host)
        if host not in self._ports:
            raise httpcore2.ConnectError("unreachable")
        return _Counted(self._real.connect_tcp("127.0.0.1", self._ports[host], timeout), self)


class _Counted(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, internet: StandInInternet) -> None:
        self._stream = stream
        self._internet = internet

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, timeout)
        self._internet.bytes_read += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _Counted(self._stream.start_tls(ssl_context, server_hostname, timeout), self._internet)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Names:
    """A resolver that answers one after the other, the last of them from then on; counts how often it did."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return addresses


def in_an_internet_of(server: Receiver, **changes: Any) -> Network:
    """An internet in which HOST, at PUBLIC, is `server`."""
    backend = StandInInternet({PUBLIC: server.port})
    return Network(**{"resolve": Names([PUBLIC]), "backend": backend, **changes})


def posted(url: str, *, network: Network = outbound.INTERNET) -> int:
    """The status of a POST."""
    return outbound.post(url, body=b"{}", headers={}, network=network)


def undelivered(url: str, *, network: Network = outbound.INTERNET) -> Undelivered:
    """Why a POST did not arrive."""
    with pytest.raises(Undelivered) as raised:
        posted(url, network=network)
    return raised.value
