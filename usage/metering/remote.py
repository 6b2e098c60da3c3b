"""The meter over HTTP: asks a billing server before each call, and loses no usage when that is away."""

import math
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType

import httpx2
import msgspec
from uuid_utils import uuid7

from usage.core.errors import BillingError, EnforcementUnavailable, InvalidRequest, TrackingException
from usage.events import UsageEvent
from usage.metering.circuit import Circuit
from usage.metering.http_api import MeteringApi, ServerFault
from usage.metering.policy import FailPolicy, fail_policy_of, without_answer
from usage.metering.protocol import UNENFORCED, Grant, Intent
from usage.metering.sender import ACCEPTED, Backoff, Sender
from usage.metering.spool import DEFAULT_MAX_BYTES, Spool
from usage.operations import AuthorizationRequest, Authorized

TIMEOUT_S = 2.0
RETRIES = 2
CLOSE_TIMEOUT_S = 5.0
AUTHORIZE_BACKOFF = Backoff(first_s=0.05, longest_s=0.5)


class RemoteMeter:
    """A `Meter` that asks the billing server at `base_url`, and keeps settled events in the file `spool`
    until the server has them.

    `timeout_s` bounds each step (connecting, sending, each wait for a part of the answer) of each try, and
    `retries` the tries after the first. `fail` says what happens while the server cannot be asked: "closed"
    refuses calls with EnforcementUnavailable, "open" lets them pass with a grant that says `UNENFORCED`. A
    wrong key or address is an error under both. With "closed", calls are also refused while the spool is too
    full to take what they will use. `transport` replaces the network of httpx2.

    Share one meter between the threads of a process. Processes, also forked ones, may share the spool.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        spool: Path | str,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        fail: FailPolicy = "closed",
        spool_bytes: int = DEFAULT_MAX_BYTES,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        if retries < 0:
            raise InvalidRequest(f"retries is {retries}: it takes 0 or more.")
        self._fail = fail_policy_of(fail)
        self._api = MeteringApi(base_url, api_key, timeout_s=timeout_s, transport=transport)
        self._circuit = Circuit(attempts=retries + 1)
        self._spool = Spool(spool, max_bytes=spool_bytes)
        self._sender = Sender(self._spool, self._api.record)
        # What an earlier process left behind must not wait for the first call of this one.
        if not self._spool.is_empty():
            self._sender.wake()

    def __repr__(self) -> str:
        return f"RemoteMeter({self._api.base_url!r}, spool={str(self._spool.path)!r}, fail={self._fail!r})"

    def __enter__(self) -> "RemoteMeter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def authorize(self, intent: Intent) -> Grant:
        """As the protocol says. Raises NotAuthenticated, AccessDenied, InvalidRequest … for what is wrong
        with the key, the address or the intent.
        """
        try:
            self._require_room()
            authorization = self._ask(request_for(intent))
        except (EnforcementUnavailable, ServerFault) as outage:
            return without_answer(intent, outage, fail=self._fail)
        caps = tuple(estimate.max_output_tokens for estimate in authorization.decision.operations)
        if (asked := len(intent.operations)) != len(caps):
            raise BillingError(
                f"The billing server answered for {len(caps)} operations, but was asked about {asked}.",
                code="unexpected_answer",
            )
        return Grant(authorization=authorization.id, output_caps=caps, decision=authorization.decision)

    def settle(self, event: UsageEvent) -> None:
        """Keep `event` on disk and have it sent.

        Raises TrackingException only when it can be neither kept nor sent.
        """
        if event.time is None:
            # It may arrive much later than it happened.
            event = msgspec.structs.replace(event, time=datetime.now(UTC))
        try:
            self._spool.put(event)
        except TrackingException as unkept:
            self._send_directly(event, unkept)
        self._sender.wake()

    def release(self, grant: Grant) -> None:
        """As the protocol says; asked once, in the background, after the events settled before."""
        if grant.authorization != UNENFORCED:
            self._sender.later(partial(self._api.release, grant.authorization))

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Send what can be sent within `timeout_s`; whether that was all. The rest stays on disk for the next
        process. Happens by itself when the process ends.
        """
        is_empty = self._sender.close(timeout_s)
        self._spool.close()
        self._api.close()
        return is_empty

    def _require_room(self) -> None:
        if self._fail == "closed" and not self._has_room():
            raise EnforcementUnavailable(
                f"No call may begin: {self._spool.path} is nearly full of usage that waits for the billing "
                f"server at {self._api.base_url}, or was refused by it.",
                code="spool_full",
            )

    def _has_room(self) -> bool:
        try:
            return self._spool.has_room()
        except TrackingException as broken:
            raise EnforcementUnavailable(broken.message, code=broken.error_code) from broken

    def _ask(self, request: AuthorizationRequest) -> Authorized:
        """Ask until there is an answer, as often as the circuit allows."""
        key = str(uuid7())
        attempts = self._circuit.attempts()
        for attempt in range(1, attempts + 1):
            try:
                authorization = self._api.authorize(request, key=key)
            except EnforcementUnavailable:
                if attempt == attempts:
                    self._circuit.failed()
                    raise
                time.sleep(AUTHORIZE_BACKOFF.pause_s(attempt))
            except BillingError:
                self._answered()
                raise
            else:
                self._answered()
                return authorization
        raise EnforcementUnavailable(
            f"The billing server at {self._api.base_url} did not answer a moment ago: try again shortly."
        )

    def _answered(self) -> None:
        if self._circuit.succeeded():
            self._sender.hurry()

    def _send_directly(self, event: UsageEvent, unkept: TrackingException) -> None:
        """Send `event` past the spool, as there is no other way left to keep it."""
        try:
            [outcome] = self._api.record([event])
        except BillingError:
            raise unkept from None
        if outcome.outcome not in ACCEPTED:
            raise TrackingException(
                f"{outcome.message} It was not kept either: {unkept.message}", code=outcome.code or ""
            )


def request_for(intent: Intent) -> AuthorizationRequest:
    expires_in = None if intent.expires_in is None else math.ceil(intent.expires_in.total_seconds())
    return AuthorizationRequest(
        customer=intent.customer, operations=list(intent.operations), expires_in=expires_in
    )
