"""The RateLimit fields of answers: those of the limits that refuse calls, in whole units.

Money has no whole units; what only bills or tells must not slow a client down; and the limit of one request
is not used up by others. Knows no Django, as the metering client tells them too.
"""

import math
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from usage.core import ratelimit
from usage.core.money import ZERO
from usage.core.ratelimit import RateLimit
from usage.core.windows import LENGTHS
from usage.operations import Decision, LimitStanding

UNCOUNTED = ("cost", "seconds")


class State(Protocol):
    """A limit as it stands, whatever table or answer it comes from."""

    @property
    def name(self) -> str: ...
    @property
    def measure(self) -> str: ...
    @property
    def window(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def amount(self) -> Decimal | None: ...
    @property
    def remaining(self) -> Decimal | None: ...
    @property
    def resets_at(self) -> datetime | None: ...


def of_decision(decision: Decision, *, at: datetime) -> dict[str, str]:
    """The fields of what a decision consulted; of one that allows, with its request taken off."""
    return of_standings(decision.limits, held=decision.allowed, at=at)


def of_standings(standings: Iterable[LimitStanding], *, held: bool, at: datetime) -> dict[str, str]:
    """The fields of a decision's limits; `held`: what was requested has been taken off them since."""
    return _fields(
        _rate_limit(
            standing,
            amount=standing.limit,
            remaining=Decimal(standing.remaining or 0) - (Decimal(standing.requested) if held else ZERO),
            at=at,
        )
        for standing in standings
        if _is_told(standing) and standing.limit is not None
    )


def of_states(states: Iterable[State], *, at: datetime) -> dict[str, str]:
    """The fields of limits as they stand."""
    return _fields(
        _rate_limit(state, amount=state.amount, remaining=state.remaining or ZERO, at=at)
        for state in states
        if _is_told(state) and state.amount is not None
    )


def _is_told(limit: LimitStanding | State) -> bool:
    blocks = limit.mode == "block"
    return blocks and limit.measure not in UNCOUNTED and limit.window != "request"


def _rate_limit(
    limit: LimitStanding | State, *, amount: Decimal | str, remaining: Decimal, at: datetime
) -> RateLimit:
    length = LENGTHS.get(limit.window)
    left = None if limit.resets_at is None else (limit.resets_at - at).total_seconds()
    return RateLimit(
        name=limit.name,
        quota=int(Decimal(amount)),
        remaining=int(remaining),
        window_s=None if length is None else int(length.total_seconds()),
        reset_s=None if left is None else math.ceil(left),
    )


def _fields(limits: Iterable[RateLimit]) -> dict[str, str]:
    """A client knows one limit by one name; of several sources' the strictest is told."""
    strictest: dict[str, RateLimit] = {}
    for limit in limits:
        known = strictest.get(limit.name)
        if known is None or limit.remaining < known.remaining:
            strictest[limit.name] = limit
    return ratelimit.headers(list(strictest.values()))
