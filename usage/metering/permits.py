"""Permission for one call: drawn from a workflow that is under way, or asked for on its own."""

import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from usage.metering.protocol import Grant, Intent, Meter
from usage.operations import Operation
from usage.providers import find

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """`authorization` is what the call's event names; `output_cap` what the call may generate, in tokens.

    `give_back` returns the permit of a call that never reached its provider.
    """

    authorization: str
    output_cap: int | None
    give_back: Callable[[], None]


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
        return Permit(
            authorization=self._grant.authorization,
            output_cap=self._grant.output_caps[place],
            give_back=lambda: self._return(place),
        )

    def close(self) -> None:
        """Draw no more, and release what was not drawn. Calls under way are still settled."""
        with self._lock:
            self._is_closed = True
            is_drawn = not any(self._left)
        if not is_drawn:
            release(self._meter, self._grant)

    def _return(self, place: int) -> None:
        with self._lock:
            self._left[place] += 1
            is_closed = self._is_closed
        if is_closed:
            release(self._meter, self._grant)

    def _fits(self, place: int, wanted: Operation) -> bool:
        planned = self._operations[place]
        return (
            _key(planned.provider) == wanted.provider
            and planned.model in ("", wanted.model)
            and planned.request_type in ("", wanted.request_type)
            and planned.byok == wanted.byok
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
