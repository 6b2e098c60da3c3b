"""The server under every shape: threads, keep-alive, chunks, gzip, and connections that break or stall."""

import socket
import sys
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

from tests.upstream.script import Answer, Received, Script, Shape

# How long a silent upstream stays silent when nobody ends it: far beyond any client's timeout in the tests.
STALL_S = 30
POLL_S = 0.01
GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Upstream(ThreadingHTTPServer):
    """One provider on a loopback port. `script` may be replaced between calls; `requests` grows with them."""

    daemon_threads = False
    # Tests with many calls at once must not fail for want of room in the queue of connections.
    request_queue_size = 128

    def __init__(self, shape: Shape) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.shape = shape
        self.script = Script()
        self.requests: list[Received] = []
        self.closing = threading.Event()
        self._connections: list[socket.socket] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests; anything else is a mistake of the shape."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """End the server and every connection, those that wait for a next request too."""
        self.closing.set()
        self.shutdown()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


@contextmanager
def running(shape: Shape) -> Iterator[Upstream]:
    """An upstream that speaks `shape`, until the block ends."""
    upstream = Upstream(shape)
    thread = threading.Thread(target=upstream.serve_forever, args=(POLL_S,))
    thread.start()
    try:
        yield upstream
    finally:
        upstream.stop()
        thread.join()


class _Cut(Exception):
    """The script ends the connection here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        upstream = cast("Upstream", self.server)
        request = self._received()
        upstream.requests.append(request)
        script = upstream.script
        shape = upstream.shape
        answer = shape.error(script.status) if script.status >= 400 else shape.answer(request, script)
        try:
            self._send(answer, script)
        except (_Cut, ConnectionError):
            self.close_connection = True

    do_GET = do_POST
    do_DELETE = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """The requests are kept; standard error stays quiet."""

    def _received(self) -> Received:
        parts = urlsplit(self.path)
        return Received(
            method=self.command,
            path=parts.path,
            query=parts.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=b"".join(self._body()),
            connection=self.client_address[1],
        )

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _send(self, answer: Answer, script: Script) -> None:
        self._break_after(0, script)
        parts = (answer.body,) if answer.events is None else answer.events
        zipped = script.gzip and "gzip" in self.headers.get("Accept-Encoding", "")
        chunked = script.chunked or zipped or answer.events is not None
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("x-request-id", f"req_{self.client_address[1]}")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        if not chunked:
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._send_chunks(_gzipped(parts) if zipped else parts, script)

    def _send_chunks(self, parts: Iterable[bytes], script: Script) -> None:
        for number, part in enumerate(parts, start=1):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.flush()
            self._break_after(number, script)
        self.wfile.write(b"0\r\n\r\n")

    def _break_after(self, events: int, script: Script) -> None:
        if events == script.stall_after:
            cast("Upstream", self.server).closing.wait(STALL_S)
        if events in (script.stall_after, script.cut_after):
            raise _Cut


def _gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Each part compressed and flushed, so that a stream still arrives event by event."""
    packer = zlib.compressobj(wbits=GZIP_WINDOW)
    for part in parts:
        yield packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()
