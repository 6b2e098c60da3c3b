"""GET /api/billing/limits: budget, quotas and rates of the account, computed from the limits there are.

All sources' limits are enforced side by side, so each figure is the strictest one's. What no limit says is
null. When people are told of the budget, and whether reaching it pauses the subscription, is the plan's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.models import OveragePolicy, PlanVersion, UserSubscription
from subscriptions.queries import subscription_of
from usage import limits, queries
from usage.api.amounts import AmountField
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, read_query
from usage.core.calendar import month_of
from usage.core.money import ZERO, to_cents
from usage.limits import LimitState
from usage.models import Account, LimitMode, LimitScope, Measure, Window
from usage.rate_limits import of_states

PERCENT_PLACES = Decimal("0.01")
# Over these a limit is something to use up; over the others it is a rate or a bound.
QUOTA_WINDOWS = (Window.DAY, Window.PERIOD)
SECOND = timedelta(seconds=1)


class BudgetSerializer(serializers.Serializer[Any]):
    """USD in the open billing period, against its strictest limit of all cost."""

    monthly_budget = AmountField(allow_null=True)
    current_budget_usage = AmountField(help_text="Unrounded.")
    budget_remaining = AmountField(allow_null=True, help_text="Neither used nor held.")
    budget_utilization = serializers.FloatField(allow_null=True, help_text="Percent; null without a budget.")
    days_remaining = serializers.IntegerField(help_text="The day in progress included.")
    projected_overage = AmountField(
        allow_null=True,
        help_text="What the period will cost beyond the budget if it goes on as it has so far, in cents.",
    )


class QuotaSerializer(serializers.Serializer[Any]):
    limit = AmountField(allow_null=True, help_text="null: unlimited; 0: nothing at all.")
    used = AmountField(help_text="Held for open authorizations not included.")
    remaining = AmountField(allow_null=True)
    reset_date = serializers.DateTimeField(allow_null=True)


class RatesSerializer(serializers.Serializer[Any]):
    """The strictest limits of all calls; null where there is none."""

    requests_per_minute = serializers.IntegerField(allow_null=True)
    requests_per_hour = serializers.IntegerField(allow_null=True)
    concurrent_requests = serializers.IntegerField(allow_null=True)
    burst_limit = serializers.IntegerField(allow_null=True, help_text="Calls within a second.")


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
        help_text="Whether the plan pauses the subscription until the next period once what it includes is "
        "used up. Without a subscription the same as `enabled`."
    )
    alert_threshold = serializers.FloatField(
        allow_null=True, help_text="Percent of the budget at which people are told first."
    )


class SpendLimitsSerializer(serializers.Serializer[Any]):
    """USD; the strictest limits of all cost."""

    per_request = AmountField(allow_null=True)
    per_hour = AmountField(allow_null=True)
    per_day = AmountField(allow_null=True)


class BudgetManagementSerializer(serializers.Serializer[Any]):
    monthly_budget = AmountField(allow_null=True)
    alert_thresholds = serializers.ListField(
        child=serializers.FloatField(), help_text="Percent of the budget, ascending."
    )
    auto_pause = serializers.BooleanField(help_text="Whether calls are refused at the budget.")
    spend_limits = SpendLimitsSerializer()


class BillingLimitsSerializer(serializers.Serializer[Any]):
    limits = BudgetSerializer()
    usage_quotas = serializers.DictField(
        child=QuotaSerializer(), help_text="By name, everything that is limited by the day or billing period."
    )
    rate_limits = RatesSerializer()
    overage_protection = OverageProtectionSerializer()
    budget_management = BudgetManagementSerializer()


class BillingLimitsView(APIView):
    """Budget, quotas and rates as they stand."""

    @extend_schema(
        operation_id="billing_limits",
        tags=["Limits"],
        parameters=[AccountQuery],
        responses=BillingLimitsSerializer,
    )
    def get(self, request: Request) -> Response:
        at = timezone.now()
        query = read_query(AccountQuery, request)
        account = account_read(request, query.get("user_id"))
        states = limits.states(account, at=at)
        told = billing_limits(
            states, cost=cost_so_far(account, at=at), at=at, subscription=subscription_of(account)
        )
        return Response(BillingLimitsSerializer(told).data, headers=of_states(states, at=at))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSoFar:
    """What the billing period in [start, end) has cost."""

    start: datetime
    end: datetime
    cost: Decimal


def cost_so_far(account: Account, *, at: datetime) -> CostSoFar:
    """The open period's cost; while none is open, the calendar month's that will be."""
    period = queries.period_at(account, at=at)
    if period is None:
        start, end = month_of(at)
        return CostSoFar(start=start, end=end, cost=ZERO)
    totals = queries.period_totals(account, period=period)
    return CostSoFar(start=period.period_start, end=period.period_end, cost=totals.cost)


def billing_limits(
    states: Sequence[LimitState],
    *,
    cost: CostSoFar,
    at: datetime,
    subscription: UserSubscription | None = None,
) -> dict[str, Any]:
    """The fields of `BillingLimitsSerializer`."""
    plan = None if subscription is None else subscription.plan_version
    # A limit that only tells is no budget, it says when people are told of one.
    budget = _strictest(states, Measure.COST, Window.PERIOD, modes=(LimitMode.BLOCK, LimitMode.BILL))
    ceiling = _strictest(states, Measure.COST, Window.PERIOD, modes=(LimitMode.BLOCK,))
    monthly_budget = None if budget is None else budget.amount
    thresholds = _alert_thresholds(states, budget=monthly_budget, plan=plan)
    return {
        "limits": _budget(budget, cost=cost, at=at),
        "usage_quotas": _quotas(states),
        "rate_limits": {
            "requests_per_minute": _amount(states, Measure.CALLS, Window.MINUTE),
            "requests_per_hour": _amount(states, Measure.CALLS, Window.HOUR),
            "concurrent_requests": _amount(states, Measure.CALLS, Window.CONCURRENT),
            "burst_limit": _amount(states, Measure.CALLS, Window.SECOND),
        },
        "overage_protection": {
            "enabled": ceiling is not None,
            "max_monthly_cost": None if ceiling is None else ceiling.amount,
            "auto_pause_at_limit": ceiling is not None and (plan is None or _pauses(plan)),
            "alert_threshold": thresholds[0] if thresholds else None,
        },
        "budget_management": {
            "monthly_budget": monthly_budget,
            "alert_thresholds": thresholds,
            "auto_pause": budget is not None and budget.mode == LimitMode.BLOCK,
            "spend_limits": {
                "per_request": _amount(states, Measure.COST, Window.REQUEST),
                "per_hour": _amount(states, Measure.COST, Window.HOUR),
                "per_day": _amount(states, Measure.COST, Window.DAY),
            },
        },
    }


def _budget(budget: LimitState | None, *, cost: CostSoFar, at: datetime) -> dict[str, Any]:
    amount = None if budget is None else budget.amount
    return {
        "monthly_budget": amount,
        "current_budget_usage": cost.cost,
        "budget_remaining": None if budget is None else budget.remaining,
        "budget_utilization": _percent(cost.cost, amount),
        # Whole days, the one in progress counted as one.
        "days_remaining": -((at - cost.end) // timedelta(days=1)),
        "projected_overage": None if amount is None else max(_projected(cost, at=at) - amount, ZERO),
    }


def _projected(cost: CostSoFar, *, at: datetime) -> Decimal:
    """What the period will have cost in the end at the rate at which it has so far, in cents."""
    passed, whole = (int((moment - cost.start) / SECOND) for moment in (at, cost.end))
    return to_cents(cost.cost * whole / passed) if passed else to_cents(cost.cost)


def _quotas(states: Sequence[LimitState]) -> dict[str, dict[str, Any]]:
    """By name; of limits that share one, that with least left."""
    quotas = sorted((state for state in states if state.window in QUOTA_WINDOWS), key=_room, reverse=True)
    return {
        state.name: {
            "limit": state.amount,
            "used": state.used,
            "remaining": state.remaining,
            "reset_date": state.resets_at,
        }
        for state in quotas
    }


def _room(state: LimitState) -> tuple[bool, Decimal]:
    return state.remaining is None, state.remaining or ZERO


def _pauses(plan: PlanVersion) -> bool:
    return plan.overage_policy == OveragePolicy.PAUSE


def _alert_thresholds(
    states: Sequence[LimitState], *, budget: Decimal | None, plan: PlanVersion | None
) -> list[Decimal]:
    """Those of the plan, and of limits that only tell."""
    sold = [] if plan is None else plan.alert_thresholds
    told = [state.amount for state in _of_all(states, Measure.COST, Window.PERIOD, modes=(LimitMode.NOTIFY,))]
    percents = (_percent(amount, budget) for amount in told if amount is not None)
    return sorted({*map(Decimal, sold), *(percent for percent in percents if percent is not None)})


def _amount(states: Sequence[LimitState], measure: Measure, window: Window) -> Decimal | None:
    """The amount of the strictest limit that refuses."""
    strictest = _strictest(states, measure, window, modes=(LimitMode.BLOCK,))
    return None if strictest is None else strictest.amount


def _strictest(
    states: Sequence[LimitState], measure: Measure, window: Window, *, modes: Sequence[LimitMode]
) -> LimitState | None:
    capped = [state for state in _of_all(states, measure, window, modes=modes) if state.amount is not None]
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


def _percent(part: Decimal, whole: Decimal | None) -> Decimal | None:
    return (100 * part / whole).quantize(PERCENT_PLACES) if whole else None
