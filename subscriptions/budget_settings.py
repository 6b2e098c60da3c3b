"""The settings of a budget: what a change of them comes to, and what cannot be one.

Every refusal names the setting as `field` in its details. Amounts may be as large as the account's limits of
the sources plan and override let pass, and no larger.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any, TypedDict

from subscriptions import budget_protection
from subscriptions.budget_protection import GRANTING, SPEND_LIMITS
from subscriptions.core.thresholds import are_ascending
from subscriptions.models import Budget, PlanVersion, UserSubscription
from subscriptions.models.budgets import MAX_PERCENT
from usage.core.errors import InvalidRequest
from usage.core.money import format_amount, parse_amount
from usage.models import LimitSource, UsageLimit, Window

# Percent of a budget at which people are told where neither budget nor plan says.
DEFAULT_THRESHOLDS = (50, 80, 95)
AMOUNTS = {"monthly_budget": Window.PERIOD, "max_monthly_cost": Window.PERIOD, **SPEND_LIMITS}
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
    """Settings to change; those left out stay, None takes one away.

    `throttle_from` and `throttle_to` are percent: of the monthly budget from which on, and to which share,
    rate limits are scaled down. The last two say the same as others do: `enabled` False takes
    max_monthly_cost away and True asks that something refuses calls, `alert_threshold` is the first of
    alert_thresholds.
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
    enabled: bool
    alert_threshold: int | None


def change(budget: Budget, changes: Changes) -> bool:
    """Set what `changes` come to on the budget, which is locked and saved by the caller; whether any setting
    is another one than before. Raises InvalidRequest for what cannot be.
    """
    values = _resolved(budget, changes)
    _check_amounts(values)
    _check_thresholds(values.get("alert_thresholds"))
    changed = {name: value for name, value in values.items() if getattr(budget, name) != value}
    for name, value in changed.items():
        setattr(budget, name, value)
    _check_throttling(budget)
    granted = list(UsageLimit.objects.filter(account=budget.account_id, source__in=GRANTING))
    _refuse_loosening(budget, changed, granted)
    _refuse_empty_promises(budget, changes, granted)
    return bool(changed)


def alert_thresholds(budget: Budget | None, version: PlanVersion | None) -> list[int]:
    """Percent of the budget at which people are told: the budget's own, or else the plan's."""
    if budget is not None and budget.alert_thresholds is not None:
        return list(budget.alert_thresholds)
    return list(DEFAULT_THRESHOLDS if version is None else version.alert_thresholds)


def wrong(field: str, told: str, *, code: str = "", **details: str) -> InvalidRequest:
    """The refusal of what `field` was given."""
    return InvalidRequest(f"{field}: {told}", code=code, details={"field": field, **details})


def _resolved(budget: Budget, changes: Changes) -> dict[str, Any]:
    """The settings themselves: what says the same as another setting is told by that one."""
    values: dict[str, Any] = {**changes}
    if values.pop("enabled", None) is False:
        if changes.get("max_monthly_cost") is not None:
            raise wrong("enabled", "Without it there is no max_monthly_cost: give true, or leave one out.")
        values["max_monthly_cost"] = None
    if "alert_threshold" in changes:
        first = values.pop("alert_threshold")
        if "alert_thresholds" in changes:
            given = list(changes["alert_thresholds"] or [])
            if first != (given[0] if given else None):
                raise wrong("alert_threshold", "It is the first of alert_thresholds: leave one of them out.")
        else:
            values["alert_thresholds"] = None if first is None else _beginning_with(first, budget)
    return values


def _beginning_with(first: int, budget: Budget) -> list[int]:
    """The thresholds in force with `first` for all below it."""
    known = UserSubscription.objects.select_related("plan_version").filter(account=budget.account_id).first()
    in_force = alert_thresholds(budget, None if known is None else known.plan_version)
    return [first, *(each for each in in_force if first < each <= MAX_PERCENT)]


def _check_amounts(values: dict[str, Any]) -> None:
    for name in AMOUNTS:
        amount = values.get(name)
        if amount is None:
            continue
        try:
            is_positive = parse_amount(str(amount)) > 0
        except ValueError as unreadable:
            raise wrong(name, f"{unreadable}.") from unreadable
        if not is_positive:
            raise wrong(name, "Give an amount above 0, or none.")


def _check_thresholds(thresholds: Sequence[int] | None) -> None:
    if not are_ascending(thresholds or [], most=MAX_PERCENT):
        raise wrong("alert_thresholds", f"Give ascending percentages between 1 and {MAX_PERCENT}, each once.")


def _check_throttling(budget: Budget) -> None:
    if (budget.throttle_from is None) != (budget.throttle_to is None):
        missing = "throttle_from" if budget.throttle_from is None else "throttle_to"
        raise wrong(missing, "Give both, from which percent and to which, or neither.")
    for name, most in (("throttle_from", MAX_PERCENT), ("throttle_to", MAX_PERCENT - 1)):
        percent = getattr(budget, name)
        if percent is not None and not 1 <= percent <= most:
            raise wrong(name, f"Give a whole percentage between 1 and {most}.")


def _refuse_loosening(budget: Budget, changed: Collection[str], granted: Sequence[UsageLimit]) -> None:
    """Raise InvalidRequest for a changed amount above what plan and overrides let pass."""
    for name, window in AMOUNTS.items():
        amount: Decimal | None = getattr(budget, name)
        bound = budget_protection.allowed(granted, window)
        if name not in changed or amount is None or bound is None or bound.amount is None:
            continue
        if amount > bound.amount:
            source = LimitSource(bound.source)
            allowed = format_amount(bound.amount)
            raise wrong(
                name,
                f"{ALLOWED_BY[source]} {allowed} USD {WITHIN[window]}: choose at most that, "
                f"{REMEDIES[source]}.",
                code="budget_above_plan",
                allowed=allowed,
            )


def _refuse_empty_promises(budget: Budget, changes: Changes, granted: Sequence[UsageLimit]) -> None:
    """Raise InvalidRequest where something is to be refused or paused at an amount that nobody has set."""
    if budget_protection.allowed(granted, Window.PERIOD) is not None or budget.max_monthly_cost is not None:
        return
    if budget.monthly_budget is None and changes.get("auto_pause"):
        raise wrong("auto_pause", "Set monthly_budget as well: there is no budget to pause at.")
    pauses = budget.monthly_budget is not None and budget.auto_pause
    for name in ("enabled", "pause_at_maximum"):
        if changes.get(name) and not pauses:
            raise wrong(name, "Set max_monthly_cost as well: nothing bounds what a billing period may cost.")
