"""The one way to URLs that people have entered: a POST that cannot be led into our own network.

The host is looked up once, every address it has must be public, and the connection goes to one of the very
addresses that were looked at, so that a name that answers differently the next time gains nothing. Redirects
are not followed, proxies and cookies not known. What is answered, and how slowly, is bounded.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import httpcore2
import httpx2
from django.conf import settings

from alerts.core.addresses import may_be_called
from alerts.core.messages import Undelivered
from usage.core.errors import InvalidRequest

TOTAL_S = 10
LOOK_UP_S = 5
CONNECT_S = 5
MAX_URL_CHARACTERS = 2_000
SHOWN_CHARACTERS = 4
# Enough for a host with a few of each kind; each has its share of the time to connect.
MAX_ADDRESSES_TRIED = 4
# Of an answer no more is read than is told of it, and by no more than this at once; its head ends by 100 KiB.
MAX_READ_BYTES = 16 * 1024
TOLD_CHARACTERS = 300
MAX_BYTES_A_CHARACTER = 4

# Whether a port of a host has addresses, and which; raises OSError or UnicodeError where not.
Resolve = Callable[[str, int], Sequence[str]]


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@cache
def _tls() -> ssl.SSLContext:
    return httpcore2.default_ssl_context()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What lies between us and a host, and how patient we are with it; tests bring their own."""

    resolve: Resolve = _resolve
    backend: httpcore2.NetworkBackend = field(default_factory=httpcore2.SyncBackend)
    tls: Callable[[], ssl.SSLContext] = _tls
    total_s: float = TOTAL_S
    connect_s: float = CONNECT_S


INTERNET = Network()


class Answered(Undelivered):
    """The host answered, but not with success; `answer` is how its answer begins."""

    def __init__(self, reason: str, *, status: int, answer: str = "", **kind: bool) -> None:
        super().__init__(reason, status=status, **kind)
        self.answer = answer


def check_url(url: str, *, hosts: Sequence[str] = (), network: Network = INTERNET) -> str:
    """`url` as it is kept, once it can be called; looks its host up.

    `hosts` are the only ones allowed, unless there are none. Raises InvalidRequest naming the field
    `address`.
    """
    try:
        target = _parsed(url, hosts=hosts)
        _checked(target, network=network, deadline=_Deadline(network.total_s))
    except _Unusable as wrong:
        raise InvalidRequest(f"address: {wrong}", details={"field": "address"}) from None
    return str(target)


def label(url: str) -> str:
    """What people may see of a URL that was checked: its host and how it ends, since it may hold a secret."""
    target = httpx2.URL(url)
    rest = target.raw_path.decode("ascii").lstrip("/")
    return f"{target.netloc.decode('ascii')}{f'/…{rest[-SHOWN_CHARACTERS:]}' if rest else ''}"


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    hosts: Sequence[str] = (),
    network: Network = INTERNET,
) -> int:
    """POST `body`; returns the status, which is one of success (2xx).

    Raises Undelivered, Answered where there was an answer: final for a URL that may not be called and for
    redirects, gone for 410; anything else may work the next time.
    """
    deadline = _Deadline(network.total_s)
    try:
        target = _parsed(url, hosts=hosts)
        addresses = _checked(target, network=network, deadline=deadline)
    except _Unresolved as unknown:
        raise Undelivered(str(unknown)) from None
    except _Unusable as wrong:
        raise Undelivered(str(wrong), is_final=True) from None
    ways = _CheckedAddresses(network.backend, addresses=addresses, deadline=deadline)
    try:
        with httpcore2.ConnectionPool(ssl_context=network.tls(), network_backend=ways) as pool:
            return _posted(pool, target, body=body, headers=headers, connect_s=network.connect_s)
    except httpcore2.ConnectTimeout:
        raise Undelivered("No connection came about in time.") from None
    except httpcore2.TimeoutException:
        raise Undelivered(f"It did not answer within {network.total_s:g} seconds.") from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as broken:
        raise Undelivered(f"It could not be reached: {_told(str(broken))}") from None


class _Unusable(Exception):
    """The URL may not be called; says why and what to do."""


class _Unresolved(_Unusable):
    """Nobody knows its host, for now."""


class _Deadline:
    """When it must be over, however many steps there are until then."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, at_most: float | None = None) -> float:
        """Seconds, never below 0."""
        left = max(0.0, self._end - time.monotonic())
        return left if at_most is None else min(left, at_most)


def _parsed(url: str, *, hosts: Sequence[str]) -> httpx2.URL:
    """Where `url` leads, in one form; raises _Unusable.

    Whoever connects must not read the URL in another way than whoever checks it: it is parsed here only.
    """
    text = url.strip()
    if len(text) > MAX_URL_CHARACTERS:
        raise _Unusable(f"At most {MAX_URL_CHARACTERS} characters are kept: enter a shorter address.")
    try:
        target = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise _Unusable("This is no address: enter one such as https://example.com/alerts.") from None
    schemes = ("https", "http") if settings.ALERT_URLS_ALLOW_PRIVATE else ("https",)
    if target.scheme not in schemes or not target.host:
        raise _Unusable("Enter an address that begins with https:// and names a host.")
    if target.userinfo:
        raise _Unusable("Leave out the name and password before the @.")
    if "#" in text:
        raise _Unusable("Leave out the # and what follows it.")
    if target.host.endswith("."):
        # The root's dot: the same host, which certificates name without it.
        target = target.copy_with(host=target.host.removesuffix("."))
    if hosts and target.host not in hosts and not settings.ALERT_URLS_ALLOW_PRIVATE:
        raise _Unusable(f"Enter an address that begins with https://{hosts[0]}/.")
    return target


def _checked(target: httpx2.URL, *, network: Network, deadline: _Deadline) -> list[str]:
    """The addresses of the host, each of which may be called; raises _Unusable."""
    host = target.raw_host.decode("ascii")
    addresses = _looked_up(host, _port(target), resolve=network.resolve, patience_s=deadline.left(LOOK_UP_S))
    if not addresses:
        raise _Unresolved(f"The host {host} has no address: check its spelling.")
    allow_private = settings.ALERT_URLS_ALLOW_PRIVATE
    if not all(may_be_called(address, allow_private=allow_private) for address in addresses):
        raise _Unusable(
            f"The host {host} has an address that is not public: enter one that anybody can reach."
        )
    return addresses


def _looked_up(host: str, port: int, *, resolve: Resolve, patience_s: float) -> list[str]:
    """The addresses of a host; none where nobody knows it, or nobody says so in time.

    The system's resolver cannot be told how long to take: it is waited for from outside, and a thread that
    was given up ends when the resolver does.
    """
    answers: SimpleQueue[list[str]] = SimpleQueue()

    def look_up() -> None:
        addresses: list[str] = []
        with suppress(OSError, UnicodeError):
            addresses = list(resolve(host, port))
        answers.put(addresses)

    Thread(target=look_up, name="look up a host", daemon=True).start()
    try:
        return answers.get(timeout=patience_s)
    except Empty:
        return []


def _posted(
    pool: httpcore2.ConnectionPool,
    target: httpx2.URL,
    *,
    body: bytes,
    headers: Mapping[str, str],
    connect_s: float,
) -> int:
    """The status; raises Answered where it is not one of success."""
    url = httpcore2.URL(
        scheme=target.raw_scheme, host=target.raw_host, port=_port(target), target=target.raw_path
    )
    sent = {
        "Host": target.netloc.decode("ascii"),
        "User-Agent": f"ALwrity-Billing/{settings.SPECTACULAR_SETTINGS['VERSION']}",
        "Connection": "close",
        **headers,
    }
    timeouts = {"timeout": {"connect": connect_s}}
    with pool.stream("POST", url, headers=list(sent.items()), content=body, extensions=timeouts) as response:
        status = response.status
        if 200 <= status < 300:
            return status
        if 300 <= status < 400:
            raise _redirected(response)
        raise _refused(status, _beginning(response))


def _redirected(response: httpcore2.Response) -> Answered:
    places = [value for name, value in response.headers if name.lower() == b"location"]
    where = _told(places[0].decode("latin-1")) if places else "nowhere"
    reason = f"It answered {response.status} with a redirect to {where}, which is not followed: "
    return Answered(f"{reason}give the final address.", status=response.status, is_final=True)


def _refused(status: int, answer: str) -> Answered:
    if status == 410:
        reason = "It answered 410: nothing is wanted there any more."
        return Answered(reason, status=status, answer=answer, is_final=True, is_gone=True)
    return Answered(f"It answered {status}{': ' if answer else '.'}{answer}", status=status, answer=answer)


def _beginning(response: httpcore2.Response) -> str:
    """How the body begins, as far as it came; that a status came is what counts."""
    begun = bytearray()
    with suppress(httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
        for part in response.iter_stream():
            begun += part
            if len(begun) >= TOLD_CHARACTERS * MAX_BYTES_A_CHARACTER:
                break
    return _told(begun.decode("utf-8", errors="replace"))


def _told(text: str) -> str:
    """`text` of somebody else's, short and in one line of characters that can be seen."""
    visible = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(visible.split())[:TOLD_CHARACTERS]


def _port(target: httpx2.URL) -> int:
    return target.port if target.port is not None else {"http": 80, "https": 443}[target.scheme]


class _CheckedAddresses(httpcore2.NetworkBackend):
    """Connects to the addresses that were checked, whatever host it is asked for, until the deadline."""

    def __init__(
        self, backend: httpcore2.NetworkBackend, *, addresses: Sequence[str], deadline: _Deadline
    ) -> None:
        self._backend = backend
        self._addresses = addresses[:MAX_ADDRESSES_TRIED]
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        until = _Deadline(self._deadline.left(timeout))
        failure: Exception = httpcore2.ConnectTimeout()
        for tried, address in enumerate(self._addresses):
            share = until.left() / (len(self._addresses) - tried)
            if not share:
                break
            try:
                stream = self._backend.connect_tcp(address, port, share, local_address, socket_options)
                return _Bounded(stream, self._deadline)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                failure = failed
        raise failure


class _Bounded(httpcore2.NetworkStream):
    """A connection that is over at the deadline, however slowly the other side drips."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if left := self._deadline.left(timeout):
            return self._stream.read(min(max_bytes, MAX_READ_BYTES), left)
        raise httpcore2.ReadTimeout

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if left := self._deadline.left(timeout):
            return self._stream.write(buffer, left)
        raise httpcore2.WriteTimeout

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        if left := self._deadline.left(timeout):
            return _Bounded(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)
        self._stream.close()
        raise httpcore2.ConnectTimeout

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
