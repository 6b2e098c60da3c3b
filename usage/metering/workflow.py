"""Several calls held together, and calls that no transport sees."""

import time
from collections.abc import Callable, Sequence
from contextvars import Token
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import msgspec

from usage.core.errors import InvalidRequest
from usage.events import NO_UNITS, ReportedCost, Units
from usage.metering import records, threads
from usage.metering.context import NO_TAGS, Binding, attribute, current, decorated
from usage.metering.permits import Holding, Permit, holdings, permit
from usage.metering.protocol import Grant, Intent, Meter
from usage.operations import Operation
from usage.providers import find
from usage.wire.base import Reading

P = ParamSpec("P")
R = TypeVar("R")

STOPPED = "The call ended with an error after what is recorded here."


class Workflow:
    """Operations held together from entry to exit, as `with` or `async with`; used once."""

    def __init__(
        self, meter: Meter, *, customer: str, operations: Sequence[Operation], expires_in: timedelta | None
    ) -> None:
        self._meter = meter
        self._customer = customer
        self._operations = tuple(operations)
        self._expires_in = expires_in
        self._holding: Holding | None = None
        self._token: Token[tuple[Holding, ...]] | None = None
        self._binding: Binding | None = None

    def __enter__(self) -> Grant:
        grant, holding = self._authorize()
        self._begin(holding)
        return grant

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end().close()

    async def __aenter__(self) -> Grant:
        grant, holding = await threads.run(self._authorize, unclaimed=lambda granted: granted[1].close())
        self._begin(holding)
        return grant

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await threads.run(self._end().close)

    def _authorize(self) -> tuple[Grant, Holding]:
        customer = _customer(self._customer)
        intent = Intent(customer=customer, operations=self._operations, expires_in=self._expires_in)
        grant = self._meter.authorize(intent)
        return grant, Holding(self._meter, intent=intent, grant=grant)

    def _begin(self, holding: Holding) -> None:
        self._holding = holding
        self._binding = attribute(customer=self._customer).__enter__()
        self._token = holdings.set((*holdings.get(), holding))

    def _end(self) -> Holding:
        holding, binding, token = self._holding, self._binding, self._token
        if holding is None or binding is None or token is None:
            raise RuntimeError("A workflow is left once, after it was entered.")
        self._holding = None
        holdings.reset(token)
        binding.__exit__(None, None, None)
        return holding


def workflow(
    meter: Meter,
    *,
    operations: Sequence[Operation],
    customer: str = "",
    expires_in: timedelta | None = None,
) -> Workflow:
    """Hold `operations` together for what is done inside; gives the grant.

    A metered call inside, in the same context, draws from the operation that fits it (its provider, and its
    model and request type where the operation names them); one that fits none is authorized by itself. What
    is not drawn is released at the end. `customer` is by default the context's. Entering raises what the
    meter's `authorize` raises, and InvalidRequest where no customer is known.
    """
    return Workflow(meter, customer=customer, operations=operations, expires_in=expires_in)


def metered_workflow(
    meter: Meter,
    *,
    operations: Sequence[Operation],
    customer: str = "",
    expires_in: timedelta | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The decorator of functions, and of coroutine functions, of which every run is a `workflow`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return decorated(
            function,
            binding=lambda: Workflow(meter, customer=customer, operations=operations, expires_in=expires_in),
        )

    return decorate


class MeteredCall:
    """A call made without a metered transport, from entry to exit; used once."""

    def __init__(self, meter: Meter, *, customer: str, operation: Operation) -> None:
        self.output_cap: int | None = None
        self._meter = meter
        self._customer = customer
        self._operation = operation
        self._permit: Permit | None = None
        self._reading: Reading | None = None
        self._started_at = datetime.now(UTC)
        self._started = time.perf_counter()

    def used(
        self,
        *,
        input_tokens: int | None = None,
        cached_input_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        output_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        units: Units = NO_UNITS,
        cost: ReportedCost | None = None,
        response_model: str = "",
    ) -> None:
        """Say what the call consumed, in all: totals with parts as in events. Said again, the last counts."""
        self._reading = Reading(
            input_tokens=input_tokens,
            cached_input_tokens=cached_input_tokens,
            cache_write_tokens=cache_write_tokens,
            output_tokens=output_tokens,
            reasoning_tokens=reasoning_tokens,
            units=units,
            cost=cost,
            response_model=response_model,
        )

    def __enter__(self) -> Self:
        return self._authorize()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish(error)

    async def __aenter__(self) -> Self:
        return await threads.run(self._authorize, unclaimed=lambda call: call._give_back())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await threads.run(lambda: self._finish(error))

    def _authorize(self) -> Self:
        self._customer = _customer(self._customer)
        self._permit = permit(self._meter, operation=self._operation, customer=self._customer)
        self.output_cap = self._permit.output_cap
        self._started_at = datetime.now(UTC)
        self._started = time.perf_counter()
        return self

    def _give_back(self) -> None:
        held, self._permit = self._permit, None
        if held is not None:
            held.give_back()

    def _finish(self, error: BaseException | None) -> None:
        if error is not None and self._reading is None:
            self._give_back()
            return
        held, self._permit = self._permit, None
        if held is None:
            return
        event = records.event_of(
            self._reading,
            attribution=replace(current(), customer=self._customer),
            operation=self._operation,
            permit=held,
            started_at=self._started_at,
            response_time=round(time.perf_counter() - self._started, 6),
            error_message="" if error is None else STOPPED,
        )
        records.settle(self._meter, event)
        held.done()


def metered_call(meter: Meter, *, operation: Operation, customer: str = "") -> MeteredCall:
    """Hold `operation` for a call made inside without a metered transport (agent, MCP server, task).

    The body reports with `call.used(...)` what it consumed, and may generate `call.output_cap` tokens;
    leaving settles that, or the provider's one unit of a call where nothing is reported. An exception before
    anything is reported releases the hold. It draws from a `workflow` around it like any other call. What
    the operation leaves empty (request type, endpoint, tags) is the context's, as is the customer. Entering
    raises what the meter's `authorize` raises, and InvalidRequest for a provider or a customer that is not
    known.

        with metered_call(meter, operation=Operation(provider="tavily", units=Units(searches=1))) as call:
            call.used(units=Units(searches=search()))
    """
    provider = find(operation.provider)
    if provider is None:
        raise InvalidRequest(f"operation.provider names an unknown provider: {operation.provider!r}.")
    return MeteredCall(meter, customer=customer, operation=_attributed(operation, provider=provider.key))


def _attributed(operation: Operation, *, provider: str) -> Operation:
    attribution = current()
    return msgspec.structs.replace(
        operation,
        provider=provider,
        request_type=operation.request_type or attribution.request_type,
        endpoint=operation.endpoint or attribution.endpoint,
        tags=attribution.tags if operation.tags == NO_TAGS else operation.tags,
        byok=operation.byok or bool(attribution.byok),
    )


def _customer(given: str) -> str:
    customer = given or current().customer
    if not customer:
        raise InvalidRequest(
            "The customer is not known: give `customer=`, or work inside "
            "`with usage.metering.context.attribute(customer=...)`."
        )
    return customer
