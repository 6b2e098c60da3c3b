"""Limits, and asking for permission, in a small known world."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.support.cast import NOW, an_event
from tests.support.recording import record
from usage import authorization, limits
from usage.core.errors import UsageLimitExceededException
from usage.events import Outcome
from usage.limits import LimitState, LimitTerms
from usage.models import Account, Authorization, LimitMode, LimitScope, LimitSource, Measure, Window
from usage.operations import Authorized, Operation


def a_limit(
    amount: int | str | None,
    measure: str = "calls",
    window: str = "period",
    *,
    scope: str = "everything",
    value: str = "",
    mode: str = "block",
    name: str = "",
) -> LimitTerms:
    return LimitTerms(
        name=name or f"{value or scope}_{measure}_{window}",
        measure=Measure(measure),
        window=Window(window),
        amount=None if amount is None else Decimal(amount),
        scope=LimitScope(scope),
        scope_value=value,
        mode=LimitMode(mode),
    )


def limit(
    *terms: LimitTerms, of: str = "acme", source: LimitSource = LimitSource.PLAN, at: datetime = NOW
) -> None:
    """Give the account these limits, and no others of the source."""
    limits.put(Account.objects.get(external_id=of), source=source, limits=terms, at=at)


def an_operation(provider: str = "openai", model: str = "gpt-4o", **fields: Any) -> Operation:
    """A call of 1000 input and at most 100 output tokens, unless `fields` say otherwise: 0.0035 USD."""
    usual = {"input_tokens": 1000, "max_output_tokens": 100} if provider == "openai" else {}
    return Operation(provider=provider, model=model, **{**usual, **fields})


def ask(
    *operations: Operation,
    customer: str = "acme",
    at: datetime = NOW,
    key: str = "",
    expires_in: timedelta | None = None,
) -> Authorized:
    """Authorize them, or one usual operation."""
    return authorization.authorize(
        operations or (an_operation(),), customer=customer, at=at, key=key, expires_in=expires_in
    )


def is_granted(*operations: Operation, **options: Any) -> bool:
    try:
        ask(*operations, **options)
    except UsageLimitExceededException:
        return False
    return True


def settle(
    granted: Authorized, event_id: str = "", *, at: datetime = NOW, time: datetime | None = None, **data: Any
) -> Outcome:
    """Report what a call of `granted` consumed: 1000 input and 100 output tokens unless told otherwise."""
    event = an_event(event_id or granted.id, at=time or at, authorization=granted.id, **data)
    (outcome,) = record(event, at=at)
    return outcome


def state_of(name: str, *, of: str = "acme", at: datetime = NOW) -> LimitState:
    (state,) = [
        state for state in limits.states(Account.objects.get(external_id=of), at=at) if state.name == name
    ]
    return state


def counters(name: str, *, of: str = "acme", at: datetime = NOW) -> tuple[Decimal, Decimal]:
    """What is used and held of the limit."""
    state = state_of(name, of=of, at=at)
    return state.used, state.held


def the_authorization(granted: Authorized) -> Authorization:
    return Authorization.objects.get(pk=granted.id)
