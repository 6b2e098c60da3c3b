"""Lists with cursors, newest first."""

from collections.abc import Mapping
from typing import Any

from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.presenting import shown
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, listed, no_such

DEFAULT_LIMIT = 10
MAX_LIMIT = 100


def page(call: Call, kind: str, *, url: str, matching: Mapping[str, Any] | None = None) -> Json:
    """The page of a kind's objects that the call asks for; values of None match everything."""
    limit = _limit(call)
    wanted = {path: value for path, value in (matching or {}).items() if value is not None}
    if "created" in call.params:
        wanted["created"] = call.params["created"]
    forward = "ending_before" not in call.params
    found = call.store.select(
        kind,
        matching=wanted,
        before=_cursor(call, "starting_after", kind=kind),
        after=_cursor(call, "ending_before", kind=kind),
        newest_first=forward,
        limit=limit + 1,
    )
    data = found[:limit] if forward else found[:limit][::-1]
    return listed([shown(each) for each in data], url=url, has_more=len(found) > limit)


def page_of(call: Call, rows: list[Json], *, url: str, kind: str) -> Json:
    """The page of the rows inside one object, in their own order."""
    limit = _limit(call)
    start = 0
    if after := call.params.get("starting_after"):
        places = [place for place, row in enumerate(rows) if row["id"] == after]
        if not places:
            raise no_such(kind, after, param="starting_after")
        start = places[0] + 1
    data = rows[start : start + limit]
    return listed([shown(each) for each in data], url=url, has_more=len(rows) > start + limit)


def _limit(call: Call) -> int:
    limit: int = call.params.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        raise ApiError(
            f"Invalid integer: limit must be between 1 and {MAX_LIMIT}",
            code="parameter_invalid_integer",
            param="limit",
        )
    return limit


def _cursor(call: Call, param: str, *, kind: str) -> int | None:
    object_id = call.params.get(param)
    if object_id is None:
        return None
    sequence = call.store.sequence(object_id)
    if sequence is None:
        raise no_such(kind, object_id, param=param)
    return sequence
