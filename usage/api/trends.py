"""GET /api/subscription/usage/{user_id}/trends: the last calendar months, side by side."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage import analytics, queries
from usage.analytics import Dimension, GroupedSlice, Selection
from usage.api.amounts import NumberField
from usage.api.caller import account_read
from usage.api.names import under_known_names
from usage.api.parameters import read_query
from usage.core.calendar import month_of
from usage.models import Account
from usage.queries import NOTHING, Totals

MAX_MONTHS = 24


class TrendsQuery(serializers.Serializer[Any]):
    months = serializers.IntegerField(
        min_value=1, max_value=MAX_MONTHS, default=6, help_text="How many months, the current one included."
    )


class ProviderTrendSerializer(serializers.Serializer[Any]):
    calls = serializers.ListField(child=serializers.IntegerField())
    cost = serializers.ListField(child=NumberField())
    tokens = serializers.ListField(child=serializers.IntegerField())


class TrendsSerializer(serializers.Serializer[Any]):
    """One entry a month in every list, oldest first; calls count in the UTC month they happened in."""

    periods = serializers.ListField(
        child=serializers.RegexField(r"^[0-9]{4}-[0-9]{2}$"), help_text="YYYY-MM, each month once."
    )
    total_calls = serializers.ListField(child=serializers.IntegerField())
    total_cost = serializers.ListField(child=NumberField())
    total_tokens = serializers.ListField(child=serializers.IntegerField())
    provider_trends = serializers.DictField(child=ProviderTrendSerializer())


class TrendsView(APIView):
    """Calls, tokens and cost of the last calendar months, the current one included."""

    @extend_schema(
        operation_id="usage_trends", tags=["Usage"], parameters=[TrendsQuery], responses=TrendsSerializer
    )
    def get(self, request: Request, user_id: str) -> Response:
        at = timezone.now()
        query = read_query(TrendsQuery, request)
        account = account_read(request, user_id)
        return Response(TrendsSerializer(trends(account, months=query["months"], at=at)).data)


def trends(account: Account, *, months: int, at: datetime) -> dict[str, Any]:
    """The fields of `TrendsSerializer` for the `months` calendar months up to the one that holds `at`."""
    current, end = month_of(at)
    start = queries.earlier_start(current, by=months - 1, interval="month")
    selection = Selection(account=account, start=start, end=end)
    slices = analytics.grouped_over_time(selection, interval="month", by=Dimension.PROVIDER)
    total = _lists([piece.totals for piece in slices])
    return {
        "periods": [f"{piece.start:%Y-%m}" for piece in slices],
        "total_calls": total["calls"],
        "total_cost": total["cost"],
        "total_tokens": total["tokens"],
        "provider_trends": _by_provider(slices),
    }


def _by_provider(slices: Sequence[GroupedSlice]) -> dict[str, dict[str, list[Any]]]:
    used = {provider for piece in slices for provider in piece.groups}
    found = {provider: _lists([piece.groups.get(provider, NOTHING) for piece in slices]) for provider in used}
    return under_known_names(found, missing=_lists([NOTHING] * len(slices)))


def _lists(months: Sequence[Totals]) -> dict[str, list[Any]]:
    return {
        "calls": [totals.calls for totals in months],
        "cost": [totals.cost for totals in months],
        "tokens": [totals.tokens for totals in months],
    }
