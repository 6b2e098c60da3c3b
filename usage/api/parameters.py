"""Query parameters: declared once as a serializer, for reading them and for the OpenAPI schema alike."""

from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from usage.core.errors import InvalidRequest
from usage.providers import find

# Instants beyond these are a mistake in the request, and months near a calendar's end cannot be counted on.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
MONTH_PATTERN = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"


class InstantField(serializers.DateTimeField):
    """An ISO 8601 instant; without an offset it is UTC, a bare date is its midnight."""

    default_error_messages = {
        "invalid": "Write an ISO 8601 instant such as 2026-03-15T12:00:00Z, or a date such as 2026-03-15.",
        "out_of_range": "Choose an instant in the years 2000 to 2099.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        instant = super().to_internal_value(value)
        if not EARLIEST <= instant < LATEST:
            self.fail("out_of_range")
        return instant.astimezone(UTC)


class MonthField(serializers.RegexField):
    """A calendar month written YYYY-MM, read as (year, month)."""

    default_error_messages = {"invalid": "Write a month as YYYY-MM, such as 2026-03."}

    def __init__(self, **options: Any) -> None:
        super().__init__(MONTH_PATTERN, **options)

    def run_validation(self, data: Any = serializers.empty) -> tuple[int, int] | None:
        month = super().run_validation(data)
        return None if month is None else (int(month[:4]), int(month[5:]))


class ProviderField(serializers.CharField):
    """A provider under any of its names, read as our key for it; a name we do not know stays as it is."""

    def to_internal_value(self, value: Any) -> str:
        name: str = super().to_internal_value(value)
        provider = find(name)
        return name if provider is None else provider.key


class AccountQuery(serializers.Serializer[Any]):
    """The account is the credential's own, unless that reaches every account and names one."""

    user_id = serializers.CharField(
        required=False, help_text="Another account's id; for staff and service keys, which reach all of them."
    )


def read_query(declared: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The query parameters of `request` as `declared` reads them.

    Raises InvalidRequest whose message names the first wrong parameter and whose details name all of them.
    """
    parameters = declared(data=request.query_params)
    if parameters.is_valid():
        values: dict[str, Any] = parameters.validated_data
        return values
    wrong = [
        {"parameter": name, "code": reason.code, "message": str(reason)}
        for name, reasons in parameters.errors.items()
        for reason in reasons
    ]
    raise InvalidRequest(f"{wrong[0]['parameter']}: {wrong[0]['message']}", details={"errors": wrong})
