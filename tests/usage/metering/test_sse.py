"""Splitting server-sent events: the standard's rules, however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.metering import sse
from usage.metering.sse import EventSplitter


def split(*chunks: bytes) -> list[bytes | None]:
    """The data of each event, complete or not."""
    splitter = EventSplitter()
    events = [event for chunk in chunks for event in splitter.feed(chunk)]
    rest = splitter.rest()
    assert b"".join(event.raw for event in [*events, rest]) == b"".join(chunks)
    return [event.data for event in ([*events, rest] if rest.raw.strip() else events)]


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\r\ndata: b\n\r\n", [b"a\nb"]),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"]),
        (b"data:a\n\ndata: a\n\ndata:  a\n\n", [b"a", b"a", b" a"]),
        (b"data\n\ndata\ndata\n\n", [b"", b"\n"]),
        (b": comment\n\ndata: a\n\n", [None, b"a"]),
        (b"event: ping\nid: 7\nretry: 3\n\n", [None]),
        (b"event: delta\ndata: a\nid: 7\n\n", [b"a"]),
        (b"dataset: no\n\n", [None]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a", None]),
        (b"data: caf\xc3\xa9\n\n", ["café".encode()]),
        (b"data: a\n\ndata: unfinished", [b"a", b"unfinished"]),
        (b"", []),
    ],
)
def test_a_stream_is_split_into_its_events_whole_or_byte_by_byte(stream: bytes, data: list[bytes]) -> None:
    assert split(stream) == data
    assert [one for one in split(*(bytes([byte]) for byte in stream)) if one] == [one for one in data if one]


LINES = st.sampled_from([b"data: a", b"data: {1}", b"data", b": c", b"event: x", b"", b""])
ENDS = st.sampled_from([b"\n", b"\r\n"])


@given(st.lists(st.tuples(LINES, ENDS), max_size=30), st.lists(st.integers(1, 9), max_size=30))
def test_where_a_stream_is_cut_makes_no_difference(
    lines: list[tuple[bytes, bytes]], sizes: list[int]
) -> None:
    stream = b"".join(line + end for line, end in lines)
    chunks, at = [], 0
    for size in sizes:
        chunks.append(stream[at : at + size])
        at += size
    chunks.append(stream[at:])

    with_data = [one for one in split(*chunks) if one is not None]
    assert with_data == [one for one in split(stream) if one is not None]


def test_an_event_is_given_as_soon_as_it_is_complete() -> None:
    splitter = EventSplitter()

    assert splitter.feed(b"data: a\n") == []
    assert [event.data for event in splitter.feed(b"\n")] == [b"a"]


def test_an_event_that_is_too_large_passes_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 20)
    splitter = EventSplitter()
    events = [
        event
        for chunk in (b"data: " + b"x" * 20, b"xx\n\ndata: ", b"next\n\n")
        for event in splitter.feed(chunk)
    ]

    assert [event.data for event in events] == [None, None, b"next"]
