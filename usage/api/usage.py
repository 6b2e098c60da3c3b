"""GET /api/usage/current: the account's open billing period, amounts as decimal strings."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage import analytics, queries
from usage.analytics import Dimension, Selection
from usage.api.amounts import CURRENCY, TotalsSerializer
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, read_query
from usage.models import Account, BillingPeriod
from usage.queries import Group


class PeriodSerializer(serializers.Serializer[BillingPeriod]):
    """Half-open: `end` is the first instant that no longer belongs to it."""

    name = serializers.SerializerMethodField(help_text="The month it starts in, YYYY-MM.")
    start = serializers.DateTimeField(source="period_start")
    end = serializers.DateTimeField(source="period_end")

    def get_name(self, period: BillingPeriod) -> str:
        return f"{period.period_start:%Y-%m}"


class ProviderUsageSerializer(serializers.Serializer[Group]):
    provider = serializers.CharField(source="key")
    totals = TotalsSerializer()


class ModelUsageSerializer(serializers.Serializer[Group]):
    model = serializers.CharField(
        source="key", help_text="provider/model; the provider alone for calls without a model."
    )
    totals = TotalsSerializer()


class CurrentUsageSerializer(serializers.Serializer[Any]):
    account = serializers.CharField(help_text="Its user_id.")
    as_of = serializers.DateTimeField()
    currency = serializers.ChoiceField(choices=[CURRENCY])
    period = PeriodSerializer(
        allow_null=True, help_text="The open billing period; null until its first usage opens one."
    )
    totals = TotalsSerializer(help_text="Everything the period bills, late usage included.")
    by_provider = ProviderUsageSerializer(many=True, help_text="The parts of `totals`, highest cost first.")
    by_model = ModelUsageSerializer(
        many=True,
        help_text="Calls that happened within the period, highest cost first. Usage reported late is billed "
        "in the open period but stands here at its own time, so the sum may differ from `totals`.",
    )
    today = TotalsSerializer(help_text="Calls that happened since midnight UTC.")


class CurrentUsageView(APIView):
    """The open billing period: totals, by provider, by model, and today."""

    @extend_schema(
        operation_id="usage_current",
        tags=["Usage"],
        parameters=[AccountQuery],
        responses=CurrentUsageSerializer,
    )
    def get(self, request: Request) -> Response:
        at = timezone.now()
        query = read_query(AccountQuery, request)
        account = account_read(request, query.get("user_id"))
        return Response(CurrentUsageSerializer(current_usage(account, at=at)).data)


def current_usage(account: Account, *, at: datetime) -> dict[str, Any]:
    """The fields of `CurrentUsageSerializer` at the instant `at`."""
    period = queries.period_at(account, at=at)
    billed = queries.period_by_provider(account, period=period) if period else {}
    midnight = queries.start_of(at, interval="day")
    return {
        "account": account.external_id,
        "as_of": at,
        "currency": CURRENCY,
        "period": period,
        "totals": queries.sum_of(billed.values()),
        "by_provider": [Group(key=provider, totals=totals) for provider, totals in billed.items()],
        "by_model": _models(account, period) if period else [],
        "today": analytics.totals(
            Selection(account=account, start=midnight, end=midnight + timedelta(days=1))
        ),
    }


def _models(account: Account, period: BillingPeriod) -> Sequence[Group]:
    # A period may begin within an hour; hours are the finest there is to tell models apart.
    first_hour = queries.start_of(period.period_start, interval="hour")
    selection = Selection(account=account, start=first_hour, end=period.period_end)
    return analytics.grouped(selection, by=Dimension.MODEL).groups
