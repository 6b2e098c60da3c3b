"""GET /api/subscription/dashboard/{user_id}: everything that existing front ends draw on their first page."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts import inbox
from alerts.api.alerts import AlertSerializer
from alwrity_billing.api.usage_stats import (
    MAX_ALERTS,
    LimitsSerializer,
    UsageStatsSerializer,
    period_stats,
    usage_fields,
)
from usage import projections, queries
from usage.api.amounts import NumberField
from usage.api.caller import account_read
from usage.api.trends import TrendsSerializer, trends
from usage.core.money import ZERO, to_cents
from usage.models import Account, BillingPeriod

MONTHS_OF_TRENDS = 6


class ProjectionsSerializer(serializers.Serializer[Any]):
    projected_monthly_cost = NumberField(
        help_text="What the open billing period is expected to cost in the end: USD, in cents. By the "
        "account's weekdays, or before these are known if it goes on as it has so far."
    )
    cost_limit = NumberField(help_text="What a billing period may cost: USD; 0 where nothing limits it.")
    projected_usage_percentage = serializers.FloatField(
        help_text="Percent of the limit that the projection is; 0 where nothing limits it."
    )


class SummarySerializer(serializers.Serializer[Any]):
    """This month is the open billing period."""

    total_api_calls_this_month = serializers.IntegerField()
    total_cost_this_month = NumberField(help_text="USD, unrounded.")
    usage_status = serializers.ChoiceField(choices=["active", "warning", "limit_reached"])
    unread_alerts = serializers.IntegerField(help_text="All that are unread in the inbox, however old.")


class DashboardSerializer(serializers.Serializer[Any]):
    current_usage = UsageStatsSerializer(help_text="Of the open billing period.")
    total_usage = UsageStatsSerializer(
        help_text="Calls, tokens, cost, times and errors of all time; the rest as in current_usage, since "
        "limits are those of a billing period."
    )
    current_period_usage = UsageStatsSerializer(help_text="The same as current_usage.")
    trends = TrendsSerializer(help_text=f"The last {MONTHS_OF_TRENDS} calendar months.")
    limits = LimitsSerializer()
    alerts = AlertSerializer(
        many=True, help_text=f"Of this billing period, the unread first, then the newest; up to {MAX_ALERTS}."
    )
    projections = ProjectionsSerializer()
    summary = SummarySerializer()
    usage_percentages = serializers.DictField(
        child=serializers.FloatField(), help_text="As in current_usage."
    )


class DashboardView(APIView):
    """The open billing period, all time, trends, limits, alerts and what is to be expected, in one answer."""

    @extend_schema(operation_id="dashboard", tags=["Usage"], responses=DashboardSerializer)
    def get(self, request: Request, user_id: str) -> Response:
        at = timezone.now()
        account = account_read(request, user_id)
        return Response(DashboardSerializer(dashboard(account, at=at)).data)


def dashboard(account: Account, *, at: datetime) -> dict[str, Any]:
    """The fields of `DashboardSerializer`."""
    period = queries.period_at(account, at=at)
    current = period_stats(account, period=period, start=period.period_start if period else at, at=at)
    return {
        "current_usage": current,
        "total_usage": {**current, **usage_fields(queries.all_time_by_provider(account))},
        "current_period_usage": current,
        "trends": trends(account, months=MONTHS_OF_TRENDS, at=at),
        "limits": current["limits"],
        "alerts": current["alerts"],
        "projections": _projections(
            account,
            period,
            spent=current["total_cost"],
            limit=current["limits"]["limits"]["monthly_cost"],
            at=at,
        ),
        "summary": {
            "total_api_calls_this_month": current["total_calls"],
            "total_cost_this_month": current["total_cost"],
            "usage_status": current["usage_status"],
            "unread_alerts": inbox.unread_count(account),
        },
        "usage_percentages": current["usage_percentages"],
    }


def _projections(
    account: Account, period: BillingPeriod | None, *, spent: Decimal, limit: Decimal, at: datetime
) -> dict[str, Decimal]:
    expected = ZERO if period is None else projections.cost_at_end(account, period=period, spent=spent, at=at)
    cost = to_cents(expected)
    return {
        "projected_monthly_cost": cost,
        "cost_limit": limit,
        "projected_usage_percentage": 100 * cost / limit if limit else ZERO,
    }
