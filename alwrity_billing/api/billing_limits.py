"""GET /api/billing/limits: budget, quotas and rates of the account, computed from the limits there are.

All sources' limits are enforced side by side, so each figure is the strictest one's. What no limit says is
null. What the customer's own budget says stands in `subscriptions.api.budget_terms`.
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

from subscriptions.api.budget_terms import (
    BudgetTermsSerializer,
    budget_terms,
    monthly_budget,
    percent_of,
    strictest_amount,
)
from subscriptions.budget_protection import budget_of
from subscriptions.models import Budget, UserSubscription
from subscriptions.queries import subscription_of
from usage import limits, projections, queries
from usage.api.amounts import AmountField
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, read_query
from usage.core.calendar import month_of
from usage.core.money import ZERO, to_cents
from usage.limits import LimitState
from usage.models import Account, Measure, Window
from usage.rate_limits import of_states

# Over these a limit is something to use up; over the others it is a rate or a bound.
QUOTA_WINDOWS = (Window.DAY, Window.PERIOD)


class BudgetSerializer(serializers.Serializer[Any]):
    """USD in the open billing period, against its strictest limit of all cost."""

    monthly_budget = AmountField(allow_null=True)
    current_budget_usage = AmountField(help_text="Unrounded.")
    budget_remaining = AmountField(allow_null=True, help_text="Neither used nor held.")
    budget_utilization = serializers.FloatField(allow_null=True, help_text="Percent; null without a budget.")
    days_remaining = serializers.IntegerField(help_text="The day in progress included.")
    projected_overage = AmountField(
        allow_null=True,
        help_text="What the period is expected to cost beyond the budget in the end, in cents: by the "
        "account's weekdays, or before these are known if it goes on as it has so far.",
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


class BillingLimitsSerializer(BudgetTermsSerializer):
    limits = BudgetSerializer()
    usage_quotas = serializers.DictField(
        child=QuotaSerializer(), help_text="By name, everything that is limited by the day or billing period."
    )
    rate_limits = RatesSerializer()


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
            states,
            cost=cost_so_far(account, at=at),
            at=at,
            budget=budget_of(account),
            subscription=subscription_of(account),
        )
        return Response(BillingLimitsSerializer(told).data, headers=of_states(states, at=at))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSoFar:
    """What the billing period in [start, end) has cost, and is expected to have cost in the end."""

    start: datetime
    end: datetime
    cost: Decimal
    expected: Decimal


def cost_so_far(account: Account, *, at: datetime) -> CostSoFar:
    """The open period's cost; while none is open, the calendar month's that will be."""
    period = queries.period_at(account, at=at)
    if period is None:
        start, end = month_of(at)
        return CostSoFar(start=start, end=end, cost=ZERO, expected=ZERO)
    cost = queries.period_totals(account, period=period).cost
    return CostSoFar(
        start=period.period_start,
        end=period.period_end,
        cost=cost,
        expected=projections.cost_at_end(account, period=period, spent=cost, at=at),
    )


def billing_limits(
    states: Sequence[LimitState],
    *,
    cost: CostSoFar,
    at: datetime,
    budget: Budget | None = None,
    subscription: UserSubscription | None = None,
) -> dict[str, Any]:
    """The fields of `BillingLimitsSerializer`."""
    return {
        "limits": _budget(monthly_budget(states, budget=budget), cost=cost, at=at),
        "usage_quotas": _quotas(states),
        "rate_limits": {
            "requests_per_minute": strictest_amount(states, Measure.CALLS, Window.MINUTE),
            "requests_per_hour": strictest_amount(states, Measure.CALLS, Window.HOUR),
            "concurrent_requests": strictest_amount(states, Measure.CALLS, Window.CONCURRENT),
            "burst_limit": strictest_amount(states, Measure.CALLS, Window.SECOND),
        },
        **budget_terms(states, budget=budget, subscription=subscription),
    }


def _budget(budget: LimitState | None, *, cost: CostSoFar, at: datetime) -> dict[str, Any]:
    amount = None if budget is None else budget.amount
    return {
        "monthly_budget": amount,
        "current_budget_usage": cost.cost,
        "budget_remaining": None if budget is None else budget.remaining,
        "budget_utilization": percent_of(cost.cost, amount),
        # Whole days, the one in progress counted as one.
        "days_remaining": -((at - cost.end) // timedelta(days=1)),
        "projected_overage": None if amount is None else max(to_cents(cost.expected) - amount, ZERO),
    }


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
