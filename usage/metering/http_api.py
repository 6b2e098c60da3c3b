"""The metering API as its client speaks it: one request each, the answer or an error of our tree.

The API key stands in the headers of this client and nowhere else: not in its repr, nor in what it raises.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from usage.core.errors import (
    AccessDenied,
    BillingError,
    EnforcementUnavailable,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    PricingException,
    SubscriptionException,
    TooLarge,
    UsageLimitExceededException,
)
from usage.events import Outcome, UsageEvent
from usage.metering import forks
from usage.operations import AuthorizationRequest, Authorized

# A thousand events take longer to record than one question to answer.
RECORD_TIMEOUT_S = 20.0
BATCH_TYPE = "application/cloudevents-batch+json"
EVENT_TYPE = "ai.usage"
# Whoever answers so may take the same request in a moment; 409: its first sending is still being worked on.
BUSY = (409, 502, 503, 504)
# The threads that call bound the connections; a bound here would make them take waiting for an outage.
LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=32)
ERRORS: Mapping[int, type[BillingError]] = {
    400: InvalidRequest,
    401: NotAuthenticated,
    402: SubscriptionException,
    403: AccessDenied,
    404: NotFound,
    413: TooLarge,
    422: InvalidRequest,
    429: EnforcementUnavailable,
}
OK = (200, 201)
READING_ERRORS = (msgspec.DecodeError, UnicodeDecodeError)

Struct = TypeVar("Struct", bound=msgspec.Struct)


class ServerFault(BillingError):
    """The server fell over this request; another one may fare better."""

    code = "server_fault"
    status = 502


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch."""

    outcomes: list[Outcome]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457 problem+json as this API writes it."""

    code: str = ""
    detail: str = ""
    hint: str = ""
    decision: dict[str, Any] | None = None
    retry_after: int | None = None


class MeteringApi:
    """The API at `base_url` (without /api), asked with `api_key`.

    Every method raises EnforcementUnavailable when nobody answers, ServerFault when the server fails, and the
    error that the answer means otherwise.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_s: float,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.base_url = checked_url(base_url)
        self._headers = {"Authorization": f"Bearer {checked_key(api_key)}"}
        self._timeout_s = timeout_s
        self._transport = transport
        self._client = self._new_client()
        forks.watch(self)

    def __repr__(self) -> str:
        return f"MeteringApi({self.base_url!r})"

    def authorize(self, request: AuthorizationRequest, *, key: str) -> Authorized:
        """Ask for an authorization; the same `key` gets the same answer, however often it is sent."""
        response = self._post(
            "/api/usage/authorizations",
            content=msgspec.json.encode(request),
            headers={"Content-Type": "application/json", "Idempotency-Key": key},
        )
        return self._read(response, Authorized)

    def record(self, events: Sequence[UsageEvent]) -> list[Outcome]:
        """Record a batch; an outcome for each event, in their order."""
        response = self._post(
            "/api/usage/events",
            content=msgspec.json.encode([cloud_event(event) for event in events]),
            headers={"Content-Type": BATCH_TYPE},
            timeout_s=RECORD_TIMEOUT_S,
        )
        return self._read(response, Report).outcomes

    def release(self, authorization: str) -> None:
        """Give back what `authorization` still holds."""
        response = self._post(f"/api/usage/authorizations/{quote(authorization, safe='')}/release")
        if not response.is_success:
            raise self._error(response)

    def close(self) -> None:
        self._client.close()

    def before_fork(self) -> None:
        """Nothing: the connections stay this process's."""

    def after_fork(self, *, in_child: bool) -> None:
        # Two processes that write to one connection would garble both conversations.
        if in_child:
            self._client = self._new_client()

    def _new_client(self) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.base_url,
            headers=self._headers,
            timeout=self._timeout_s,
            limits=LIMITS,
            transport=self._transport,
            follow_redirects=False,
            trust_env=False,
        )

    def _post(
        self,
        path: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> httpx2.Response:
        try:
            response = self._client.post(
                path, content=content, headers=headers, timeout=timeout_s or self._timeout_s
            )
        except httpx2.RequestError as failure:
            reason = type(failure).__name__
        else:
            if response.status_code not in BUSY:
                return response
            reason = f"status {response.status_code}"
        # Raised out here, without httpx2's error in its context: that carries the request, and it the key.
        raise EnforcementUnavailable(f"The billing server at {self.base_url} cannot be reached ({reason}).")

    def _read(self, response: httpx2.Response, form: type[Struct]) -> Struct:
        if response.status_code not in OK:
            raise self._error(response)
        try:
            return msgspec.json.decode(response.content, type=form)
        except READING_ERRORS:
            raise self._unexpected(response) from None

    def _error(self, response: httpx2.Response) -> BillingError:
        """What an answer that is no success means."""
        if response.is_server_error:
            return ServerFault(
                f"The billing server at {self.base_url} failed (status {response.status_code})."
            )
        if response.status_code not in ERRORS:
            return self._unexpected(response)
        problem = problem_in(response)
        if problem.decision is not None:
            return refused(problem, status=response.status_code)
        kind = PricingException if problem.code == PricingException.code else ERRORS[response.status_code]
        message = problem.detail or f"{self.base_url} answered with status {response.status_code}."
        return kind(message, code=problem.code, hint=problem.hint)

    def _unexpected(self, response: httpx2.Response) -> BillingError:
        return BillingError(
            f"{self.base_url} does not answer like the metering API (status {response.status_code}): "
            "check the base URL.",
            code="unexpected_answer",
        )


def refused(problem: Problem, *, status: int) -> UsageLimitExceededException:
    """The refusal that `problem` tells, with its decision as plain JSON."""
    decision = problem.decision or {}
    retry_after = problem.retry_after if problem.retry_after is not None else decision.get("retry_after")
    waiting = {} if retry_after is None else {"retry_after": retry_after}
    return UsageLimitExceededException(
        problem.detail,
        status=status,
        code=problem.code,
        details={"decision": decision, **waiting},
        hint=problem.hint,
    )


def problem_in(response: httpx2.Response) -> Problem:
    """The problem that `response` tells; an empty one when somebody else than our API answered."""
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except READING_ERRORS:
        return Problem()


def cloud_event(event: UsageEvent) -> dict[str, Any]:
    """`event` with the attributes that CloudEvents requires, which our structs leave out as known."""
    return {"specversion": event.specversion, "type": EVENT_TYPE, **msgspec.to_builtins(event)}


def checked_url(base_url: str) -> str:
    """`base_url` without a slash at its end; raises InvalidRequest when requests could not go there."""
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise InvalidRequest(
            "base_url takes the billing server's address, such as https://billing.example.com."
        )
    return base_url.rstrip("/")


def checked_key(api_key: str) -> str:
    """`api_key`; raises InvalidRequest when it cannot stand in a header, without repeating it."""
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise InvalidRequest("api_key takes a key of the billing server: printable ASCII, without spaces.")
    return api_key
