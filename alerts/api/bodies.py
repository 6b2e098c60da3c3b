"""Bodies that change what an account is told of: read strictly, faults named by the field's JSON pointer."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from rest_framework.request import Request

from usage.api.bodies import Body, Struct, explain, fault

# More of anything is in no account.
MOST = 500
# PostgreSQL's text holds no NUL, and UTF-8 no half of a pair.
Text = Annotated[str, Meta(pattern="^[^\x00\ud800-\udfff]*$", max_length=2_000)]


class Thresholds(Body, frozen=True):
    limits: list[int] | None


class ChannelUpdate(Body, frozen=True):
    id: int
    state: Literal["active", "disabled"]


class RecipientUpdate(Body, frozen=True):
    member: Text
    mode: Literal["each", "digest", "none"] | UnsetType = UNSET
    rules: Annotated[list[str], Meta(max_length=MOST)] | UnsetType = UNSET


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
        raise fault(pointer, sentence) from None
