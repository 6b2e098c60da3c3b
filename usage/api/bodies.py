"""Bodies: read in bounded memory, decoded strictly by msgspec, faults named by JSON pointer."""

import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from usage.core.errors import InvalidRequest, TooLarge

GZIP_WINDOW_BITS = 31
# What msgspec raises for bytes that are no JSON of ours: malformed, not UTF-8, or nested beyond sense.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
FIELD_NAMED = re.compile(r"^Object (?:missing required|contains unknown) field `(.*)`$")
# The escape of NUL, which PostgreSQL's text cannot hold; not a backslash followed by u0000.
NUL_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Struct = TypeVar("Struct", bound=msgspec.Struct)


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a body in which nothing unknown may be."""


def decode(body: bytes, form: msgspec.json.Decoder[Struct]) -> Struct:
    """`body` as `form` reads it. Raises InvalidRequest with the `pointer` to the field that is wrong."""
    try:
        value = form.decode(body)
    except msgspec.ValidationError as wrong:
        sentence, pointer = explain(wrong)
        message = f"{pointer}: {sentence}" if pointer else sentence
        raise InvalidRequest(message, details={"pointer": pointer}) from None
    except UNREADABLE as wrong:
        raise InvalidRequest(f"The body is not JSON: {wrong}.", code="json_invalid") from None
    if NUL_ESCAPED.search(body):
        raise InvalidRequest(
            "The body contains a NUL character (\\u0000), which cannot be stored: leave it out.",
            code="text_invalid",
        )
    return value


def explain(wrong: Exception) -> tuple[str, str]:
    """msgspec's words as a sentence and a JSON pointer to the field they are about.

    Attribute names of OpenTelemetry contain dots, so a path is not simply its segments:
    "$.operations[0].units.pages" is /operations/0/units/pages, "$.data.gen_ai.usage.input_tokens" has two
    segments.
    """
    sentence, _, path = str(wrong).partition(" - at `")
    head, dot, attribute = path.removesuffix("`").removeprefix("$").partition(".gen_ai.")
    pointer = head.replace(".", "/").replace("[", "/").replace("]", "")
    pointer += f"/gen_ai.{attribute}" if dot else ""
    if (named := FIELD_NAMED.search(sentence)) is not None:
        pointer += "/" + named[1].replace("~", "~0").replace("/", "~1")
    return f"{sentence}.", pointer


def fault(pointer: str, sentence: str, *, code: str = InvalidRequest.code, **more: str) -> InvalidRequest:
    """The refusal of the one field at the pointer, which is empty for all of the body."""
    found = {"pointer": pointer, "code": code, "message": sentence, **more}
    message = f"{pointer}: {sentence}" if pointer else sentence
    return InvalidRequest(message, code=code, details={"pointer": pointer, "errors": [found]})


@contextmanager
def pointing(pointers: Mapping[str, str] | None = None) -> Iterator[None]:
    """Let refusals that name a field name it as the body has it: as `pointers` say, else by the same name. An
    amount that would be `allowed` is told with it.
    """
    try:
        yield
    except InvalidRequest as wrong:
        name = wrong.details.get("field")
        if name is None:
            raise
        pointer = (pointers or {}).get(name) or "/" + name.replace(".", "/")
        told = wrong.message.removeprefix(f"{name}: ")
        allowed = {key: value for key, value in wrong.details.items() if key == "allowed"}
        raise fault(pointer, told, code=wrong.error_code, **allowed) from wrong


def body_of(request: HttpRequest, *, limit: int) -> bytes:
    """The request's body with gzip undone, at most `limit` bytes in either form.

    Raises TooLarge, and InvalidRequest for an encoding that is not gzip.
    """
    body = _raw_body(request, limit=limit)
    match request.headers.get("Content-Encoding", "").strip().lower():
        case "" | "identity":
            return body
        case "gzip":
            return _gunzip(body, limit=limit)
        case other:
            raise InvalidRequest(
                f"Content-Encoding {other!r} is not understood: send gzip, or none.",
                code="encoding_unknown",
            )


def _raw_body(request: HttpRequest, *, limit: int) -> bytes:
    """The body as it was sent; one sent in chunks has no length, and Django reads none of it by itself."""
    chunked = "Content-Length" not in request.headers and request.META.get("wsgi.input_terminated")
    try:
        body: bytes = request.META["wsgi.input"].read(limit + 1) if chunked else request.body
    except RequestDataTooBig:
        raise _too_large(limit) from None
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _gunzip(body: bytes, *, limit: int) -> bytes:
    """`body` uncompressed, all members, never further than the bound: a bomb is refused before it grows."""
    plain = b""
    while body:
        stream = zlib.decompressobj(GZIP_WINDOW_BITS)
        try:
            plain += stream.decompress(body, limit + 1 - len(plain))
        except zlib.error as wrong:
            raise InvalidRequest(f"The body is not valid gzip ({wrong}).", code="encoding_invalid") from wrong
        if len(plain) > limit:
            raise _too_large(limit)
        if not stream.eof:
            raise InvalidRequest("The gzip body is cut off.", code="encoding_invalid")
        body = stream.unused_data
    return plain


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The body is over {limit} bytes uncompressed: send less at once.", details={"limit": limit}
    )
