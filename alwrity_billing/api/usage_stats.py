"""GET /api/subscription/usage/{user_id}: one billing period at a glance, beside the plan's limits.

It draws on every layer, so it lives above them. What the account's plan allows and who was alerted comes from
`terms_of`, `limits_of` and `alerts_of`; everything else follows from their answers and the totals.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts import queries as alert_queries
from alerts.api.alerts import AlertSerializer, alert_fields
from subscriptions.api.terms import Terms
from subscriptions.api.terms import terms_of as subscription_terms
from subscriptions.models import Tier
from subscriptions.queries import subscription_of
from usage import queries
from usage.api.amounts import NumberField
from usage.api.caller import account_read
from usage.api.known_limits import LimitAmounts, LimitBarsSerializer, bars, limits_of
from usage.api.names import under_known_names
from usage.api.parameters import MonthField, read_query
from usage.core.money import ZERO
from usage.models import Account, BillingPeriod
from usage.queries import NOTHING, Totals

WARNING_PERCENT = 80
REACHED_PERCENT = 100
MAX_ALERTS = 20


def terms_of(account: Account) -> Terms:
    """What the account is subscribed to; one without a subscription is told to have no plan."""
    return subscription_terms(subscription_of(account))


def alerts_of(account: Account, *, period: BillingPeriod | None, at: datetime) -> list[dict[str, Any]]:
    """The latest of what the account was told of in the period, the unread first; without a period, in the
    calendar month of `at`.
    """
    start = period.period_start if period else queries.start_of(at, interval="month")
    end = period.period_end if period else queries.next_start(start, interval="month")
    alerts = alert_queries.latest_alerts(account, start=start, end=end, at_most=MAX_ALERTS)
    return [alert_fields(alert) for alert in alerts]


class UsageStatsQuery(serializers.Serializer[Any]):
    billing_period = MonthField(
        required=False,
        help_text="The billing period that starts in this month (YYYY-MM); default: the open one.",
    )


class LimitsSerializer(LimitBarsSerializer):
    """The account's plan and limits. What is unlimited and what is not included are both 0 in `limits`."""

    plan_name = serializers.CharField(help_text="No plan: the account has no subscription.")
    tier = serializers.ChoiceField(choices=Tier.choices)
    features = serializers.ListField(child=serializers.CharField())


class ProviderFiguresSerializer(serializers.Serializer[Totals]):
    calls = serializers.IntegerField()
    tokens = serializers.IntegerField()
    cost = NumberField()


class UsageStatsSerializer(serializers.Serializer[Any]):
    billing_period = serializers.CharField(help_text="The month the billing period starts in, YYYY-MM.")
    usage_status = serializers.ChoiceField(
        choices=["active", "warning", "limit_reached"],
        help_text=f"warning from {WARNING_PERCENT} percent of any limit.",
    )
    total_calls = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    total_cost = NumberField(help_text="USD, unrounded.")
    avg_response_time = serializers.FloatField(help_text="Seconds, over the calls that reported a time.")
    error_rate = serializers.FloatField(help_text="Percent of the calls.")
    limits = LimitsSerializer()
    provider_breakdown = serializers.DictField(
        child=ProviderFiguresSerializer(),
        help_text="Every provider we meter. metaphor and exa are one provider under two names.",
    )
    alerts = AlertSerializer(
        many=True, help_text=f"Of this billing period, the unread first, then the newest; up to {MAX_ALERTS}."
    )
    usage_percentages = serializers.DictField(
        child=serializers.FloatField(),
        help_text="Percent of each provider's calls limit (<provider>_calls) and of the cost limit (cost); 0 "
        "where there is nothing to draw.",
    )
    last_updated = serializers.DateTimeField()


class UsageStatsView(APIView):
    """An account's usage in one billing period."""

    @extend_schema(
        operation_id="usage_stats",
        tags=["Usage"],
        parameters=[UsageStatsQuery],
        responses=UsageStatsSerializer,
    )
    def get(self, request: Request, user_id: str) -> Response:
        at = timezone.now()
        query = read_query(UsageStatsQuery, request)
        account = account_read(request, user_id)
        stats = usage_stats(account, month=query.get("billing_period"), at=at)
        return Response(UsageStatsSerializer(stats).data)


def usage_stats(account: Account, *, month: tuple[int, int] | None, at: datetime) -> dict[str, Any]:
    """The fields of `UsageStatsSerializer` for the period that starts in `month`, or is open at `at`.

    A month in which no period starts is answered with zeros, and so is an account without any period.
    """
    if month is None:
        period = queries.period_at(account, at=at)
        start = period.period_start if period else at
    else:
        period = queries.period_named(account, year=month[0], month=month[1])
        start = datetime(*month, 1, tzinfo=UTC)
    return period_stats(account, period=period, start=start, at=at)


def period_stats(
    account: Account, *, period: BillingPeriod | None, start: datetime, at: datetime
) -> dict[str, Any]:
    """The same for a `period` that is known; without one, zeros and the calendar month of `start`."""
    billed = queries.period_by_provider(account, period=period) if period else {}
    updated_at = queries.period_updated_at(account, period=period) if period else None
    return {
        "billing_period": f"{start:%Y-%m}",
        "last_updated": updated_at or at,
        "alerts": alerts_of(account, period=period, at=start),
        **usage_fields(billed),
        **_standing(billed, terms=terms_of(account), limits=limits_of(account, at=at)),
    }


def usage_fields(billed: Mapping[str, Totals]) -> dict[str, Any]:
    """What was used of each provider, and in all."""
    total = queries.sum_of(billed.values())
    return {
        "total_calls": total.calls,
        "total_tokens": total.tokens,
        "total_cost": total.cost,
        "avg_response_time": total.average_response_s,
        "error_rate": total.error_rate,
        "provider_breakdown": under_known_names(billed, missing=NOTHING),
    }


def _standing(billed: Mapping[str, Totals], *, terms: Terms, limits: LimitAmounts) -> dict[str, Any]:
    percentages = usage_percentages(billed, limits=limits)
    return {
        "limits": {
            "plan_name": terms.plan_name,
            "tier": terms.tier,
            "features": terms.features,
            **bars(limits),
        },
        "usage_percentages": percentages,
        "usage_status": usage_status(percentages),
    }


def usage_percentages(billed: Mapping[str, Totals], *, limits: LimitAmounts) -> dict[str, Decimal]:
    """Percent used of each provider's calls limit and of the cost limit; 0 where nothing is capped."""
    calls = {
        f"{provider}_calls": _percent(totals.calls, limits.get(f"{provider}_calls"))
        for provider, totals in under_known_names(billed, missing=NOTHING).items()
    }
    return {**calls, "cost": _percent(queries.sum_of(billed.values()).cost, limits.get("monthly_cost"))}


def usage_status(percentages: Mapping[str, Decimal]) -> Literal["active", "warning", "limit_reached"]:
    """How far the fullest limit is: a warning from 80 percent, reached from 100."""
    fullest = max(percentages.values())
    if fullest >= REACHED_PERCENT:
        return "limit_reached"
    return "warning" if fullest >= WARNING_PERCENT else "active"


def _percent(used: Decimal | int, limit: Decimal | None) -> Decimal:
    return 100 * used / limit if limit else ZERO
