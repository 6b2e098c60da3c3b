"""POST /api/usage/events: usage comes in. A plain Django view: DRF would cost more than the work."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from usage import access
from usage.api.bodies import UNREADABLE, body_of, explain
from usage.core.errors import InvalidRequest, TooLarge
from usage.events import Outcome, UsageEvent
from usage.ingest import MAX_EVENTS, Window, ingest
from usage.models import Account, Scope

_read_one = msgspec.json.Decoder(msgspec.Raw)
_split_batch = msgspec.json.Decoder(list[msgspec.Raw])
_decode_event = msgspec.json.Decoder(UsageEvent)
_encoder = msgspec.json.Encoder()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: how many of each, and one outcome per event in the order they were sent."""

    recorded: int
    replayed: int
    conflicts: int
    rejected: int
    outcomes: Sequence[Outcome]


@csrf_exempt  # The access layer checks the token of a session itself; servers with a key have none.
@require_POST
def post_events(request: HttpRequest) -> HttpResponse:
    """Record one event or a batch of them; 200 with an outcome for each, whatever became of it."""
    principal = access.principal_of(request, at=timezone.now())
    access.require(principal, Scope.INGEST)
    account = None if principal.accounts is None else access.account_for(principal, scope=Scope.INGEST)
    body = body_of(request, limit=settings.INGEST_MAX_BODY_BYTES)
    # Only now: a slow upload must not be recorded in a period that has ended meanwhile.
    outcomes = record(body, at=timezone.now(), account=account)
    return HttpResponse(_encoder.encode(report(outcomes)), content_type="application/json")


def record(body: bytes, *, at: datetime, account: Account | None) -> list[Outcome]:
    """Decode `body` and record its events; an event that cannot be decoded is rejected, the others recorded.

    Raises InvalidRequest when the body is no JSON at all or an empty batch, TooLarge when it is too long.
    """
    raw_events = split(body)
    events: list[UsageEvent] = []
    positions: list[int] = []
    outcomes: dict[int, Outcome] = {}
    for position, raw in enumerate(raw_events):
        try:
            events.append(_decode_event.decode(raw))
            positions.append(position)
        except UNREADABLE as wrong:
            outcomes[position] = undecodable(raw, position, wrong)
    if not outcomes:
        return ingest(events, at=at, account=account, window=window(at))
    if events:
        for position, outcome in zip(
            positions, ingest(events, at=at, account=account, window=window(at)), strict=True
        ):
            outcomes[position] = msgspec.structs.replace(outcome, index=position)
    return [outcomes[position] for position in range(len(raw_events))]


def window(at: datetime) -> Window:
    return Window(earliest=at - settings.INGEST_HORIZON, latest=at + settings.INGEST_MAX_CLOCK_SKEW)


def split(body: bytes) -> list[msgspec.Raw]:
    """The events of a body that holds one object or an array of them, not decoded yet."""
    try:
        raw_events = _split_batch.decode(body) if body.lstrip()[:1] == b"[" else [_read_one.decode(body)]
    except UNREADABLE as wrong:
        raise InvalidRequest(f"The body is not JSON: {wrong}.", code="json_invalid") from wrong
    if not raw_events:
        raise InvalidRequest("The batch is empty: send at least one event.")
    if len(raw_events) > MAX_EVENTS:
        raise TooLarge(
            f"The batch holds {len(raw_events)} events: send at most {MAX_EVENTS} at once.",
            details={"limit": MAX_EVENTS},
        )
    return raw_events


def undecodable(raw: msgspec.Raw, position: int, wrong: Exception) -> Outcome:
    """The outcome of an event that is malformed, with whatever identity can be read from it."""
    sentence, pointer = explain(wrong)
    named = identity(raw)
    return Outcome(
        index=position,
        outcome="rejected",
        source=named.get("source", ""),
        id=named.get("id", ""),
        code="event_invalid" if isinstance(wrong, msgspec.ValidationError) else "json_invalid",
        pointer=pointer,
        message=sentence,
    )


def identity(raw: msgspec.Raw) -> dict[str, str]:
    try:
        loose: Any = msgspec.json.decode(raw)
    except UNREADABLE:
        return {}
    if not isinstance(loose, dict):
        return {}
    return {name: loose[name] for name in ("source", "id") if isinstance(loose.get(name), str)}


def report(outcomes: Sequence[Outcome]) -> Report:
    counts = {"recorded": 0, "replayed": 0, "conflict": 0, "rejected": 0}
    for outcome in outcomes:
        counts[outcome.outcome] += 1
    return Report(
        recorded=counts["recorded"],
        replayed=counts["replayed"],
        conflicts=counts["conflict"],
        rejected=counts["rejected"],
        outcomes=outcomes,
    )
