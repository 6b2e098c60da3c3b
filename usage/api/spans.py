"""From when to when an answer tells: as it is asked for, and widened to whole UTC intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from rest_framework import serializers

from usage import queries
from usage.api.parameters import AccountQuery, InstantField
from usage.core.errors import InvalidRequest
from usage.queries import Interval

# A month of hours, or well over two years of days.
MAX_SLICES = 1000
USUAL_SLICES: Mapping[Interval, int] = {"hour": 24, "day": 30, "month": 12}
USUAL_SPAN = timedelta(days=30)

Field = serializers.Field[Any, Any, Any, Any]


class SpanQuery(AccountQuery):
    to = InstantField(required=False, help_text="Where it ends, itself not included; default: now.")

    def get_fields(self) -> dict[str, Field]:
        # Its name is a keyword of Python and cannot be declared above.
        start = InstantField(
            required=False,
            help_text="Where it begins; default: 30 days before its end, of hours 24 and of months 12.",
        )
        return {"from": start, **super().get_fields()}


class SpanSerializer(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Field]:
        span = {
            "from": serializers.DateTimeField(source="start", help_text="Where the first interval begins."),
            "to": serializers.DateTimeField(source="end", help_text="Where the last interval ends."),
        }
        return {**span, **super().get_fields()}


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
    _check_order(start, end)
    span = Span(interval=interval, start=queries.start_of(start, interval=interval), end=whole_end)
    beginnings = queries.starts(start=span.start, end=span.end, interval=interval)
    if len(list(islice(beginnings, MAX_SLICES + 1))) > MAX_SLICES:
        raise _wrong_start(
            f"from: At most {MAX_SLICES} intervals may lie between from and to: "
            "shorten the span or choose a longer interval."
        )
    return span


def exact_span_of(*, start: datetime | None, end: datetime) -> tuple[datetime, datetime]:
    """[start, end) to the microsecond; without `start`, 30 days. Raises InvalidRequest for an empty one."""
    if start is None:
        return end - USUAL_SPAN, end
    _check_order(start, end)
    return start, end


def _check_order(start: datetime, end: datetime) -> None:
    if start >= end:
        raise _wrong_start("from: Choose an instant before to, which is now unless it is given.")


def _wrong_start(message: str) -> InvalidRequest:
    wrong = {"parameter": "from", "code": "invalid", "message": message.removeprefix("from: ")}
    return InvalidRequest(message, details={"errors": [wrong]})
