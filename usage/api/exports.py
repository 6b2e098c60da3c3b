"""GET /api/usage/export and /api/usage/calls.csv: usage as files, sent while they are made."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, get_args

from django.conf import settings
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.settings import DEFAULTS, APISettings, api_settings
from rest_framework.views import APIView

from usage import exports, focus
from usage.analytics import LONGEST_KEY, Dimension, Selection
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, InstantField, ProviderField, read_query
from usage.api.spans import span_of
from usage.browsing import DEFAULT_DAYS, Question
from usage.core.errors import InvalidRequest
from usage.exports import MAX_CALL_DAYS
from usage.models import Account
from usage.queries import Interval

INTERVALS = get_args(Interval)
DIMENSIONS = [dimension.value for dimension in Dimension]
CSV = "csv"
FOCUS = "focus"
OK, FAILED = "ok", "failed"

Field = serializers.Field[Any, Any, Any, Any]


def _one_of(choices: list[str], **options: Any) -> serializers.ChoiceField:
    sentence = f"Choose one of {', '.join(choices)}."
    return serializers.ChoiceField(choices=choices, error_messages={"invalid_choice": sentence}, **options)


def _picked(help_text: str) -> serializers.CharField:
    """A filter; one that is there and empty picks calls that do not tell."""
    return serializers.CharField(
        max_length=LONGEST_KEY, required=False, allow_blank=True, help_text=help_text
    )


class FilteredQuery(AccountQuery):
    """What both files are narrowed by; a name that is given without a value picks calls that do not tell."""

    to = InstantField(required=False, help_text="Where the file ends, itself not included; default: now.")
    provider = ProviderField(required=False, help_text="Only this provider, under any of its names.")
    endpoint = _picked("Only calls of this endpoint, as it was sent.")
    request_type = _picked("Only calls of this request type.")
    team = _picked("Only calls of this team.")
    project = _picked("Only calls of this project.")
    department = _picked("Only calls of this department.")
    member = _picked("Only calls of this end user.")


class ExportQuery(FilteredQuery):
    interval = _one_of(list(INTERVALS), default="day", help_text="Of format csv; focus is by the day.")
    group_by = _one_of(DIMENSIONS, default="provider", help_text="Of format csv; focus has every dimension.")
    model = _picked('Only this model, as "provider/model".')

    def get_fields(self) -> dict[str, Field]:
        # Their names are a keyword of Python and a parameter of DRF's, and cannot be declared above.
        start = InstantField(
            required=False,
            help_text="Where the file begins; default: 24 hours, 30 days or 12 months before its end.",
        )
        form = _one_of([CSV, FOCUS], default=CSV, help_text="Totals, or charges in the FOCUS 1.2 format.")
        return {"format": form, "from": start, **super().get_fields()}


class CallsQuery(FilteredQuery):
    model = _picked("Only this model, under its name in the price book or as it was sent.")
    status = _one_of([OK, FAILED], required=False, help_text="Only calls that succeeded, or failed.")
    event = _picked("Only calls whose event or authorization has this id.")

    def get_fields(self) -> dict[str, Field]:
        start = InstantField(
            required=False, help_text=f"Where the file begins; default: {DEFAULT_DAYS} days before its end."
        )
        return {"from": start, **super().get_fields()}


class CsvRenderer(BaseRenderer):
    """Lets clients ask for what these views answer with; the files are responses already."""

    media_type = "text/csv"
    format = "csv"


class ByAccept(DefaultContentNegotiation):
    """Goes by the Accept header alone: the parameter `format` is these views' own."""

    settings = APISettings({"URL_FORMAT_OVERRIDE": None}, DEFAULTS)  # type: ignore[assignment, arg-type]


def _file(description: str) -> dict[tuple[int, str], OpenApiResponse]:
    return {(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description=description)}


class CsvView(APIView):
    content_negotiation_class = ByAccept
    renderer_classes = [*api_settings.DEFAULT_RENDERER_CLASSES, CsvRenderer]  # type: ignore[list-item]

    def answer(self, lines: Iterator[bytes]) -> StreamingHttpResponse:
        return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")


class ExportView(CsvView):
    """Usage as a CSV file: totals by interval and dimension, or daily charges in the FOCUS 1.2 format.

    `from` and `to` are widened to whole intervals, at most 1000 of them. The file is made while it is sent.
    """

    @extend_schema(
        operation_id="usage_export",
        tags=["Usage"],
        parameters=[ExportQuery],
        responses=_file("A line for each interval and key that was used, or for each charge; oldest first."),
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        at = timezone.now()
        query = read_query(ExportQuery, request)
        account = account_read(request, query.get("user_id"))
        interval: Interval = "day" if query["format"] == FOCUS else query["interval"]
        span = span_of(interval=interval, start=query.get("from"), end=query.get("to", at))
        picked = {dimension: query[dimension.value] for dimension in Dimension if dimension.value in query}
        selection = Selection(account=account, start=span.start, end=span.end, only=picked)
        if query["format"] == FOCUS:
            return self.answer(focus.focus_csv(selection, seller=str(settings.INVOICE_SELLER["name"])))
        by = Dimension(query["group_by"])
        return self.answer(exports.usage_csv(selection, interval=interval, by=by))


class CallsCsvView(CsvView):
    """The account's calls as a CSV file, newest first, at most 92 days of them; made while it is sent."""

    @extend_schema(
        operation_id="usage_calls",
        tags=["Usage"],
        parameters=[CallsQuery],
        responses=_file("A line for each call: its quantities, cost and tags."),
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        at = timezone.now()
        query = read_query(CallsQuery, request)
        account = account_read(request, query.get("user_id"))
        return self.answer(exports.calls_csv(_question(account, query, at=at)))


def _question(account: Account, query: dict[str, Any], *, at: datetime) -> Question:
    # A sender's clock may run ahead of ours.
    end = query.get("to", at + settings.INGEST_MAX_CLOCK_SKEW)
    start = query.get("from", end - timedelta(days=DEFAULT_DAYS))
    if not start < end <= start + timedelta(days=MAX_CALL_DAYS):
        sentence = f"Choose an instant before to, and at most {MAX_CALL_DAYS} days before it."
        wrong = {"parameter": "from", "code": "invalid", "message": sentence}
        raise InvalidRequest(f"from: {sentence}", details={"errors": [wrong]})
    may_be_untold = ("request_type", "endpoint", "team", "project", "department", "member")
    return Question(
        account=account,
        start=start,
        end=end,
        failed={OK: False, FAILED: True}.get(query.get("status", "")),
        name=query.get("event", ""),
        untold=frozenset(name for name in may_be_untold if query.get(name) == ""),
        **{name: query.get(name, "") for name in ("provider", "model", *may_be_untold)},
    )
