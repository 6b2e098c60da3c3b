"""A provider's answer on its way to the caller."""

import logging
from dataclasses import replace

from usage.metering.bodies import EventFilter, EventTap, Tap, Untapped, WholeTap, decoder_for, is_readable
from usage.metering.exchange import Exchange, Outcome, finish_later
from usage.wire.base import Call, Reader, Reading

logger = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream"
FIRST_REDIRECT_STATUS = 300
FIRST_ERROR_STATUS = 400


class Answer:
    """An answer passing through: `open` it, `feed` it every piece, `end` it after the last, `finish` it."""

    def __init__(self, exchange: Exchange, *, status: int, content_type: str) -> None:
        self._exchange = exchange
        self._status = status
        self._is_event_stream = content_type.partition(";")[0].strip().lower() == EVENT_STREAM
        self._reader = SafeReader(exchange.wire.reader(exchange.call), call=exchange.call)
        self._tap: Tap = Untapped()
        self._reads_events = False
        self._received = 0
        self._has_ended = False

    @property
    def is_decoded(self) -> bool:
        """Whether the body goes on decoded, and shorter than announced: events may be kept back from it."""
        return isinstance(self._tap, EventFilter)

    @property
    def is_open(self) -> bool:
        """Whether the call is still to be settled or released."""
        return self._exchange.is_open

    def open(self, encoding: str) -> None:
        """Say, before the first piece, in which Content-Encoding the pieces come."""
        encoding = encoding.strip().lower()
        if self._status >= FIRST_REDIRECT_STATUS or not is_readable(encoding):
            return
        self._reads_events = self._is_event_stream
        events = EventFilter if self._exchange.filters else EventTap
        tap = events if self._is_event_stream else WholeTap
        self._tap = tap(self._reader, decoder=decoder_for(encoding))

    def feed(self, chunk: bytes) -> bytes:
        """What the caller gets now that `chunk` has arrived."""
        self._received += len(chunk)
        return self._tap.feed(chunk)

    def end(self) -> bytes:
        """What the caller still gets now that the provider has sent all."""
        if self._has_ended:
            return b""
        self._has_ended = True
        return self._tap.end()

    def finish(self, failure: BaseException | None = None) -> None:
        """Settle the call. Without a failure before the end, the caller has closed the answer early."""
        if not self.is_open:
            return
        if FIRST_REDIRECT_STATUS <= self._status < FIRST_ERROR_STATUS:
            # A redirect: the call is made again where it leads, and is metered there.
            self._exchange.release()
            return
        if not self._has_ended:
            self._tap.cut()
        reading = None if self._status >= FIRST_ERROR_STATUS else self._reader.reading()
        outcome = self._outcome(reading, failure=failure)
        self._exchange.settle(reading, outcome=outcome, status=self._status, received=self._received)

    def forget(self) -> None:
        """The answer is garbage, neither read to its end nor closed: settle it before the next call.

        Best effort: after a process's last call its hold is left to expire.
        """
        if self.is_open:
            finish_later(self.finish)

    def _outcome(self, reading: Reading | None, *, failure: BaseException | None) -> Outcome:
        if reading is None:
            return Outcome.FAILED
        # Clients stop reading at a stream's last event, before the body's end; and a body can end before it.
        tells_its_end = self._reads_events and not self._reader.has_failed
        if reading.complete if tells_its_end else self._has_ended:
            return Outcome.SETTLED_ESTIMATED if reading.estimated else Outcome.SETTLED
        if failure is not None:
            return self._exchange.outcome_of(failure)
        return Outcome.BROKEN if self._has_ended else Outcome.ABANDONED


class SafeReader:
    """A wire's reader whose mistakes cost the caller nothing: an answer it cannot read passes, estimated."""

    def __init__(self, reader: Reader, *, call: Call) -> None:
        self._reader = reader
        self._call = call
        self.has_failed = False

    def whole(self, body: bytes) -> None:
        try:
            self._reader.whole(body)
        except Exception as mistake:
            self._failed(mistake)

    def event(self, data: bytes) -> bool:
        try:
            return self._reader.event(data)
        except Exception as mistake:
            self._failed(mistake)
            return True

    def reading(self) -> Reading:
        try:
            reading = self._reader.reading()
        except Exception as mistake:
            self._failed(mistake)
            reading = Reading(input_tokens=self._call.input_tokens)
        return replace(reading, estimated=True) if self.has_failed else reading

    def _failed(self, mistake: Exception) -> None:
        # Its kind alone: the text can quote the answer.
        if not self.has_failed:
            logger.warning("An answer of %r could not be read: %s", self._call.model, type(mistake).__name__)
        self.has_failed = True
