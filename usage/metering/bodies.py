"""What passes through a transport, and how its usage is read on the way without changing a byte.

An answer's body goes through a tap: `feed` takes what arrived and gives what the caller gets of it, at once.
"""

import zlib
from collections.abc import Iterable
from typing import Protocol

from usage.core.errors import InvalidRequest, TooLarge
from usage.metering.sse import Event, EventSplitter
from usage.wire.base import Reader

# The largest body a provider takes (an uploaded file). It is read whole, as what it asks for must be known.
MAX_REQUEST_BYTES = 512 * 1024 * 1024
# What is kept of an answer that is not a stream of events; of a longer one the usage is estimated.
MAX_ANSWER_BYTES = 32 * 1024 * 1024

_GZIP = zlib.MAX_WBITS | 16
_ZLIB_HEADER_BYTES = 2
_DECODED = ("gzip", "x-gzip", "deflate")
PLAIN = ("", "identity")


class Tap(Protocol):
    """Sees an answer's body pass."""

    def feed(self, chunk: bytes) -> bytes:
        """What the caller gets now that `chunk` has arrived."""

    def end(self) -> bytes:
        """What the caller still gets after the last chunk of a body that came to its end."""

    def cut(self) -> None:
        """Read what there is of a body that will not come to its end."""


class Decoder:
    """Decodes gzip (several members too) or deflate (with and without the zlib wrapper) as it arrives."""

    def __init__(self, encoding: str) -> None:
        self._is_deflate = encoding == "deflate"
        self._head = b""
        self._wbits = _GZIP
        self._inflate = zlib.decompressobj(_GZIP)
        self._has_begun = False

    def feed(self, data: bytes) -> bytes:
        """What `data` decodes to; raises zlib.error for what is not so encoded."""
        if not self._has_begun:
            self._head += data
            if len(self._head) < _ZLIB_HEADER_BYTES:
                return b""
            data = self._begun()
        parts = []
        while data:
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(self._wbits)
            parts.append(self._inflate.decompress(data))
            data = self._inflate.unused_data
        return b"".join(parts)

    def _begun(self) -> bytes:
        """The first bytes, looked at: many servers send deflate without the wrapper of the standard."""
        data, self._head = self._head, b""
        self._has_begun = True
        if self._is_deflate:
            is_wrapped = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
            self._wbits = zlib.MAX_WBITS if is_wrapped else -zlib.MAX_WBITS
            self._inflate = zlib.decompressobj(self._wbits)
        return data


class Untapped:
    """Lets pass what cannot be read: an encoding that the standard library does not decode."""

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def end(self) -> bytes:
        return b""

    def cut(self) -> None:
        pass


class WholeTap:
    """Keeps a body that is one document, up to MAX_ANSWER_BYTES, and reads it at its end."""

    def __init__(self, reader: Reader, *, decoder: Decoder | None) -> None:
        self._reader = reader
        self._decoder = decoder
        self._kept: list[bytes] | None = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        if self._kept is not None:
            try:
                plain = chunk if self._decoder is None else self._decoder.feed(chunk)
            except zlib.error:
                self._kept = None
                return chunk
            self._kept.append(plain)
            self._size += len(plain)
            if self._size > MAX_ANSWER_BYTES:
                self._kept = None
        return chunk

    def end(self) -> bytes:
        if self._kept is not None:
            self._reader.whole(b"".join(self._kept))
        self._kept = None
        return b""

    def cut(self) -> None:
        # Some APIs stream one long JSON array, of which the beginning says something.
        if self._size:
            self.end()


class EventTap:
    """Reads server-sent events as they pass; every chunk goes on as it came."""

    def __init__(self, reader: Reader, *, decoder: Decoder | None) -> None:
        self._reader = reader
        self._decoder = decoder
        self._splitter: EventSplitter | None = EventSplitter()

    def feed(self, chunk: bytes) -> bytes:
        if self._splitter is not None:
            try:
                plain = chunk if self._decoder is None else self._decoder.feed(chunk)
            except zlib.error:
                self._splitter = None
                return chunk
            for event in self._splitter.feed(plain):
                _is_for_the_caller(event, reader=self._reader)
        return chunk

    def end(self) -> bytes:
        if self._splitter is not None:
            _is_for_the_caller(self._splitter.rest(), reader=self._reader)
        return b""

    def cut(self) -> None:
        pass


class EventFilter:
    """Reads server-sent events as they pass and keeps back those that only metering asked for.

    An event goes on, byte for byte, as soon as it is complete: no client can use less. What arrives encoded
    goes on decoded.
    """

    def __init__(self, reader: Reader, *, decoder: Decoder | None) -> None:
        self._reader = reader
        self._decoder = decoder
        self._splitter = EventSplitter()

    def feed(self, chunk: bytes) -> bytes:
        plain = chunk if self._decoder is None else self._decoder.feed(chunk)
        return self._kept(self._splitter.feed(plain))

    def end(self) -> bytes:
        return self._kept([self._splitter.rest()])

    def cut(self) -> None:
        pass

    def _kept(self, events: Iterable[Event]) -> bytes:
        return b"".join(event.raw for event in events if _is_for_the_caller(event, reader=self._reader))


def _is_for_the_caller(event: Event, *, reader: Reader) -> bool:
    return event.data is None or reader.event(event.data)


def is_readable(encoding: str) -> bool:
    """Whether a body of this Content-Encoding (in lower case) can be read here."""
    return encoding in PLAIN or encoding in _DECODED


def decoder_for(encoding: str) -> Decoder | None:
    """The decoder of a readable Content-Encoding; None when there is nothing to decode."""
    return None if encoding in PLAIN else Decoder(encoding)


def readable_encodings(accepted: str) -> str:
    """The Accept-Encoding to send so that the answer can be read here: what of it the client accepts."""
    offers = (offer.strip() for offer in accepted.split(","))
    readable = [offer for offer in offers if offer.split(";")[0].strip().lower() in (*_DECODED, "identity")]
    return ", ".join(readable) or "identity"


class Collected:
    """A request's body that is read piece by piece. Raises TooLarge beyond MAX_REQUEST_BYTES."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_REQUEST_BYTES:
            raise TooLarge(
                f"The request's body is larger than {MAX_REQUEST_BYTES} bytes and cannot be metered: "
                "send it in parts, or without the metering transport."
            )

    def body(self) -> bytes:
        """All of it."""
        return b"".join(self._parts)


def decoded_request(body: bytes, *, encoding: str) -> bytes:
    """A request's body as the provider will read it. Raises InvalidRequest where it cannot be read here."""
    if encoding in PLAIN:
        return body
    try:
        if is_readable(encoding):
            return Decoder(encoding).feed(body)
    except zlib.error:
        pass
    raise InvalidRequest(
        f"The request's body is sent with Content-Encoding {encoding[:40]!r}, which cannot be metered: "
        "send it plain, as gzip or as deflate."
    )
