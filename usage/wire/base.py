"""The contract between metering and a provider's wire format.

A `Wire` reads a request before it is sent, prepares the body that really is sent, and makes the `Reader` that
collects what the answer says was consumed.
"""

from dataclasses import dataclass
from typing import Protocol

from usage.events import NO_UNITS, ReportedCost, Units


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """An HTTP request to a provider, as far as metering looks at it. `path` is without the query."""

    method: str
    path: str
    query: str = ""
    content_type: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a request asks for. Tokens and units are upper bounds; None means not counted in tokens.

    `operation` is OpenTelemetry's `gen_ai.operation.name` where that has one. `generates`: the request format
    has a field that caps the output; `output_cap` is what the request itself says there, per choice.
    """

    operation: str
    model: str = ""
    streaming: bool = False
    input_tokens: int | None = None
    generates: bool = False
    output_cap: int | None = None
    choices: int = 1
    units: Units = NO_UNITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an answer says was consumed; None where it does not say. Totals with parts, as in events.

    `estimated`: the answer did not say, and the tokens were counted here from what was sent and seen.
    `complete`: the answer came to its own end.
    """

    response_model: str = ""
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    units: Units = NO_UNITS
    cost: ReportedCost | None = None
    estimated: bool = False
    complete: bool = True


class Reader(Protocol):
    """Collects what one answer says, while it passes."""

    def whole(self, body: bytes) -> None:
        """Take the complete body of an answer that is not a stream of events."""

    def event(self, data: bytes) -> bool:
        """Take the data of one server-sent event; False when only metering asked for it and the caller must
        not see it.
        """

    def reading(self) -> Reading:
        """What was consumed as far as was seen; may be asked at any time, also after a stream broke off."""


class Wire(Protocol):
    """How one family of APIs speaks."""

    def call_of(self, request: SentRequest) -> Call | None:
        """What `request` asks for, or None when it is nothing that is metered (a list of models, say)."""

    def prepared(self, request: SentRequest, call: Call, *, output_cap: int | None) -> bytes:
        """The body to send: output capped at `output_cap` tokens a choice, usage asked for where it must be.

        The same bytes when nothing needs changing.
        """

    def reader(self, call: Call) -> Reader:
        """A reader for the answer to `call`."""
