"""What an account may spend, as the API tells it: by its plan, its overrides and its own budget together.

All sources' limits are enforced side by side, so each amount is the strictest one's; what no limit says is
null. What a budget says of its own (when people are told, whether it pauses, how it slows down) is the
stored budget's where there is one, and otherwise the plan's.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from subscriptions.budget_settings import alert_thresholds
from subscriptions.models import Budget, OveragePolicy, PlanVersion, UserSubscription
from usage.api.amounts import AmountField
from usage.core.money import ZERO
from usage.limits import LimitState
from usage.models import LimitMode, LimitScope, LimitSource, Measure, Window

PERCENT_PLACES = Decimal("0.01")


class OverageProtectionSerializer(serializers.Serializer[Any]):
    enabled = serializers.BooleanField(
        help_text="Whether calls are refused before they cost more than allowed."
    )
    max_monthly_cost = AmountField(
        allow_null=True,
        help_text="USD that no billing period can cost more than: what the plan includes, or bills up to, "
        "unless an override or a tighter budget takes its place.",
    )
    auto_pause_at_limit = serializers.BooleanField(
        help_text="Whether everything pauses until the next billing period once that is reached: because the "
        "plan or the budget says so. Without either the same as `enabled`."
    )
    alert_threshold = serializers.FloatField(
        allow_null=True, help_text="Percent of the budget at which people are told first."
    )


class SpendLimitsSerializer(serializers.Serializer[Any]):
    """USD; the strictest limits of all cost."""

    per_request = AmountField(allow_null=True)
    per_hour = AmountField(allow_null=True)
    per_day = AmountField(allow_null=True)


class ThrottlingSerializer(serializers.Serializer[Any]):
    """From `from_percent` of the monthly budget on, rate limits of calls are scaled to `to_percent`."""

    from_percent = serializers.IntegerField(min_value=1, max_value=100)
    to_percent = serializers.IntegerField(min_value=1, max_value=99)


class BudgetManagementSerializer(serializers.Serializer[Any]):
    monthly_budget = AmountField(allow_null=True)
    alert_thresholds = serializers.ListField(
        child=serializers.FloatField(), help_text="Percent of the budget, ascending."
    )
    auto_pause = serializers.BooleanField(
        help_text="Whether calls are refused at the budget; one of the customer's own then pauses everything."
    )
    spend_limits = SpendLimitsSerializer()
    throttling = ThrottlingSerializer(allow_null=True)


class BudgetStateSerializer(serializers.Serializer[Any]):
    """What the budget does just now. `paused_until` is null for a pause by hand, which a person ends."""

    paused = serializers.BooleanField(help_text="Whether the budget refuses every call.")
    paused_automatically = serializers.BooleanField(help_text="Because something is used up.")
    paused_reason = serializers.CharField(allow_null=True)
    paused_at = serializers.DateTimeField(allow_null=True)
    paused_until = serializers.DateTimeField(allow_null=True)
    throttled = serializers.BooleanField(help_text="Whether rate limits are scaled down.")
    throttled_at = serializers.DateTimeField(allow_null=True, help_text="Since when they are.")


class BudgetTermsSerializer(serializers.Serializer[Any]):
    overage_protection = OverageProtectionSerializer()
    budget_management = BudgetManagementSerializer()
    budget_state = BudgetStateSerializer()


def budget_terms(
    states: Sequence[LimitState], *, budget: Budget | None, subscription: UserSubscription | None
) -> dict[str, Any]:
    """The fields of `BudgetTermsSerializer`."""
    plan = None if subscription is None else subscription.plan_version
    monthly = monthly_budget(states, budget=budget)
    amount = None if monthly is None else monthly.amount
    thresholds = _alert_thresholds(states, monthly=amount, plan=plan, budget=budget)
    ceiling = _strictest(states, Measure.COST, Window.PERIOD, modes=(LimitMode.BLOCK,))
    return {
        "overage_protection": {
            "enabled": ceiling is not None,
            "max_monthly_cost": None if ceiling is None else ceiling.amount,
            "auto_pause_at_limit": ceiling is not None and _pauses(ceiling, plan=plan, budget=budget),
            "alert_threshold": thresholds[0] if thresholds else None,
        },
        "budget_management": {
            "monthly_budget": amount,
            "alert_thresholds": thresholds,
            "auto_pause": _refuses_at(monthly, budget=budget),
            "spend_limits": {
                "per_request": strictest_amount(states, Measure.COST, Window.REQUEST),
                "per_hour": strictest_amount(states, Measure.COST, Window.HOUR),
                "per_day": strictest_amount(states, Measure.COST, Window.DAY),
            },
            "throttling": _throttling(budget),
        },
        "budget_state": _state(budget),
    }


def monthly_budget(states: Sequence[LimitState], *, budget: Budget | None) -> LimitState | None:
    """The strictest limit of what a billing period costs. One that only tells is no budget but says when
    people are told of one, unless it is the budget that the customer set.
    """
    modes = (LimitMode.BLOCK, LimitMode.BILL)
    candidates = _of_all(states, Measure.COST, Window.PERIOD, modes=modes)
    return _least([*candidates, *_own_that_tells(states, budget)])


def strictest_amount(states: Sequence[LimitState], measure: Measure, window: Window) -> Decimal | None:
    """The amount of the strictest limit of all calls that refuses."""
    strictest = _strictest(states, measure, window, modes=(LimitMode.BLOCK,))
    return None if strictest is None else strictest.amount


def percent_of(part: Decimal, whole: Decimal | None) -> Decimal | None:
    """The percentage of `whole` that `part` is, to hundredths; None of nothing."""
    return (100 * part / whole).quantize(PERCENT_PLACES) if whole else None


def _own_that_tells(states: Sequence[LimitState], budget: Budget | None) -> list[LimitState]:
    """The customer's own budget where it only tells."""
    if budget is None or budget.monthly_budget is None:
        return []
    told = _of_all(states, Measure.COST, Window.PERIOD, modes=(LimitMode.NOTIFY,))
    return [state for state in told if state.source == LimitSource.BUDGET]


def _refuses_at(monthly: LimitState | None, *, budget: Budget | None) -> bool:
    if budget is not None and budget.monthly_budget is not None:
        return budget.auto_pause
    return monthly is not None and monthly.mode == LimitMode.BLOCK


def _pauses(ceiling: LimitState, *, plan: PlanVersion | None, budget: Budget | None) -> bool:
    if plan is None and budget is None:
        return True
    if plan is not None and plan.overage_policy == OveragePolicy.PAUSE:
        return True
    if budget is None:
        return False
    is_monthly = budget.auto_pause and budget.monthly_budget == ceiling.amount
    return budget.pause_at_maximum or is_monthly


def _alert_thresholds(
    states: Sequence[LimitState],
    *,
    monthly: Decimal | None,
    plan: PlanVersion | None,
    budget: Budget | None,
) -> list[Decimal]:
    """The budget's own; or else those of the plan, and of limits that only tell."""
    if budget is not None and budget.alert_thresholds is not None:
        return [Decimal(each) for each in budget.alert_thresholds]
    usual = alert_thresholds(budget, plan) if plan is not None or budget is not None else []
    own = _own_that_tells(states, budget)
    told = _of_all(states, Measure.COST, Window.PERIOD, modes=(LimitMode.NOTIFY,))
    amounts = [state.amount for state in told if state not in own and state.amount is not None]
    percents = (percent_of(amount, monthly) for amount in amounts)
    return sorted({*map(Decimal, usual), *(percent for percent in percents if percent is not None)})


def _throttling(budget: Budget | None) -> dict[str, Any] | None:
    if budget is None or budget.throttle_from is None:
        return None
    return {"from_percent": budget.throttle_from, "to_percent": budget.throttle_to}


def _state(budget: Budget | None) -> dict[str, Any]:
    budget = budget or Budget()
    return {
        "paused": budget.is_paused,
        "paused_automatically": budget.paused_automatically,
        "paused_reason": budget.paused_reason or None,
        "paused_at": budget.paused_at,
        "paused_until": budget.paused_until,
        "throttled": budget.throttled_at is not None,
        "throttled_at": budget.throttled_at,
    }


def _strictest(
    states: Sequence[LimitState], measure: Measure, window: Window, *, modes: Sequence[LimitMode]
) -> LimitState | None:
    return _least(_of_all(states, measure, window, modes=modes))


def _least(states: Sequence[LimitState]) -> LimitState | None:
    capped = [state for state in states if state.amount is not None]
    return min(capped, key=lambda state: state.amount or ZERO, default=None)


def _of_all(
    states: Sequence[LimitState], measure: Measure, window: Window, *, modes: Sequence[LimitMode]
) -> list[LimitState]:
    """The limits over all calls of the account, whatever set them."""
    return [
        state
        for state in states
        if (state.measure, state.window, state.scope) == (measure, window, LimitScope.EVERYTHING)
        and state.mode in modes
    ]
