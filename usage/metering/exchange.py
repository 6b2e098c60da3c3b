"""One metered call over HTTP, whichever library sends it: permission before, usage after, once.

An adapter makes an `Exchange` for a request, has it authorized, sends its `body`, and then says either that
no answer came (`unanswered`) or passes the answer through an `Answer` (usage.metering.answers).
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from queue import Empty, SimpleQueue
from typing import Literal, get_args

from usage.core.errors import InvalidRequest
from usage.metering import records
from usage.metering.context import Attribution, current
from usage.metering.permits import Permit, permit
from usage.metering.protocol import Meter
from usage.operations import Operation
from usage.providers import Provider, by_host, find
from usage.wire.base import Call, Reading, SentRequest, Wire

logger = logging.getLogger(__name__)

# What a call is recorded with when no answer came: bad gateway, gateway timeout, and nginx's "client closed".
NO_ANSWER_STATUS = 502
TIMED_OUT_STATUS = 504
ABANDONED_STATUS = 499
MAX_RETRY_COUNT = 32_000

Refusals = Literal["response", "raise"]


class Outcome(StrEnum):
    """How a metered call ended."""

    SETTLED = "settled"
    SETTLED_ESTIMATED = "settled_estimated"
    FAILED = "failed"
    RELEASED = "released"
    ABANDONED = "abandoned"
    BROKEN = "broken"
    TIMED_OUT = "timed_out"


_MESSAGES = {
    Outcome.SETTLED: "",
    Outcome.SETTLED_ESTIMATED: "",
    Outcome.FAILED: "answered with an error by the provider",
    Outcome.ABANDONED: "abandoned by the caller",
    Outcome.BROKEN: "broken off by the provider",
    Outcome.TIMED_OUT: "timed out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """What all calls through one transport share.

    `timeouts` are the HTTP library's errors that mean the provider was too slow; `is_unreached` tells the
    errors after which no provider was reached.
    """

    meter: Meter
    customer: str
    hosts: Mapping[str, Provider]
    refusals: Refusals
    byok: bool
    timeouts: tuple[type[BaseException], ...]
    is_unreached: Callable[[BaseException], bool]

    def provider_at(self, host: str, *, port: int | None) -> Provider | None:
        """The provider behind an address, if its calls are metered here."""
        name = host.lower().rstrip(".")
        provider = self.hosts.get(f"{name}:{port}") or self.hosts.get(name) or by_host(name)
        return provider if provider is not None and provider.wire is not None else None

    def exchange(
        self, provider: Provider, *, request: SentRequest, retry_count: str = ""
    ) -> "Exchange | None":
        """The exchange for `request`; None when it asks for nothing that is metered.

        Raises InvalidRequest when nobody says whose call it is.
        """
        wire = provider.wire
        call = None if wire is None else wire.call_of(request)
        if wire is None or call is None:
            if request.method == "POST":
                logger.info("A request to %s passes unmetered: POST %s", provider.key, request.path)
            return None
        attribution = current()
        customer = attribution.customer or self.customer
        if not customer:
            raise InvalidRequest(
                "The customer of this call is not known: give the transport `customer=`, or make the call "
                "inside `with usage.metering.context.attribute(customer=...)`."
            )
        byok = self.byok if attribution.byok is None else attribution.byok
        attribution = replace(attribution, customer=customer, byok=byok)
        return Exchange(
            self.meter,
            metering=self,
            attribution=attribution,
            operation=_operation(call, provider=provider, request=request, attribution=attribution),
            wire=wire,
            request=request,
            call=call,
            retry_count=int(retry_count) if retry_count.isdecimal() and len(retry_count) < 6 else 0,
        )


def hosts_of(given: Mapping[str, str | Provider] | None) -> dict[str, Provider]:
    """The providers behind further hosts; raises InvalidRequest for a provider that is not known."""
    hosts = {}
    for host, named in (given or {}).items():
        provider = named if isinstance(named, Provider) else find(named)
        if provider is None:
            raise InvalidRequest(f"hosts names an unknown provider for {host!r}: {named!r}.")
        # A scheme's own port does not stand in a request's address.
        hosts[host.lower().removesuffix(":443").removesuffix(":80").rstrip(".")] = provider
    return hosts


def refusals_of(given: str) -> Refusals:
    """How refusals are told; raises InvalidRequest for another way."""
    for known in get_args(Refusals):
        if given == known:
            return known  # type: ignore[no-any-return]
    raise InvalidRequest(f"refusals is one of {', '.join(get_args(Refusals))}, not {given!r}.")


def _operation(
    call: Call, *, provider: Provider, request: SentRequest, attribution: Attribution
) -> Operation:
    # A request's cap is that of each choice, an operation's that of the whole call.
    cap = call.output_cap if call.output_cap is None else call.output_cap * call.choices
    endpoint = attribution.endpoint or request.path
    return Operation(
        provider=provider.key,
        model=call.model[: records.MAX_MODEL],
        input_tokens=call.input_tokens,
        max_output_tokens=cap if call.generates else cap or 0,
        units=call.units,
        request_type=attribution.request_type[: records.MAX_SHORT_TEXT],
        endpoint=endpoint[: records.MAX_ENDPOINT],
        tags=attribution.tags,
        byok=bool(attribution.byok),
    )


class Exchange:
    """One call: made in the caller's context, then used by one thread at a time."""

    def __init__(
        self,
        meter: Meter,
        *,
        metering: Metering,
        attribution: Attribution,
        operation: Operation,
        wire: Wire,
        request: SentRequest,
        call: Call,
        retry_count: int,
    ) -> None:
        self.metering = metering
        self.wire = wire
        self.call = call
        self.body = request.body
        # Whether the provider may be asked for events that the caller must not see.
        self.filters = False
        self._meter = meter
        self._attribution = attribution
        self._operation = operation
        self._request = request
        self._retry_count = retry_count
        self._started_at = datetime.now(UTC)
        self._started = time.perf_counter()
        self._permit: Permit | None = None
        self._once = threading.Lock()
        self._process = os.getpid()

    def authorize(self) -> "Exchange":
        """Get permission and prepare `body`; raises what the meter's `authorize` raises."""
        _finish_earlier()
        self._permit = permit(self._meter, operation=self._operation, customer=self._attribution.customer)
        try:
            self.body = self.wire.prepared(self._request, self.call, output_cap=self._output_cap())
        except BaseException:
            self.release()
            raise
        self.filters = self.call.streaming and self.body != self._request.body
        self._started = time.perf_counter()
        return self

    def unanswered(self, failure: BaseException, *, begun: bool) -> None:
        """No answer came. Unless sending had `begun` the provider never saw the call."""
        reached = begun if self.body else not self.metering.is_unreached(failure)
        if not reached:
            self.release()
            return
        outcome = self.outcome_of(failure)
        status = {Outcome.TIMED_OUT: TIMED_OUT_STATUS, Outcome.ABANDONED: ABANDONED_STATUS}
        self.settle(None, outcome=outcome, status=status.get(outcome, NO_ANSWER_STATUS), received=0)

    def outcome_of(self, failure: BaseException) -> Outcome:
        """What an error that ended the exchange means. What is no `Exception` is a cancellation."""
        if isinstance(failure, self.metering.timeouts):
            return Outcome.TIMED_OUT
        return Outcome.BROKEN if isinstance(failure, Exception) else Outcome.ABANDONED

    def settle(self, reading: Reading | None, *, outcome: Outcome, status: int, received: int) -> None:
        """Record what became of the call, unless that was done before."""
        held = self._claim(outcome)
        if held is None:
            return
        message = _MESSAGES[outcome]
        event = records.event_of(
            reading,
            attribution=self._attribution,
            operation=self._operation,
            permit=held,
            started_at=self._started_at,
            operation_name=self.call.operation,
            method=self._request.method[:16],
            status_code=status,
            response_time=round(time.perf_counter() - self._started, 6),
            request_size=records.bounded(len(self.body)),
            response_size=records.bounded(received),
            retry_count=min(self._retry_count, MAX_RETRY_COUNT),
            error_message=message and f"The call was {message}.",
        )
        records.settle(self._meter, event)
        held.done()

    def release(self) -> None:
        """Give the permit back, unless the call was settled before."""
        held = self._claim(Outcome.RELEASED)
        if held is not None:
            held.give_back()

    @property
    def is_open(self) -> bool:
        """Whether the call is still to be settled or released."""
        return not self._once.locked()

    def _claim(self, outcome: Outcome) -> Permit | None:
        # After a fork the call is still the parent's: the child's copy of it must not be settled too.
        if self._permit is None or self._process != os.getpid():
            return None
        # The lock is taken once and kept: whoever gets it ends the call.
        if not self._once.acquire(blocking=False):
            return None
        logger.debug("A call to %s ended: %s", self._operation.provider, outcome)
        return self._permit

    def _output_cap(self) -> int | None:
        cap = None if self._permit is None else self._permit.output_cap
        return None if cap is None or not self.call.generates else max(1, cap // self.call.choices)


# What is to be done soon, in an ordinary place; a queue whose `put` may be called from a destructor.
_later: SimpleQueue[Callable[[], None]] = SimpleQueue()


def finish_later(work: Callable[[], None]) -> None:
    """Do `work` before the next call. For destructors, which run in any thread at any point, where a lock
    may be held.
    """
    _later.put(work)


def _finish_earlier() -> None:
    with suppress(Empty):
        while True:
            _later.get_nowait()()
