"""GET /api/billing/audit: every call of the account, one by one, newest first, page after page."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage import browsing
from usage.api.amounts import CURRENCY, AmountField
from usage.api.caller import account_read
from usage.api.parameters import read_query
from usage.api.spans import SpanQuery, exact_span_of
from usage.browsing import Place, Question
from usage.models import Account, APIUsageLog

MAX_PAGE = 1000


class PlaceField(serializers.CharField):
    """The `next_cursor` of a page, read as the place it names."""

    default_error_messages = {"unknown": "Take it from the next_cursor of the page before."}

    def run_validation(self, data: Any = serializers.empty) -> Place:
        text = super().run_validation(data)
        try:
            return Place.parse(text)
        except ValueError:
            self.fail("unknown")


class AuditQuery(SpanQuery):
    cursor = PlaceField(required=False, help_text="The next_cursor of the page before.")
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=100)


class AuditedCallSerializer(serializers.Serializer[Any]):
    timestamp = serializers.DateTimeField(help_text="When the call happened.")
    user_id = serializers.CharField(help_text="The account's.")
    end_user = serializers.CharField(help_text="Whose call it was, as its event told; else empty.")
    endpoint = serializers.CharField()
    model = serializers.CharField(help_text="Its name in the price book; empty for calls without a model.")
    cost = AmountField(help_text="As it was rated, unrounded.")
    currency = serializers.ChoiceField(choices=[CURRENCY])
    tokens = serializers.IntegerField(help_text="Input and output.")
    request_id = serializers.CharField(help_text="The id it was reported under.")


class AuditSerializer(serializers.Serializer[Any]):
    audit_trail = AuditedCallSerializer(many=True, help_text="Newest first.")
    next_cursor = serializers.CharField(allow_null=True, help_text="Of the page that follows; null: none.")


class AuditView(APIView):
    """The log of the account's calls that happened in `from` (included) to `to` (not included).

    A page costs the same however deep it is. Months that were dropped from the log for their age are missing.
    """

    @extend_schema(
        operation_id="billing_audit",
        tags=["Costs"],
        parameters=[AuditQuery],
        responses=AuditSerializer,
    )
    def get(self, request: Request) -> Response:
        at = timezone.now()
        query = read_query(AuditQuery, request)
        account = account_read(request, query.get("user_id"))
        start, end = exact_span_of(start=query.get("from"), end=query.get("to", at))
        question = Question(account=account, start=start, end=end, before=query.get("cursor"))
        page = browsing.page(question, limit=query["limit"])
        told = {
            "audit_trail": [_fields(row, account) for row in page.rows],
            "next_cursor": None if page.older is None else str(page.older),
        }
        return Response(AuditSerializer(told).data)


def _fields(row: APIUsageLog, account: Account) -> dict[str, Any]:
    return {
        "timestamp": row.occurred_at,
        "user_id": account.external_id,
        "end_user": row.end_user,
        "endpoint": row.endpoint,
        "model": row.model,
        "cost": row.cost,
        "currency": CURRENCY,
        "tokens": (row.input_tokens or 0) + (row.output_tokens or 0),
        "request_id": row.event_id,
    }
