"""Server-sent events, split from a stream of bytes as it passes.

After the WHATWG HTML standard, section 9.2: lines end with CR, LF or CRLF, a blank line ends an event,
several `data` lines make one text, lines that begin with a colon are comments, one byte order mark may lead.
"""

import re
from dataclasses import dataclass

# The largest events are images in base64. An event beyond this is handed on unread.
MAX_EVENT_BYTES = 16 * 1024 * 1024

# Atomic groups: a CRLF is never taken for a CR and an LF that make two line ends.
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
# An event may end in four bytes, of which the last can be the first of the next chunk.
_LOOK_BACK = 3
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: the bytes it came in, and its data; None when it has none (a comment, say)."""

    raw: bytes
    data: bytes | None


class EventSplitter:
    """Splits bytes into events. Their `raw` parts and `rest()` together are exactly what was fed."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._at_start = True
        self._unread = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes."""
        pending = self._pending
        begin = 0
        search_from = max(0, len(pending) - _LOOK_BACK)
        pending += chunk
        events = []
        while (end := _EVENT_END.search(pending, search_from)) is not None:
            events.append(self._event(bytes(pending[begin : end.end()])))
            begin = search_from = end.end()
        del pending[:begin]
        if len(pending) > MAX_EVENT_BYTES:
            events.append(Event(bytes(pending), None))
            pending.clear()
            self._unread = True
        return events

    def rest(self) -> Event:
        """What has come since the last event's end, as if it ended here; the splitter is empty then.

        The standard discards an unfinished event; what a provider reports in one is true all the same.
        """
        raw = bytes(self._pending)
        self._pending.clear()
        return self._event(raw)

    def _event(self, raw: bytes) -> Event:
        unread, self._unread = self._unread, False
        if unread:
            return Event(raw, None)
        lines = raw.removeprefix(_BYTE_ORDER_MARK) if self._at_start else raw
        self._at_start = False
        return Event(raw, _data_of(lines))


def _data_of(lines: bytes) -> bytes | None:
    data = [
        line[5:].removeprefix(b" ")
        for line in _LINE_END.split(lines)
        if line == b"data" or line.startswith(b"data:")
    ]
    return b"\n".join(data) if data else None
