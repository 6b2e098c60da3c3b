"""GET /api/usage/history: the account's usage over time, amounts as decimal strings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
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
from usage.api.parameters import AccountQuery, InstantField, read_query
from usage.core.errors import InvalidRequest
from usage.models import Account
from usage.queries import Interval

# A month of hours, or well over two years of days.
MAX_SLICES = 1000
USUAL_SLICES: Mapping[Interval, int] = {"hour": 24, "day": 30, "month": 12}

Field = serializers.Field[Any, Any, Any, Any]


class HistoryQuery(AccountQuery):
    interval = serializers.ChoiceField(
        choices=list(USUAL_SLICES),
        default="day",
        error_messages={"invalid_choice": "Choose one of " + ", ".join(USUAL_SLICES) + "."},
    )
    to = InstantField(required=False, help_text="Where the history ends, itself not included; default: now.")

    def get_fields(self) -> dict[str, Field]:
        # Its name is a keyword of Python and cannot be declared above.
        start = InstantField(
            required=False,
            help_text="Where the history begins; default: 24 hours, 30 days or 12 months before its end.",
        )
        return {"from": start, **super().get_fields()}


class SliceSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    totals = BriefTotalsSerializer()
    by_provider = serializers.DictField(
        source="groups",
        child=BriefTotalsSerializer(),
        help_text="Only providers that were used, highest cost first.",
    )


class HistorySerializer(serializers.Serializer[Any]):
    account = serializers.CharField(help_text="Its user_id.")
    currency = serializers.ChoiceField(choices=[CURRENCY])
    interval = serializers.ChoiceField(choices=list(USUAL_SLICES))
    totals = TotalsSerializer(help_text="All slices together.")
    slices = SliceSerializer(many=True, help_text="Oldest first, none left out: unused ones are zeros.")

    def get_fields(self) -> dict[str, Field]:
        span = {
            "from": serializers.DateTimeField(source="start", help_text="Where the first slice begins."),
            "to": serializers.DateTimeField(source="end", help_text="Where the last slice ends."),
        }
        return {**span, **super().get_fields()}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Whole intervals, at most MAX_SLICES of them, in [start, end)."""

    interval: Interval
    start: datetime
    end: datetime


def span_of(*, interval: Interval, start: datetime | None, end: datetime) -> Span:
    """[start, end) widened to whole intervals; without `start`, the interval's usual number of them.

    Raises InvalidRequest when nothing lies between, or more than MAX_SLICES intervals do.
    """
    whole_end = queries.start_of(end, interval=interval)
    if whole_end < end:
        whole_end = queries.next_start(whole_end, interval=interval)
    if start is None:
        usual = queries.earlier_start(whole_end, by=USUAL_SLICES[interval], interval=interval)
        return Span(interval=interval, start=usual, end=whole_end)
    if start >= end:
        raise _wrong_start("from: Choose an instant before to, which is now unless it is given.")
    span = Span(interval=interval, start=queries.start_of(start, interval=interval), end=whole_end)
    beginnings = queries.starts(start=span.start, end=span.end, interval=interval)
    if len(list(islice(beginnings, MAX_SLICES + 1))) > MAX_SLICES:
        raise _wrong_start(
            f"from: At most {MAX_SLICES} intervals may lie between from and to: "
            "shorten the span or choose a longer interval."
        )
    return span


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


def _wrong_start(message: str) -> InvalidRequest:
    wrong = {"parameter": "from", "code": "invalid", "message": message.removeprefix("from: ")}
    return InvalidRequest(message, details={"errors": [wrong]})
