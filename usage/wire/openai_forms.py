"""The fields of a `multipart/form-data` body (RFC 7578), as far as metering looks at them."""

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

MAX_FIELD_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field: its text, or of a file only how many bytes it has."""

    name: str
    text: str = ""
    file_bytes: int | None = None


def form_fields(body: bytes, *, content_type: str) -> list[FormField]:
    """The fields of a form in the order sent; none when `body` is no such form."""
    boundary = _header(content_type).get_boundary()
    if not boundary or not content_type.lower().startswith("multipart/form-data"):
        return []
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("utf-8", "replace"))
    return list(_fields(parts[1:]))


def _fields(parts: list[bytes]) -> Iterator[FormField]:
    for part in parts:
        head, found, content = part.partition(b"\r\n\r\n")
        headers = HeaderParser().parsestr(head.strip(b"\r\n").decode("utf-8", "replace"))
        name = headers.get_param("name", header="content-disposition")
        if not found or not isinstance(name, str):
            continue
        if headers.get_filename() is not None or len(content) > MAX_FIELD_BYTES:
            yield FormField(name=name, file_bytes=len(content))
        else:
            yield FormField(name=name, text=content.decode("utf-8", "replace"))


def _header(content_type: str) -> Message:
    message = Message()
    message["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    return message
