"""Requests and answers as a wire sees them."""

import json

from usage.wire.base import Call, Reading, SentRequest, Wire


def as_bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def posted(
    path: str, body: object, *, query: str = "", content_type: str = "application/json"
) -> SentRequest:
    return SentRequest(method="POST", path=path, query=query, content_type=content_type, body=as_bytes(body))


def call(wire: Wire, request: SentRequest) -> Call:
    """What `wire` reads in a request that is metered."""
    found = wire.call_of(request)
    assert found is not None
    return found


def answered(wire: Wire, request: SentRequest, body: object) -> Reading:
    """What `wire` reads in an answer of one body."""
    reader = wire.reader(call(wire, request))
    reader.whole(as_bytes(body))
    return reader.reading()


def streamed(wire: Wire, request: SentRequest, *events: object) -> Reading:
    """What `wire` reads in a stream of these events, none of which it hides from the caller."""
    reader = wire.reader(call(wire, request))
    for event in events:
        assert reader.event(as_bytes(event))
    return reader.reading()
