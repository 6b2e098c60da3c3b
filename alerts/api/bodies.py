"""Bodies that change what an account is told of: read strictly, faults named by the field's JSON pointer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from rest_framework.request import Request

from usage.api.bodies import explain
from usage.core.errors import InvalidRequest

# More of anything is in no account.
MOST = 500
# PostgreSQL's text holds no NUL, and UTF-8 no half of a pair.
Text = Annotated[str, Meta(pattern="^[^\x00\ud800-\udfff]*$", max_length=2_000)]
Struct = TypeVar("Struct", bound=msgspec.Struct)


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a body."""


class Thresholds(Body, frozen=True):
    limits: list[int] | None


class ChannelUpdate(Body, frozen=True):
    id: int
    state: Literal["active", "disabled"]


class RecipientUpdate(Body, frozen=True):
    member: Text
    mode: Literal["each", "digest", "none"]


class AlertsUpdate(Body, frozen=True):
    """What is left out stays as it is."""

    thresholds: Thresholds | UnsetType = UNSET
    rules: Annotated[dict[str, list[str]], Meta(max_length=MOST)] = {}
    channels: Annotated[list[ChannelUpdate], Meta(max_length=MOST)] = []
    recipients: Annotated[list[RecipientUpdate], Meta(max_length=MOST)] = []


class NewChannel(Body, frozen=True):
    kind: Text
    address: Text


def read_body(form: type[Struct], request: Request) -> Struct:
    """The request's JSON as `form`; raises InvalidRequest naming the field that is wrong or unknown."""
    try:
        return msgspec.convert(request.data, form)
    except msgspec.ValidationError as wrong:
        sentence, pointer = explain(wrong)
        raise _fault(pointer, sentence) from None


@contextmanager
def pointing(pointers: Mapping[str, str] | None = None) -> Iterator[None]:
    """Let refusals that name a field name it as the body has it: as `pointers` say, else by the same name."""
    try:
        yield
    except InvalidRequest as wrong:
        name = wrong.details.get("field")
        if name is None:
            raise
        pointer = (pointers or {}).get(name) or "/" + name.replace(".", "/")
        raise _fault(pointer, wrong.message.removeprefix(f"{name}: "), code=wrong.error_code) from wrong


def _fault(pointer: str, sentence: str, *, code: str = InvalidRequest.code) -> InvalidRequest:
    fault = {"pointer": pointer, "code": code, "message": sentence}
    message = f"{pointer}: {sentence}" if pointer else sentence
    return InvalidRequest(message, code=code, details={"pointer": pointer, "errors": [fault]})
