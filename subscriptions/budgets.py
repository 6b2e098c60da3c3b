"""Budgets: what customers may spend by their own choice, never more than their plan allows.

Amounts are limits of the source budget, enforced beside those of plan and overrides, so that the strictest
wins. They stay as they are when the plan changes. What a budget does when it is nearly or quite used up is in
`subscriptions.budget_protection`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from django.db import InterfaceError, OperationalError, transaction

from subscriptions import budget_protection, entitlements
from subscriptions.actors import Actor
from subscriptions.budget_protection import GRANTING, SPEND_LIMITS
from subscriptions.models import Budget, PlanVersion
from subscriptions.models.budgets import MAX_PAUSE_REASON, MAX_PERCENT
from usage.core.errors import Conflict, InvalidRequest
from usage.core.money import format_amount, parse_amount
from usage.models import Account, LimitSource, UsageLimit, Window

# Percent of a budget at which people are told where neither budget nor plan says.
DEFAULT_THRESHOLDS = (50, 80, 95)
AMOUNTS = {"monthly_budget": Window.PERIOD, "max_monthly_cost": Window.PERIOD, **SPEND_LIMITS}
MAX_REASON = 300
WITHIN = {
    Window.REQUEST: "a request",
    Window.HOUR: "an hour",
    Window.DAY: "a day",
    Window.PERIOD: "a billing period",
}
ALLOWED_BY = {LimitSource.PLAN: "The plan allows", LimitSource.OVERRIDE: "Our staff's limit allows"}
REMEDIES = {
    LimitSource.PLAN: "or take a larger plan first",
    LimitSource.OVERRIDE: "or ask support to raise it first",
}


class Changes(TypedDict, total=False):
    """Settings to change; those left out stay, None takes one away. `throttle_from` and `throttle_to` are
    percent: of the monthly budget from which on, and to which share, rate limits are scaled down.
    """

    monthly_budget: Decimal | None
    per_request: Decimal | None
    per_hour: Decimal | None
    per_day: Decimal | None
    alert_thresholds: Sequence[int] | None
    auto_pause: bool
    max_monthly_cost: Decimal | None
    pause_at_maximum: bool
    throttle_from: int | None
    throttle_to: int | None


def update(account: Account, *, changes: Changes, at: datetime, by: Actor, reason: str = "") -> Budget:
    """Change the settings given and let them hold at once; the budget as it then is.

    Raises InvalidRequest, with the setting as `field` in its details, for what is no such setting's value and
    for an amount above what the plan allows.
    """
    _check_amounts(changes)
    _check_thresholds(changes.get("alert_thresholds"))
    _check_length("reason", reason, at_most=MAX_REASON)
    with transaction.atomic():
        budget = _locked(account)
        before = budget_protection.facts(budget)
        changed = {name: value for name, value in changes.items() if getattr(budget, name) != value}
        if not changed:
            return budget
        for name, value in changed.items():
            setattr(budget, name, value)
        _check_throttling(budget)
        _refuse_loosening(budget, changed.keys())
        budget.updated_at = at
        budget.save()
        budget_protection.note(budget, before, at=at, by=by, reason=reason)
        entitlements.apply(account, at=at)
        budget.refresh_from_db()
    return budget


def pause(account: Account, *, reason: str, at: datetime, by: Actor) -> Budget:
    """Refuse all calls of the account from `at` on, with the reason, until somebody resumes it.

    Raises InvalidRequest without a reason, Conflict when somebody paused it before.
    """
    reason = reason.strip()
    if not reason:
        raise _wrong("reason", "Say why; whoever is refused reads it.")
    _check_length("reason", reason, at_most=MAX_PAUSE_REASON)
    with transaction.atomic():
        budget = _locked(account)
        if budget.is_paused_by_hand:
            raise Conflict(f"The budget is paused already: {budget.paused_reason}", code="budget_paused")
        before = budget_protection.facts(budget)
        budget.paused_at, budget.paused_reason = at, reason
        budget.paused_until, budget.paused_automatically = None, False
        _save_and_apply(budget, before, at=at, by=by, reason=reason)
    return budget


def resume(account: Account, *, at: datetime, by: Actor) -> Budget:
    """Let calls pass again as far as limits go.

    Raises Conflict when it is not paused, and while the budget is used up, as it would pause again at once.
    """
    with transaction.atomic():
        budget = _locked(account)
        if not budget.is_paused:
            raise Conflict("The budget is not paused.", code="budget_not_paused")
        found = budget_protection.standing(budget, at=at)
        if found.exhausted:
            raise Conflict(
                f"{found.exhausted} Raise it first, or wait until the billing period ends"
                f"{'' if found.period_end is None else f' at {found.period_end:%Y-%m-%d %H:%M} UTC'}.",
                code="budget_used_up",
            )
        before = budget_protection.facts(budget)
        budget.paused_at, budget.paused_reason = None, ""
        budget.paused_until, budget.paused_automatically = None, False
        _save_and_apply(budget, before, at=at, by=by, reason="")
    return budget


def protect(account: Account, *, at: datetime) -> bool:
    """Slow down, pause, or end either, as the account's budget and usage call for at `at`; whether anything
    changed. Cheap where nothing does, safe to run twice and beside everything else.
    """
    if budget_protection.is_in_place(account, at=at):
        return False
    with transaction.atomic():
        _lock(account)
        if budget_protection.is_in_place(account, at=at):
            return False
        entitlements.apply(account, at=at)
    return True


def protect_due(*, at: datetime, limit: int) -> int:
    """The same for up to `limit` accounts that are slowed down or paused for a billing period that is over at
    `at`; returns how many changed. One that cannot be seen to does not hold up the others: what went wrong
    with it is raised when they are done.
    """
    due = Budget.objects.filter(protected_until__lte=at).select_related("account")
    changed, failures = 0, []
    for budget in list(due.order_by("protected_until")[:limit]):
        try:
            changed += protect(budget.account, at=at)
        except (OperationalError, InterfaceError):
            # Not about this one: the database is away.
            raise
        except Exception as failure:
            failure.add_note(f"account {budget.account_id}")
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} budgets could not be seen to", failures)
    return changed


def alert_thresholds(budget: Budget | None, version: PlanVersion | None) -> list[int]:
    """Percent of the budget at which people are told: the budget's own, or else the plan's."""
    if budget is not None and budget.alert_thresholds is not None:
        return list(budget.alert_thresholds)
    return list(DEFAULT_THRESHOLDS if version is None else version.alert_thresholds)


def _lock(account: Account) -> None:
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)


def _locked(account: Account) -> Budget:
    """The account's budget, a new one where there is none, under the lock on the account's row."""
    _lock(account)
    return budget_protection.budget_of(account) or Budget(account=account)


def _save_and_apply(
    budget: Budget, before: dict[str, object], *, at: datetime, by: Actor, reason: str
) -> None:
    budget.updated_at = at
    budget.save()
    budget_protection.note(budget, before, at=at, by=by, reason=reason)
    entitlements.apply(budget.account, at=at)
    budget.refresh_from_db()


def _check_amounts(changes: Changes) -> None:
    for name in AMOUNTS:
        amount: object = changes.get(name)
        if amount is None:
            continue
        try:
            is_positive = isinstance(amount, Decimal) and parse_amount(str(amount)) > 0
        except ValueError as wrong:
            raise _wrong(name, f"{wrong}.") from wrong
        if not is_positive:
            raise _wrong(name, "Give an amount above 0, or null for none.")


def _check_thresholds(thresholds: Sequence[int] | None) -> None:
    given = list(thresholds or [])
    if given != sorted(set(given)) or not all(0 < each <= MAX_PERCENT for each in given):
        raise _wrong(
            "alert_thresholds", f"Give ascending percentages between 1 and {MAX_PERCENT}, each once."
        )


def _check_throttling(budget: Budget) -> None:
    if (budget.throttle_from is None) != (budget.throttle_to is None):
        missing = "throttle_from" if budget.throttle_from is None else "throttle_to"
        raise _wrong(missing, "Give both, from which percent and to which; or null for both.")
    for name, most in (("throttle_from", MAX_PERCENT), ("throttle_to", MAX_PERCENT - 1)):
        percent = getattr(budget, name)
        if percent is not None and not 1 <= percent <= most:
            raise _wrong(name, f"Give a whole percentage between 1 and {most}.")


def _check_length(field: str, text: str, *, at_most: int) -> None:
    # PostgreSQL's text holds no NUL.
    if len(text) > at_most or "\x00" in text:
        raise _wrong(field, f"Take at most {at_most} characters, and no NUL.")


def _refuse_loosening(budget: Budget, changed: Collection[str]) -> None:
    """Raise InvalidRequest for a changed amount above what plan and overrides let pass."""
    granted = list(UsageLimit.objects.filter(account=budget.account_id, source__in=GRANTING))
    for name, window in AMOUNTS.items():
        amount: Decimal | None = getattr(budget, name)
        bound = budget_protection.allowed(granted, window)
        if name not in changed or amount is None or bound is None or bound.amount is None:
            continue
        if amount > bound.amount:
            source = LimitSource(bound.source)
            raise _wrong(
                name,
                f"{ALLOWED_BY[source]} {format_amount(bound.amount)} USD {WITHIN[window]}: choose at most "
                f"that, {REMEDIES[source]}.",
                allowed=format_amount(bound.amount),
            )


def _wrong(field: str, told: str, **details: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {told}", details={"field": field, **details})
