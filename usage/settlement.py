"""Settling: what an authorized call consumed becomes an event like any other, drawn from its hold.

The event's source is `authorization`, and its id follows from the authorization's, so that a call is settled
once however often it is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec

from usage.core.errors import InvalidRequest, TrackingException
from usage.decisions import Priced
from usage.events import (
    Count,
    Instant,
    ModelName,
    Name,
    Outcome,
    ReportedCost,
    ShortText,
    Strict,
    Tags,
    Units,
    UsageData,
    UsageEvent,
)
from usage.ingest import Window, ingest
from usage.models import Authorization
from usage.providers import find

SOURCE = "authorization"
# With an authorization's id before it, a call's id is still short enough for an event's.
MAX_CALL_ID_LENGTH = 64
TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
TOKEN_POINTERS = {
    f"/data/{field.encode_name}": f"/quantities/{field.name}"
    for field in msgspec.structs.fields(UsageData)
    if field.name in TOKENS
}
POINTERS = {
    **TOKEN_POINTERS,
    **{f"/data/units/{unit}": f"/quantities/{unit}" for unit in Units.__struct_fields__},
    "/data": "/quantities",
    "/data/gen_ai.provider.name": "/provider",
    "/data/gen_ai.request.model": "/model",
}


class CallQuantities(Units, frozen=True):
    """What one call consumed. Token counts are totals with parts: cached ⊂ input, reasoning ⊂ output."""

    input_tokens: Count | None = None
    cached_input_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    output_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class SettlementRequest(Strict, frozen=True, kw_only=True):
    """The body that settles one call. What is left out of provider, model, request_type, endpoint, tags and
    byok is as it was authorized. `id` tells the calls of a workflow apart; `time` is when the call happened.
    """

    quantities: CallQuantities
    id: Annotated[str, msgspec.Meta(max_length=MAX_CALL_ID_LENGTH)] = ""
    time: Instant | None = None
    provider: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    model: ModelName | None = None
    request_type: ShortText | None = None
    endpoint: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    method: Annotated[str, msgspec.Meta(max_length=16)] = ""
    tags: Tags | None = None
    end_user: Name = ""
    status_code: Annotated[int, msgspec.Meta(ge=100, le=599)] = 200
    response_time: Annotated[float, msgspec.Meta(ge=0, le=2_000_000)] | None = None
    error_message: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    cost: ReportedCost | None = None
    byok: bool | None = None


class Said(msgspec.Struct, frozen=True):
    """What the request for an authorization said of an operation besides its worst case."""

    request_type: str = ""
    endpoint: str = ""
    tags: Tags = Tags()
    byok: bool = False


class Meant(Priced, frozen=True, array_like=True):
    """An operation as the authorization keeps it."""

    said: Said = Said()


class EventRef(msgspec.Struct, frozen=True, kw_only=True):
    """The event a call was recorded as."""

    source: str
    id: str


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """A settled call: its cost in USD, and its authorization as it now stands. `overrun`: a call of it
    consumed more than was held for it, or came when nothing was held any more.
    """

    id: str
    state: str
    cost: str
    currency: str
    overrun: bool
    event: EventRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The answer to a settle, and whether the same call had been settled before."""

    settled: Settled
    replayed: bool


def settle(
    authorization: Authorization,
    request: SettlementRequest,
    *,
    at: datetime,
    call_id: str = "",
    window: Window | None = None,
) -> Settlement:
    """Record what a call of `authorization` consumed, once; the surplus of its hold returns.

    Usage is a fact: that of an authorization released or expired is recorded all the same. `call_id` is the
    call's id in a workflow where the request names none. Times outside `window` are refused as by `ingest`.
    Raises InvalidRequest when it is not clear which call is meant, TrackingException (`event_conflict`) when
    it was settled with other content before, or with the code and pointer of what is wrong.
    """
    event = _event(authorization, request, call_id=call_id)
    (outcome,) = ingest([event], at=at, account=authorization.account, window=window)
    if outcome.cost is None or outcome.currency is None:
        raise _refused(outcome)
    authorization.refresh_from_db()
    settled = Settled(
        id=str(authorization.pk),
        state=authorization.state,
        cost=outcome.cost,
        currency=outcome.currency,
        overrun=authorization.overrun,
        event=EventRef(source=event.source, id=event.id),
    )
    return Settlement(settled=settled, replayed=outcome.outcome == "replayed")


def _event(authorization: Authorization, request: SettlementRequest, *, call_id: str) -> UsageEvent:
    operations = msgspec.convert(authorization.operations, list[Meant], strict=False)
    is_workflow = sum(operation.calls for operation in operations) > 1
    meant = _meant(operations, request)
    if request.byok not in (None, meant.said.byok):
        raise InvalidRequest(
            "byok: whose provider key pays was settled when the call was authorized: leave it out.",
            details={"pointer": "/byok"},
        )
    given = request.quantities
    data = UsageData(
        provider=request.provider or meant.provider,
        request_model=meant.model if request.model is None else request.model,
        **{name: getattr(given, name) for name in TOKENS},
        units=Units(**{name: getattr(given, name) for name in Units.__struct_fields__}),
        tags=request.tags or meant.said.tags,
        cost=request.cost,
        endpoint=meant.said.endpoint if request.endpoint is None else request.endpoint,
        method=request.method,
        request_type=meant.said.request_type if request.request_type is None else request.request_type,
        status_code=request.status_code,
        response_time=request.response_time,
        error_message=request.error_message,
        end_user=request.end_user,
        authorization=str(authorization.pk),
        byok=meant.said.byok if request.byok is None else request.byok,
    )
    # Of one call it is known when it was about to happen; a workflow's happen later, one after the other.
    usual_time = None if is_workflow else authorization.created_at
    return UsageEvent(
        id=_event_id(authorization, request, call_id=call_id, is_workflow=is_workflow),
        source=SOURCE,
        time=request.time or usual_time,
        data=data,
    )


def _event_id(
    authorization: Authorization, request: SettlementRequest, *, call_id: str, is_workflow: bool
) -> str:
    own = str(authorization.pk)
    if not is_workflow:
        if request.id not in ("", own):
            raise _unclear("/id", "This authorization is for one call, whose id is its own: leave it out.")
        return own
    named = request.id or call_id
    if not named:
        raise _unclear(
            "/id",
            "This authorization is for several calls: give each an id of its own, or an Idempotency-Key.",
        )
    if len(named) > MAX_CALL_ID_LENGTH:
        raise _unclear("/id", f"The id of a call takes at most {MAX_CALL_ID_LENGTH} characters.")
    return f"{own}/{named}"


def _meant(operations: Sequence[Meant], request: SettlementRequest) -> Meant:
    """The operation whose call this was: of its provider, better of its model as well, the first of those."""
    found = operations
    if request.provider is not None:
        provider = find(request.provider)
        key = request.provider if provider is None else provider.key
        found = [operation for operation in operations if operation.provider == key]
    if not found:
        # A call nobody asked for: it is what it says, and nothing was held for it.
        return msgspec.structs.replace(operations[0], model="", said=Said())
    found = [operation for operation in found if operation.model == request.model] or found
    for name in ("provider", "model"):
        if getattr(request, name) is None and len({getattr(operation, name) for operation in found}) > 1:
            raise _unclear(f"/{name}", "This authorization is for several: say which one was called.")
    return found[0]


def _unclear(pointer: str, sentence: str) -> InvalidRequest:
    return InvalidRequest(f"{pointer}: {sentence}", details={"pointer": pointer})


def _refused(outcome: Outcome) -> TrackingException:
    if outcome.outcome == "conflict":
        message = "This call was settled before with other content: what is recorded stays as it is."
        return TrackingException(message, code="event_conflict")
    event_pointer = outcome.pointer or ""
    pointer = POINTERS.get(event_pointer, event_pointer.removeprefix("/data"))
    return TrackingException(outcome.message or "", code=outcome.code or "", details={"pointer": pointer})
