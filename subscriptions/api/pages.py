"""Pages of rows, newest first: how they are asked for, and how they are told."""

from collections.abc import Callable, Mapping
from typing import Any

from rest_framework import serializers

from subscriptions.invoice_queries import Page, Row
from subscriptions.queries import MAX_OFFSET
from usage.api.parameters import AccountQuery

MAX_PAGE = 100


class PageQuery(AccountQuery):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=50)
    offset = serializers.IntegerField(min_value=0, max_value=MAX_OFFSET, default=0)


class PageSerializer(serializers.Serializer[Any]):
    """What every page tells besides its rows."""

    total_count = serializers.IntegerField(help_text="Of all pages.")
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()
    has_more = serializers.BooleanField()


def page_fields(
    page: Page[Row], query: Mapping[str, Any], *, rows: str, fields: Callable[[Row], dict[str, Any]]
) -> dict[str, Any]:
    """The fields of `PageSerializer`, and under the name `rows` the fields of each row."""
    return {
        rows: [fields(row) for row in page.rows],
        "total_count": page.total_count,
        "limit": query["limit"],
        "offset": query["offset"],
        "has_more": page.has_more,
    }
