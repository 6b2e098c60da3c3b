"""Permission for one call: drawn from a workflow that is under way, or asked for on its own."""

import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal

from usage.events import Units
from usage.metering.protocol import Grant, Intent, Meter
from usage.operations import Operation
from usage.providers import find

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """`authorization` is what the call's event names; `output_cap` what the call may generate, in tokens.

    Once: `give_back` returns the permit of a call that never reached its provider, `done` says that the call
    was settled.
    """

    authorization: str
    output_cap: int | None
    give_back: Callable[[], None]
    done: Callable[[], None] = lambda: None


class Holding:
    """The grant of several operations, drawn down call by call. Safe to share between threads."""

    def __init__(self, meter: Meter, *, intent: Intent, grant: Grant) -> None:
        self._meter = meter
        self._grant = grant
        self._customer = intent.customer
        self._operations = intent.operations
        self._left = [operation.calls for operation in intent.operations]
        self._lock = threading.Lock()
        self._is_closed = False
        self._under_way = 0

    def draw(self, wanted: Operation, *, customer: str) -> Permit | None:
        """A permit for `wanted` from the operation that fits it most closely; None when none fits or is left.

        An operation fits calls to its provider, of its model and request type where it names them.
        """
        if customer != self._customer:
            return None
        with self._lock:
            if self._is_closed:
                return None
            fitting = [place for place, left in enumerate(self._left) if left and self._fits(place, wanted)]
            if not fitting:
                return None
            place = max(fitting, key=self._closeness)
            self._left[place] -= 1
            self._under_way += 1
        return Permit(
            authorization=self._grant.authorization,
            output_cap=self._grant.output_caps[place],
            give_back=lambda: self._ended(returned=place),
            done=self._ended,
        )

    def close(self) -> None:
        """Draw no more. What was not drawn is released as soon as no call of it is under way any more:
        releasing is of the whole authorization, and those still need theirs.
        """
        with self._lock:
            self._is_closed = True
            is_over = self._is_over()
        if is_over:
            release(self._meter, self._grant)

    def _ended(self, *, returned: int | None = None) -> None:
        with self._lock:
            self._under_way -= 1
            if returned is not None:
                self._left[returned] += 1
            is_over = self._is_closed and self._is_over()
        if is_over:
            release(self._meter, self._grant)

    def _is_over(self) -> bool:
        return not self._under_way and any(self._left)

    def _fits(self, place: int, wanted: Operation) -> bool:
        planned = self._operations[place]
        return (
            _key(planned.provider) == wanted.provider
            and planned.model in ("", wanted.model)
            and planned.request_type in ("", wanted.request_type)
            and planned.byok == wanted.byok
            and _is_enough(planned, wanted)
        )

    def _closeness(self, place: int) -> tuple[bool, bool]:
        planned = self._operations[place]
        return bool(planned.model), bool(planned.request_type)


# The workflows under way here, the innermost last.
holdings: ContextVar[tuple[Holding, ...]] = ContextVar("metering_holdings", default=())


def permit(meter: Meter, *, operation: Operation, customer: str) -> Permit:
    """A permit for one call. Raises what the meter's `authorize` raises, when no workflow has one left."""
    for holding in reversed(holdings.get()):
        drawn = holding.draw(operation, customer=customer)
        if drawn is not None:
            return drawn
    grant = meter.authorize(Intent(customer=customer, operations=(operation,)))
    return Permit(
        authorization=grant.authorization,
        output_cap=grant.output_caps[0],
        give_back=lambda: release(meter, grant),
    )


def release(meter: Meter, grant: Grant) -> None:
    """Give a grant back. What goes wrong is logged: the hold then ends by its expiry, and no call suffers."""
    try:
        meter.release(grant)
    except Exception:
        logger.exception("The hold of authorization %s could not be released", grant.authorization)


def _key(provider: str) -> str:
    known = find(provider)
    return provider if known is None else known.key


def _is_enough(planned: Operation, wanted: Operation) -> bool:
    """Whether a planned call was held for as much as `wanted` may need. Its output is capped at what was
    planned; input that the plan leaves open was held at all that the model takes.
    """
    if planned.input_tokens is not None and (wanted.input_tokens or 0) > planned.input_tokens:
        return False
    held, needed = _units(planned), _units(wanted)
    return all(needed[name] <= held[name] for name in needed)


def _units(operation: Operation) -> dict[str, Decimal]:
    named = {
        name: Decimal(getattr(operation.units, name) or 0)
        for name in Units.__struct_fields__
        if name != "requests"
    }
    provider = find(operation.provider)
    if provider is not None and provider.unit_of_a_call and not any(named.values()):
        named[provider.unit_of_a_call] = Decimal(1)
    return named
