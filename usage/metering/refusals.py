"""Telling a client that its call was refused, in the words of the provider it believes it is talking to.

The provider's own library then raises its own error and does not try again; our exception hangs on the
answer, where `find_refusal` finds it along the chain of exceptions.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from usage import rate_limits
from usage.core.errors import BillingError, UsageLimitExceededException
from usage.operations import LimitStanding
from usage.providers import Provider

Found = TypeVar("Found", bound=BillingError)

# Under this key our exception lies in the `extensions` of a synthetic answer.
EXTENSION = "refusal"
# How many exceptions are looked at along a chain; real ones have a handful.
MAX_CHAIN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedAnswer:
    """A synthetic HTTP answer to a call that was not made."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def answer_to(refusal: BillingError, *, provider: Provider, at: datetime | None = None) -> RefusedAnswer:
    """What a client of `provider` is told about `refusal`, as of `at` (default: now)."""
    shape = _SHAPES.get(provider.key) or (_as_openai if provider.kind == "llm" else _plain)
    message = f"{refusal.message} {refusal.hint}".strip()
    headers = {
        "Content-Type": "application/json",
        "x-should-retry": "false",
        **_waiting(refusal.details),
        **rate_limits_of(refusal, at=at or datetime.now(UTC)),
    }
    return RefusedAnswer(
        status=refusal.status, headers=headers, body=msgspec.json.encode(shape(refusal, message))
    )


def find_refusal(error: BaseException) -> UsageLimitExceededException | None:
    """The refusal behind `error`: itself, a cause or context of it, or hung on the answer one of them holds.

    Libraries wrap what happens in a transport in errors of their own; most keep the answer on them.
    """
    return find_behind(error, UsageLimitExceededException)


def find_behind(error: BaseException, kind: type[Found]) -> Found | None:
    """The same for any kind of our errors that a transport tells."""
    waiting: deque[BaseException] = deque([error])
    seen: set[int] = set()
    while waiting and len(seen) < MAX_CHAIN:
        one = waiting.popleft()
        if id(one) in seen:
            continue
        seen.add(id(one))
        found = one if isinstance(one, kind) else _told_on_answer(one, kind)
        if found is not None:
            return found
        waiting.extend(linked for linked in (one.__cause__, one.__context__) if linked is not None)
    return None


def _told_on_answer(error: BaseException, kind: type[Found]) -> Found | None:
    for name in ("response", "raw_response"):
        extensions = getattr(getattr(error, name, None), "extensions", None)
        found = extensions.get(EXTENSION) if isinstance(extensions, Mapping) else None
        if isinstance(found, kind):
            return found
    return None


def rate_limits_of(refusal: BillingError, *, at: datetime) -> dict[str, str]:
    """The RateLimit fields of the limits that a refusal consulted."""
    return rate_limits.of_standings(_standings_of(refusal.details), held=False, at=at)


def _waiting(details: Mapping[str, Any]) -> dict[str, str]:
    seconds = details.get("retry_after")
    return {"Retry-After": str(max(0, math.ceil(seconds)))} if isinstance(seconds, int | float) else {}


def _standings_of(details: Mapping[str, Any]) -> Sequence[LimitStanding]:
    """The limits in a refusal's details; none where they are not of that form."""
    decision = details.get("decision", details)
    try:
        return msgspec.convert(
            decision.get("limits") or [], list[LimitStanding], from_attributes=True, strict=False
        )
    except (AttributeError, msgspec.ValidationError):
        return []


_OPENAI_TYPES = {402: "insufficient_quota", 429: "rate_limit_error", 503: "server_error"}
_ANTHROPIC_TYPES = {402: "billing_error", 404: "not_found_error", 429: "rate_limit_error", 503: "api_error"}
_GEMINI_STATUSES = {
    402: "FAILED_PRECONDITION",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def _as_openai(refusal: BillingError, message: str) -> dict[str, Any]:
    kind = _OPENAI_TYPES.get(refusal.status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": refusal.error_code}}


def _as_anthropic(refusal: BillingError, message: str) -> dict[str, Any]:
    kind = _ANTHROPIC_TYPES.get(refusal.status, "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


def _as_gemini(refusal: BillingError, message: str) -> dict[str, Any]:
    status = _GEMINI_STATUSES.get(refusal.status, "INVALID_ARGUMENT")
    return {"error": {"code": refusal.status, "message": message, "status": status}}


def _as_tavily(refusal: BillingError, message: str) -> dict[str, Any]:
    return {"detail": {"error": message, "code": refusal.error_code}}


def _as_stability(refusal: BillingError, message: str) -> dict[str, Any]:
    return {"name": refusal.error_code, "errors": [message]}


def _plain(refusal: BillingError, message: str) -> dict[str, Any]:
    """What Exa, Firecrawl and Serper send, all in one: each reads its own field."""
    return {"success": False, "error": message, "message": message, "code": refusal.error_code}


_SHAPES: Mapping[str, Callable[[BillingError, str], dict[str, Any]]] = {
    "anthropic": _as_anthropic,
    "gemini": _as_gemini,
    "tavily": _as_tavily,
    "stability": _as_stability,
}
