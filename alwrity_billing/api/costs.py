"""GET /api/billing/costs: what the account spends just now, in a few figures, beside its budget."""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api.budget_terms import budget_terms, percent_of
from subscriptions.budget_protection import budget_of
from subscriptions.queries import subscription_of
from usage import analytics, limits, queries
from usage.analytics import Selection
from usage.api.amounts import CURRENCY, AmountField
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, read_query
from usage.core.money import COST_PLACES
from usage.models import Account
from usage.queries import NOTHING, Totals

SMALLEST = Decimal(1).scaleb(-COST_PLACES)


class CurrentCostsSerializer(serializers.Serializer[Any]):
    """Today: calls that happened since midnight UTC. This month: what the open billing period bills."""

    requests_today = serializers.IntegerField()
    requests_this_month = serializers.IntegerField()
    tokens_used_today = serializers.IntegerField()
    tokens_used_this_month = serializers.IntegerField()
    estimated_cost_today = AmountField(help_text="Unrounded.")
    estimated_cost_this_month = AmountField(help_text="Unrounded.")


class CostsSerializer(serializers.Serializer[Any]):
    currency = serializers.ChoiceField(choices=[CURRENCY])
    current_month_api_cost = AmountField(
        help_text="What the open billing period bills so far, late usage included; unrounded."
    )
    budget_utilization = serializers.FloatField(
        allow_null=True, help_text="Percent of the monthly budget that is; null without one."
    )
    avg_cost_per_request = AmountField(help_text="That by the calls it is for, to 18 decimals.")
    cost_alert_threshold = serializers.FloatField(
        allow_null=True, help_text="Percent of the budget at which people are told first."
    )
    current_usage = CurrentCostsSerializer()


class CostsView(APIView):
    """What the open billing period and today cost, and how much of the budget that is."""

    @extend_schema(
        operation_id="billing_costs",
        tags=["Costs"],
        parameters=[AccountQuery],
        responses=CostsSerializer,
    )
    def get(self, request: Request) -> Response:
        at = timezone.now()
        query = read_query(AccountQuery, request)
        account = account_read(request, query.get("user_id"))
        return Response(CostsSerializer(costs(account, at=at)).data)


def costs(account: Account, *, at: datetime) -> dict[str, Any]:
    """The fields of `CostsSerializer`."""
    month = this_month(account, at=at)
    midnight = queries.start_of(at, interval="day")
    today = analytics.totals(Selection(account=account, start=midnight, end=midnight + timedelta(days=1)))
    terms = budget_terms(
        limits.states(account, at=at), budget=budget_of(account), subscription=subscription_of(account)
    )
    return {
        "currency": CURRENCY,
        "current_month_api_cost": month.cost,
        "budget_utilization": percent_of(month.cost, terms["budget_management"]["monthly_budget"]),
        "avg_cost_per_request": a_call(month),
        "cost_alert_threshold": terms["overage_protection"]["alert_threshold"],
        "current_usage": {
            "requests_today": today.calls,
            "requests_this_month": month.calls,
            "tokens_used_today": today.tokens,
            "tokens_used_this_month": month.tokens,
            "estimated_cost_today": today.cost,
            "estimated_cost_this_month": month.cost,
        },
    }


def this_month(account: Account, *, at: datetime) -> Totals:
    """What the billing period open at `at` bills; nothing while none is open."""
    period = queries.period_at(account, at=at)
    return NOTHING if period is None else queries.period_totals(account, period=period)


def a_call(totals: Totals) -> Decimal:
    """What a call costs, as exactly as any cost is told."""
    return totals.cost_per_call.quantize(SMALLEST, rounding=ROUND_HALF_EVEN)
