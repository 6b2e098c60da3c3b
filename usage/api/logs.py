"""GET /api/subscription/usage-logs: the calls themselves, newest first. Reading changes nothing."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from usage import queries
from usage.api.amounts import NumberField
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, MonthField, ProviderField, read_query
from usage.models import Account, APIUsageLog, BillingPeriod
from usage.queries import MAX_LOG_OFFSET, LogPage

MAX_PAGE = 1000
FIRST_ERROR_STATUS = 400


class LogsQuery(AccountQuery):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=50)
    offset = serializers.IntegerField(min_value=0, max_value=MAX_LOG_OFFSET, default=0)
    provider = ProviderField(required=False, help_text="Only this provider, under any of its names.")
    status_code = serializers.IntegerField(
        min_value=100, max_value=599, required=False, help_text="Only calls answered with this status."
    )
    billing_period = MonthField(
        required=False, help_text="Only what the billing period starting in this month bills (YYYY-MM)."
    )


class OptionalCount(serializers.IntegerField):
    """0 where the call had no such quantity."""

    def get_attribute(self, instance: APIUsageLog) -> int:
        return super().get_attribute(instance) or 0


class LogSerializer(serializers.Serializer[APIUsageLog]):
    id = serializers.IntegerField()
    timestamp = serializers.DateTimeField(source="occurred_at")
    provider = serializers.CharField()
    actual_provider_name = serializers.SerializerMethodField(help_text="The provider's name as it was sent.")
    model_used = serializers.SerializerMethodField(help_text="The model's name as it was sent.")
    endpoint = serializers.CharField()
    method = serializers.CharField()
    tokens_input = OptionalCount(source="input_tokens")
    tokens_output = OptionalCount(source="output_tokens")
    tokens_total = serializers.SerializerMethodField()
    cost_input = NumberField()
    cost_output = NumberField()
    cost_total = NumberField(source="cost", help_text="Also holds what requests, searches, images … cost.")
    response_time = serializers.SerializerMethodField(help_text="Seconds; 0 when it was not reported.")
    status_code = serializers.IntegerField()
    status = serializers.SerializerMethodField()
    error_message = serializers.SerializerMethodField()
    billing_period = serializers.SerializerMethodField(
        help_text="The month in which the billing period that bills the call starts (YYYY-MM)."
    )
    retry_count = serializers.IntegerField()

    def get_actual_provider_name(self, row: APIUsageLog) -> str | None:
        return row.provider_name or None

    def get_model_used(self, row: APIUsageLog) -> str | None:
        return row.model_used or None

    def get_tokens_total(self, row: APIUsageLog) -> int:
        return (row.input_tokens or 0) + (row.output_tokens or 0)

    def get_response_time(self, row: APIUsageLog) -> float:
        return (row.response_time_ms or 0) / 1000

    @extend_schema_field({"type": "string", "enum": ["success", "failed"]})
    def get_status(self, row: APIUsageLog) -> str:
        return "failed" if row.status_code >= FIRST_ERROR_STATUS else "success"

    def get_error_message(self, row: APIUsageLog) -> str | None:
        return row.error_message or None

    def get_billing_period(self, row: APIUsageLog) -> str:
        return f"{row.billing_period.period_start:%Y-%m}"


class LogPageSerializer(serializers.Serializer[Any]):
    logs = LogSerializer(many=True)
    total_count = serializers.IntegerField(
        help_text=f"Of all pages; counted up to {MAX_LOG_OFFSET:,} when status_code filters."
    )
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()
    has_more = serializers.BooleanField()


class UsageLogsView(APIView):
    """The account's metered calls, newest first."""

    # These clients expect the page itself, without the envelope of their other calls.
    bare = True

    @extend_schema(
        operation_id="usage_logs", tags=["Usage"], parameters=[LogsQuery], responses=LogPageSerializer
    )
    def get(self, request: Request) -> Response:
        query = read_query(LogsQuery, request)
        account = account_read(request, query.get("user_id"))
        page = _page(account, query)
        return Response(
            LogPageSerializer(
                {
                    "logs": page.rows,
                    "total_count": page.total_count,
                    "limit": query["limit"],
                    "offset": query["offset"],
                    "has_more": page.has_more,
                }
            ).data
        )


def _page(account: Account, query: dict[str, Any]) -> LogPage:
    period: BillingPeriod | None = None
    if "billing_period" in query:
        year, month = query["billing_period"]
        period = queries.period_named(account, year=year, month=month)
        if period is None:
            return LogPage(rows=[], total_count=0, has_more=False)
    return queries.log_rows(
        account,
        limit=query["limit"],
        offset=query["offset"],
        provider=query.get("provider"),
        status_code=query.get("status_code"),
        period=period,
    )
