"""What a budget does: the limits of the source budget, slower rates when it is nearly used up, and a pause
when it is.

Everything here looks at how things stand, not at what happened (usage, a new period, another plan, another
budget), so that it may be asked as often as anybody likes and whoever comes last writes what is true.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from subscriptions.actors import SYSTEM, Actor
from subscriptions.core.budgets import is_near, slowed
from subscriptions.models import Budget, BudgetChange
from usage import limits, queries
from usage.core.money import ZERO, format_amount
from usage.limits import LimitState, LimitTerms, key_of
from usage.models import Account, LimitMode, LimitScope, LimitSource, Measure, UsageLimit, Window

MONTHLY_BUDGET = "monthly_budget"
MAX_MONTHLY_COST = "max_monthly_cost"
# The amounts of a budget that are limits of their own, whatever else it says.
SPEND_LIMITS = {"per_request": Window.REQUEST, "per_hour": Window.HOUR, "per_day": Window.DAY}
RATE_WINDOWS = (Window.SECOND, Window.MINUTE, Window.HOUR, Window.DAY, Window.CONCURRENT)
Bound = TypeVar("Bound", UsageLimit, LimitState)
GRANTING = (LimitSource.PLAN, LimitSource.OVERRIDE)
SETTINGS = (
    "monthly_budget",
    "per_request",
    "per_hour",
    "per_day",
    "alert_thresholds",
    "auto_pause",
    "max_monthly_cost",
    "pause_at_maximum",
    "throttle_from",
    "throttle_to",
)
PROTECTION = (
    "paused_at", "paused_reason", "paused_until", "paused_automatically", "throttled_at", "protected_until",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a budget stands at some instant. `limits` are those of the source budget that are to be, and
    `as_stored` whether they are the present ones.

    `exhausted` says what is used up, in words, and is empty while nothing is; `slows`: calls are to be slowed
    down. `period_end` is when that is over, None while no billing period is open and so nothing is used.
    """

    limits: Sequence[LimitTerms]
    as_stored: bool
    exhausted: str
    slows: bool
    period_end: datetime | None


def budget_of(account: Account) -> Budget | None:
    """The account's budget; None where it has none."""
    budget = Budget.objects.filter(account=account).first()
    if budget is not None:
        budget.account = account
    return budget


def put(account: Account, *, at: datetime) -> Budget | None:
    """Bring limits, throttling and pause of the account's budget to where they should be at `at`; None where
    it has no budget. Part of a transaction of the caller's, who has locked the account's row.
    """
    budget = budget_of(account)
    if budget is None:
        return None
    found = standing(budget, at=at)
    if not found.as_stored:
        limits.put(account, source=LimitSource.BUDGET, limits=found.limits, at=at)
    wanted = protection(budget, found, at=at)
    if wanted != {name: getattr(budget, name) for name in PROTECTION}:
        before = facts(budget)
        for name, value in wanted.items():
            setattr(budget, name, value)
        budget.save(update_fields=PROTECTION)
        note(budget, before, at=at, by=SYSTEM, reason=_told(budget, before))
    return budget


def is_in_place(account: Account, *, at: datetime) -> bool:
    """Whether `put` would change nothing at `at`. Four queries; one where there is no budget."""
    budget = budget_of(account)
    if budget is None:
        return True
    found = standing(budget, at=at)
    stored = {name: getattr(budget, name) for name in PROTECTION}
    return found.as_stored and protection(budget, found, at=at) == stored


def standing(budget: Budget, *, at: datetime) -> Standing:
    """How the budget stands at `at`, by its account's limits and what its billing period has cost."""
    known = list(UsageLimit.objects.filter(account=budget.account_id).order_by("id"))
    period = queries.period_at(budget.account, at=at)
    used = ZERO if period is None else queries.period_totals(budget.account, period=period).cost
    slows = (
        budget.monthly_budget is not None
        and budget.throttle_from is not None
        and is_near(used=used, budget=budget.monthly_budget, percent=budget.throttle_from)
    )
    granted = [limit for limit in known if limit.source in GRANTING and limit.mode == LimitMode.BLOCK]
    own = own_limits(budget)
    wanted = [*own, *(_slower(granted, budget)[: limits.MAX_LIMITS - len(own)] if slows else [])]
    stored = {key_of(row): (row.name, row.amount) for row in known if row.source == LimitSource.BUDGET}
    return Standing(
        limits=wanted,
        as_stored=stored == {terms.key: (terms.name, terms.amount) for terms in wanted},
        exhausted=_exhausted(budget, used=used, ceiling=allowed(granted, Window.PERIOD)),
        slows=slows,
        period_end=None if period is None else period.period_end,
    )


def own_limits(budget: Budget) -> list[LimitTerms]:
    """The limits that the budget's amounts are. Of two that refuse what a period costs the smaller is the
    one; a budget that does not pause only tells.
    """
    refusing: list[tuple[Decimal, str]] = []
    found = []
    if budget.monthly_budget is not None and budget.auto_pause:
        refusing.append((budget.monthly_budget, MONTHLY_BUDGET))
    elif budget.monthly_budget is not None:
        found.append(_of_cost(MONTHLY_BUDGET, Window.PERIOD, budget.monthly_budget, mode=LimitMode.NOTIFY))
    if budget.max_monthly_cost is not None:
        refusing.append((budget.max_monthly_cost, MAX_MONTHLY_COST))
    if refusing:
        amount, name = min(refusing, key=lambda each: each[0])
        found.append(_of_cost(name, Window.PERIOD, amount))
    for setting, window in SPEND_LIMITS.items():
        spend: Decimal | None = getattr(budget, setting)
        if spend is not None:
            found.append(_of_cost(f"spend_{setting}", window, spend))
    return found


def allowed(granted: Iterable[Bound], window: Window) -> Bound | None:
    """The strictest of the limits `granted`, rows or as they stand, on what all calls within `window` may
    cost.
    """
    bounding = [
        limit
        for limit in granted
        if (limit.measure, limit.scope, limit.window, limit.mode)
        == (Measure.COST, LimitScope.EVERYTHING, window, LimitMode.BLOCK)
        and limit.amount is not None
    ]
    return min(bounding, key=lambda limit: limit.amount or ZERO, default=None)


def protection(budget: Budget, found: Standing, *, at: datetime) -> dict[str, Any]:
    """The columns `PROTECTION` as they should be. What a person paused only a person resumes; what was paused
    or slowed down automatically is so for as long as there is a reason.
    """
    values: dict[str, Any] = {name: getattr(budget, name) for name in PROTECTION}
    if not budget.is_paused_by_hand:
        values |= {
            "paused_at": (budget.paused_at or at) if found.exhausted else None,
            "paused_reason": found.exhausted,
            "paused_until": found.period_end if found.exhausted else None,
            "paused_automatically": bool(found.exhausted),
        }
    values["throttled_at"] = (budget.throttled_at or at) if found.slows else None
    lasts = found.slows or values["paused_automatically"]
    values["protected_until"] = found.period_end if lasts else None
    return values


def suspension(budget: Budget | None) -> str:
    """Why the budget refuses all calls, for people; empty where it does not."""
    if budget is None or not budget.is_paused:
        return ""
    if budget.paused_until is not None:
        return (
            f"{budget.paused_reason} All calls are paused until {budget.paused_until:%Y-%m-%d %H:%M} UTC: "
            "raise it to go on sooner."
        )
    reason = budget.paused_reason
    return f"All calls are paused: {reason}{'' if reason[-1] in '.!?' else '.'} Resume the budget to go on."


def facts(budget: Budget) -> dict[str, Any]:
    """The budget's settings and what it does, as its history keeps them: amounts as decimal strings."""
    settings = {name: _plain(getattr(budget, name)) for name in SETTINGS}
    return {
        **settings,
        "paused": budget.paused_reason or None,
        "throttled": budget.throttled_at is not None,
    }


def note(budget: Budget, before: dict[str, Any], *, at: datetime, by: Actor, reason: str) -> None:
    """Keep in the history what changed since `before`, if anything did."""
    after = facts(budget)
    if after != before:
        BudgetChange.objects.create(
            account=budget.account, at=at, actor=by.name, actor_user=by.user, before=before, after=after,
            reason=reason,
        )  # fmt: skip


def _of_cost(name: str, window: Window, amount: Decimal, *, mode: LimitMode = LimitMode.BLOCK) -> LimitTerms:
    return LimitTerms(name=name, measure=Measure.COST, window=window, amount=amount, mode=mode)


def _slower(granted: Iterable[UsageLimit], budget: Budget) -> list[LimitTerms]:
    """Beside each rate limit of calls one of the same name that lets pass as much less as is configured. What
    is not included at all stays so.
    """
    return [
        LimitTerms(
            name=limit.name,
            measure=Measure.CALLS,
            window=Window(limit.window),
            amount=slowed(limit.amount, percent=budget.throttle_to or 0),
            scope=LimitScope(limit.scope),
            scope_value=limit.scope_value,
        )
        for limit in granted
        if limit.measure == Measure.CALLS and limit.window in RATE_WINDOWS and limit.amount
    ]


def _exhausted(budget: Budget, *, used: Decimal, ceiling: UsageLimit | None) -> str:
    """What is used up that pauses, in words; empty while nothing is, as where nothing is included at all."""
    if not used:
        return ""
    monthly, maximum = budget.monthly_budget, budget.max_monthly_cost
    if budget.auto_pause and monthly is not None and used >= monthly:
        return f"The monthly budget of {format_amount(monthly)} USD is used up."
    amounts = [maximum, None if ceiling is None else ceiling.amount]
    most = min((amount for amount in amounts if amount is not None), default=None)
    if budget.pause_at_maximum and most is not None and used >= most:
        return f"The most that a billing period may cost, {format_amount(most)} USD, is reached."
    return ""


def _told(budget: Budget, before: dict[str, Any]) -> str:
    """Why the budget did what it did since `before`."""
    if budget.paused_reason != (before["paused"] or ""):
        return budget.paused_reason or "There is room again."
    if budget.throttled_at is not None:
        return f"{budget.throttle_from}% of the budget are used."
    return "The budget has room again."


def _plain(value: Any) -> Any:
    return format_amount(value) if isinstance(value, Decimal) else value
