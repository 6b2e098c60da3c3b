"""GET /api/usage/history: the account's usage over time, amounts as decimal strings."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage import analytics, queries
from usage.analytics import Dimension, Selection
from usage.api.amounts import CURRENCY, BriefTotalsSerializer, TotalsSerializer
from usage.api.caller import account_read
from usage.api.parameters import read_query
from usage.api.spans import USUAL_SLICES, Span, SpanQuery, SpanSerializer, span_of
from usage.models import Account


class HistoryQuery(SpanQuery):
    interval = serializers.ChoiceField(
        choices=list(USUAL_SLICES),
        default="day",
        error_messages={"invalid_choice": "Choose one of " + ", ".join(USUAL_SLICES) + "."},
    )


class SliceSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    totals = BriefTotalsSerializer()
    by_provider = serializers.DictField(
        source="groups",
        child=BriefTotalsSerializer(),
        help_text="Only providers that were used, highest cost first.",
    )


class HistorySerializer(SpanSerializer):
    account = serializers.CharField(help_text="Its user_id.")
    currency = serializers.ChoiceField(choices=[CURRENCY])
    interval = serializers.ChoiceField(choices=list(USUAL_SLICES))
    totals = TotalsSerializer(help_text="All slices together.")
    slices = SliceSerializer(many=True, help_text="Oldest first, none left out: unused ones are zeros.")


class HistoryView(APIView):
    """Usage over time, by the time the calls happened, in whole UTC intervals.

    `from` and `to` are widened to whole intervals, and the answer says to which. At most 1000 slices.
    """

    @extend_schema(
        operation_id="usage_history", tags=["Usage"], parameters=[HistoryQuery], responses=HistorySerializer
    )
    def get(self, request: Request) -> Response:
        at = timezone.now()
        query = read_query(HistoryQuery, request)
        account = account_read(request, query.get("user_id"))
        span = span_of(interval=query["interval"], start=query.get("from"), end=query.get("to", at))
        return Response(HistorySerializer(history(account, span=span)).data)


def history(account: Account, *, span: Span) -> dict[str, Any]:
    """The fields of `HistorySerializer`."""
    selection = Selection(account=account, start=span.start, end=span.end)
    slices = analytics.grouped_over_time(selection, interval=span.interval, by=Dimension.PROVIDER)
    return {
        "account": account.external_id,
        "currency": CURRENCY,
        "interval": span.interval,
        "start": span.start,
        "end": span.end,
        "totals": queries.sum_of(piece.totals for piece in slices),
        "slices": slices,
    }
