"""From the limits an authorization touched to the decision people and programs read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import msgspec

from usage.core.errors import UsageLimitExceededException
from usage.core.money import ZERO, format_amount
from usage.core.windows import LENGTHS, room_at
from usage.models import Account, LimitSource, Window
from usage.operations import Decision, LimitStanding, OperationEstimate, PriceRef, Reason

# When a slot of a concurrent limit gets free is not known; asking again a little later is what helps.
CONCURRENT_RETRY_AFTER = timedelta(seconds=1)
SECOND = timedelta(seconds=1)
MONEY_PLACES = 6

UPGRADES = {
    LimitSource.PLAN: "A larger plan raises this limit.",
    LimitSource.BUDGET: "An owner or billing admin of the account can raise this budget.",
    LimitSource.OVERRIDE: "Our staff set this limit: ask support to change it.",
}


class Touched(msgspec.Struct, frozen=True, array_like=True):
    """A limit as `usage_authorize` reports it: counters with the request held, `before` and `previous` what a
    sliding window still counts of the one before and what that was in all.
    """

    id: int
    name: str
    measure: str
    scope: str
    scope_value: str
    window: str
    mode: str
    source: str
    amount: Decimal | None
    used: Decimal
    previous: Decimal
    before: Decimal
    held: Decimal
    requested: Decimal
    window_start: datetime
    refused: bool


class Priced(msgspec.Struct, frozen=True, array_like=True):
    """An operation as `usage_authorize` reports it; amounts are those of one of its calls."""

    provider: str
    model: str
    calls: int
    output_cap: int
    tokens: int
    cost: Decimal
    searches: int
    images: int
    pages: int
    seconds: Decimal
    characters: int
    price_id: int
    price_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A limit before the request, and what the request as a whole asks of it."""

    limit: Touched
    held: Decimal
    requested: Decimal
    # All that counts against the amount besides what is requested.
    counted: Decimal
    room_at: datetime | None
    resets_at: datetime | None
    # The database's verdict, exact to the last decimal; nothing here judges again.
    refused: bool


def standings(
    touched: Iterable[Sequence[Touched]], *, at: datetime, period_end: datetime | None
) -> list[Standing]:
    """One standing for each limit that any operation touched, in the order of their ids."""
    found: dict[int, Standing] = {}
    for limit in (limit for of_operation in touched for limit in of_operation):
        first = found.get(limit.id)
        if first is None:
            found[limit.id] = _first_standing(limit, period_end=period_end)
        else:
            one_request = limit.window == Window.REQUEST
            requested = (
                max(first.requested, limit.requested) if one_request else first.requested + limit.requested
            )
            found[limit.id] = replace(first, requested=requested, refused=first.refused or limit.refused)
    return [_with_room(found[key], at=at, period_end=period_end) for key in sorted(found)]


def _first_standing(limit: Touched, *, period_end: datetime | None) -> Standing:
    one_request = limit.window == Window.REQUEST
    held = limit.held if one_request else limit.held - limit.requested
    length = LENGTHS.get(limit.window)
    window_end = None if length is None else limit.window_start + length
    return Standing(
        limit=limit,
        held=held,
        requested=limit.requested,
        counted=ZERO if one_request else limit.used + limit.before + held,
        room_at=None,
        resets_at=period_end if limit.window == Window.PERIOD else window_end,
        refused=limit.refused,
    )


def _with_room(standing: Standing, *, at: datetime, period_end: datetime | None) -> Standing:
    """The same with the moment from which it has room; a refusing limit resets at that very moment."""
    limit = standing.limit
    if not standing.refused or limit.amount is None or standing.requested > limit.amount:
        return standing
    match limit.window:
        case Window.PERIOD:
            return replace(standing, room_at=period_end)
        case Window.CONCURRENT:
            return replace(standing, room_at=at + CONCURRENT_RETRY_AFTER)
        case _:
            room = room_at(
                amount=limit.amount,
                counted=limit.used + standing.held,
                previous=limit.previous,
                requested=standing.requested,
                start=limit.window_start,
                length=LENGTHS[limit.window],
                at=at,
            )
            return replace(standing, room_at=room, resets_at=room)


def decide(found: Sequence[Standing], operations: Sequence[Priced], *, at: datetime) -> Decision:
    """The decision these standings come to."""
    refusing = [standing for standing in found if standing.refused]
    first = _worst(refusing)
    return Decision(
        allowed=first is None,
        reason="allowed" if first is None else _reason(first),
        message="The call may go ahead." if first is None else _sentence(first),
        limits=[_shown(standing) for standing in found],
        estimated_cost=format_amount(sum((each.cost * each.calls for each in operations), ZERO)),
        operations=[
            OperationEstimate(
                provider=each.provider,
                model=each.model,
                estimated_cost=format_amount(each.cost),
                max_output_tokens=each.output_cap or None,
                price=PriceRef(id=each.price_id, source=each.price_source),
            )
            for each in operations
        ],
        price=PriceRef(id=operations[0].price_id, source=operations[0].price_source) if operations else None,
        retry_after=None if first is None or first.room_at is None else _seconds_until(first.room_at, at=at),
        upgrade=None if first is None else UPGRADES[LimitSource(first.limit.source)],
    )


def without_limits(account: Account) -> Decision | None:
    """The decision about every call of an account that is paused or whose terms allow none; None where its
    limits decide.
    """
    if account.paused_reason:
        return paused(account.paused_reason)
    return suspended(account.suspended_reason) if account.suspended_reason else None


def paused(reason: str) -> Decision:
    """The decision about an account that is paused."""
    return _refusing_all(
        "account_paused",
        message=f"The account is paused: {reason}",
        upgrade="Once what it was paused for is settled, our staff or its owner can resume it.",
    )


def suspended(reason: str) -> Decision:
    """The decision about an account whose terms allow no calls."""
    return _refusing_all(
        "subscription_inactive",
        message=reason,
        upgrade="An owner or billing admin of the account can choose or resume a plan, or raise or resume "
        "its budget.",
    )


def _refusing_all(reason: Reason, *, message: str, upgrade: str) -> Decision:
    """A refusal that no limit had to be consulted for."""
    return Decision(
        allowed=False,
        reason=reason,
        message=message,
        limits=[],
        estimated_cost="0",
        operations=[],
        upgrade=upgrade,
    )


def refusal(decision: Decision) -> UsageLimitExceededException:
    """The exception that carries a refusing decision: 429 where waiting helps, otherwise 402."""
    details = {"decision": msgspec.to_builtins(decision)}
    if decision.retry_after is not None:
        details["retry_after"] = decision.retry_after
    return UsageLimitExceededException(
        decision.message,
        status=402 if decision.retry_after is None else 429,
        code="limit_exceeded" if decision.reason == "allowed" else decision.reason,
        details=details,
        hint=decision.upgrade or "",
    )


def _worst(refusing: Sequence[Standing]) -> Standing | None:
    """The one that takes longest to have room: first of all those that never have."""
    worst: Standing | None = None
    for standing in refusing:
        if standing.room_at is None:
            return standing
        if worst is None or worst.room_at is None or standing.room_at > worst.room_at:
            worst = standing
    return worst


def _reason(standing: Standing) -> Reason:
    return "not_included" if standing.limit.amount == 0 else "limit_exceeded"


def _sentence(standing: Standing) -> str:
    limit = standing.limit
    if limit.amount == 0:
        return f"Not included: the limit {limit.name} is 0."
    unit = "USD" if limit.measure == "cost" else limit.measure
    amount, asked = _readable(limit, limit.amount or ZERO), _readable(limit, standing.requested)
    if limit.window == Window.REQUEST:
        return f"Too large for one request: it may need {asked} {unit}, the limit {limit.name} is {amount}."
    if limit.window == Window.CONCURRENT:
        return f"Too many calls at the same time: the limit {limit.name} is {amount}."
    taken = _readable(limit, standing.counted)
    return (
        f"The limit {limit.name} has no room: {taken} of {amount} {unit} are used or held, "
        f"and this may need {asked}."
    )


def _readable(limit: Touched, amount: Decimal) -> str:
    """Money to the millionth of a dollar, everything else in whole units; rounded up."""
    places = Decimal(1).scaleb(-MONEY_PLACES) if limit.measure == "cost" else Decimal(1)
    return format_amount(amount.quantize(places, rounding=ROUND_CEILING))


def _shown(standing: Standing) -> LimitStanding:
    limit = standing.limit
    remaining = None if limit.amount is None else max(limit.amount - standing.counted, ZERO)
    return LimitStanding(
        name=limit.name,
        measure=limit.measure,  # type: ignore[arg-type]  # the table's own check
        scope=f"{limit.scope}:{limit.scope_value}" if limit.scope_value else limit.scope,
        window=limit.window,  # type: ignore[arg-type]
        mode=limit.mode,  # type: ignore[arg-type]
        source=limit.source,  # type: ignore[arg-type]
        limit=None if limit.amount is None else format_amount(limit.amount),
        used=format_amount(standing.counted - standing.held if standing.counted else ZERO),
        held=format_amount(standing.held),
        requested=format_amount(standing.requested),
        remaining=None if remaining is None else format_amount(remaining),
        resets_at=standing.resets_at,
        refused=standing.refused,
    )


def _seconds_until(moment: datetime, *, at: datetime) -> int:
    """Whole seconds, rounded up, at least one."""
    return max(-((at - moment) // SECOND), 1)
