"""JSON bodies that others wrote: read as far as they can be read, changed no more than must be.

Nothing here raises for a body that is not what it should be.
"""

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from usage.events import MAX_COUNT, NO_UNITS, Units
from usage.wire.base import Call, Reading, SentRequest

T = TypeVar("T")

# What decoding and encoding raise for bodies that are not JSON, not UTF-8, nested too deep or out of range.
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError)
# A field kept as it was written, where it was not.
NOTHING = msgspec.Raw()
# A PDF of plain text, packed as tightly as the format goes, still spends some 4 KiB on a page.
LEAST_PDF_PAGE_BYTES = 4_096

_objects = msgspec.json.Decoder(dict[str, Any])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_pdf_page = re.compile(rb"/Type\s*/Page(?![A-Za-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCall(Call):
    """A call of which it is known about how many tokens were sent, for answers that never say it.

    Text is counted; images and documents are at their bounds.
    """

    about_input: int


def about_input(call: Call) -> int | None:
    """About how many tokens were sent with `call`, where its wire counted them."""
    return call.about_input if isinstance(call, PromptCall) else None


def decoded(body: bytes, decoder: msgspec.json.Decoder[T]) -> T | None:
    """What `decoder` makes of `body`; None when it cannot."""
    try:
        return decoder.decode(body)
    except UNREADABLE:
        return None


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, empty when there is none."""
    return decoded(body, _objects) or {}


def fields_of(body: bytes) -> dict[str, msgspec.Raw] | None:
    """The fields of the JSON object in `body`, their values as they were written; None when there is none."""
    return decoded(body, _fields)


def encoded(value: Any) -> bytes:
    """`value` as JSON; nothing when it cannot be written."""
    try:
        return msgspec.json.encode(value)
    except UNREADABLE:
        return b""


def count_of(value: object) -> int | None:
    """The whole number `value` is, also where it is spelled "100" or 100.0; None when it is none."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= len(str(MAX_COUNT)):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def text_of(value: object) -> str:
    """`value` when it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def object_in(value: object) -> dict[str, Any]:
    """`value` when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_in(value: object) -> list[Any]:
    """`value` when it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def merge(known: msgspec.Struct, said: msgspec.Struct) -> None:
    """Let what `said` says replace what was `known`; what it leaves out stays. Both are of one type."""
    for name in said.__struct_fields__:
        if (value := getattr(said, name)) is not None:
            setattr(known, name, value)


def objects_within(value: object) -> list[dict[str, Any]]:
    """Every object in `value`, itself included, however deep."""
    found: list[dict[str, Any]] = []
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            found.append(part)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found


def pdf_pages(data: str) -> int:
    """Pages of a base64 PDF: counted where its page objects lie open, else what its size has room for."""
    try:
        content = binascii.a2b_base64(data)
    except ValueError:
        content = b""
    return len(_pdf_page.findall(content)) or 1 + len(data) // LEAST_PDF_PAGE_BYTES


class SentAsItIs:
    """The half of a wire that changes nothing about requests: what is not counted in tokens has no cap."""

    def prepared(self, request: SentRequest, call: Call, *, output_cap: int | None) -> bytes:
        """The body as the caller wrote it."""
        return request.body


class UnitsReader:
    """Reads the one body of an answer that is counted in units.

    `units_of` finds them in the body, None where it does not say. `unsaid` is what such a call consumed when
    its answer does not say or never came: counted here, so marked estimated.
    """

    def __init__(self, units_of: Callable[[bytes], Units | None], *, unsaid: Units) -> None:
        self._units_of = units_of
        self._unsaid = unsaid
        self._units: Units | None = None
        self._complete = False

    def whole(self, body: bytes) -> None:
        """Take the complete body."""
        self._units = self._units_of(body)
        self._complete = True

    def event(self, data: bytes) -> bool:
        """Take one event of a stream: the last that says what was consumed counts, and ends it."""
        if (units := self._units_of(data)) is not None:
            self._units, self._complete = units, True
        return True

    def reading(self) -> Reading:
        """What was consumed as far as was seen."""
        if self._units is not None:
            return Reading(units=self._units, complete=self._complete)
        return Reading(units=self._unsaid, estimated=self._unsaid != NO_UNITS, complete=self._complete)
