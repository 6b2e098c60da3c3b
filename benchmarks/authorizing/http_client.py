"""The lightest HTTP client there can be: whole requests as bytes, one keep-alive connection."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from random import Random

from benchmarks.databases import NotMeasurable
from benchmarks.web import ANSWER_TIMEOUT_S, HOST

PIECE_BYTES = 64 * 1024
END_OF_HEAD = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
REQUEST = (
    "POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: {credential}\r\n"
    "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
)


class Unanswered(NotMeasurable):
    """The server closed the connection without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to post, as whom, and the status of every answer when all goes well."""

    port: int
    path: str
    credential: str
    status: HTTPStatus

    def request(self, body: bytes) -> bytes:
        """The whole request as it goes over the wire."""
        head = REQUEST.format(
            path=self.path, host=HOST, port=self.port, credential=self.credential, length=len(body)
        )
        return head.encode() + body


@contextmanager
def posting(
    random: Random, *, address: Address, bodies: Callable[[], list[bytes]]
) -> Iterator[Callable[[], object]]:
    """A client that posts one of `bodies` at a time, over one connection while the server keeps it: one that
    waited too long for its turn is closed, as by any server, and made again.
    """
    requests = [address.request(body) for body in bodies()]
    expected = f"HTTP/1.1 {address.status.value} ".encode()
    with ExitStack() as stack:
        servers = [stack.enter_context(_connected(address))]

        def post_one() -> object:
            request = random.choice(requests)
            try:
                return post(servers[-1], request, expected=expected)
            except (Unanswered, ConnectionError):
                servers.append(stack.enter_context(_connected(address)))
                return post(servers[-1], request, expected=expected)

        yield post_one


def _connected(address: Address) -> socket.socket:
    server = socket.create_connection((HOST, address.port), timeout=ANSWER_TIMEOUT_S)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server


def post(server: socket.socket, request: bytes, *, expected: bytes) -> bytes:
    """Send `request`; returns the answer. Raises Unanswered without any, NotMeasurable unless it begins with
    `expected`.
    """
    server.sendall(request)
    answer = b""
    for piece in iter(partial(server.recv, PIECE_BYTES), b""):
        answer += piece
        if is_whole(answer):
            break
    if not answer:
        raise Unanswered("The server answered: nothing")
    if not answer.startswith(expected):
        raise NotMeasurable(f"The server answered: {answer.decode(errors='replace')}")
    return answer


def is_whole(answer: bytes) -> bool:
    """Whether head and body are there. Raises NotMeasurable when the head does not tell the body's length."""
    head, end, body = answer.partition(END_OF_HEAD)
    if not end:
        return False
    length = LENGTH.search(head + END_OF_HEAD)
    if length is None:
        raise NotMeasurable(f"The server's answer has no Content-Length: {head.decode(errors='replace')}")
    return len(body) >= int(length[1])
