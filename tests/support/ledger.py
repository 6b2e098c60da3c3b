"""Reading back what was recorded, straight from the tables."""

from decimal import Decimal

from django.db import connection

from usage.models import APIUsageLog, EventKey, UsageRollup, UsageSummary


def log_totals() -> tuple[int, int, int, Decimal]:
    """Rows, input tokens, output tokens and cost of the whole log."""
    return _totals("api_usage_logs", "count(*)")


def summary_totals() -> tuple[int, int, int, Decimal]:
    return _totals("usage_summaries", "sum(calls)")


def rollup_totals() -> tuple[int, int, int, Decimal]:
    return _totals("usage_rollups", "sum(calls)")


def day_totals() -> tuple[int, int, int, Decimal]:
    return _totals("usage_day_rollups", "sum(calls)")


def month_totals() -> tuple[int, int, int, Decimal]:
    return _totals("usage_month_rollups", "sum(calls)")


def assert_everything_is_rolled_up() -> None:
    assert month_totals() == day_totals() == rollup_totals() == log_totals()


def assert_totals_equal_the_log() -> None:
    assert summary_totals() == rollup_totals() == log_totals()


def assert_nothing_recorded() -> None:
    for table in (APIUsageLog, EventKey, UsageSummary, UsageRollup):
        assert not table.objects.exists(), table.__name__


def _totals(table: str, calls: str) -> tuple[int, int, int, Decimal]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {calls}, sum(input_tokens), sum(output_tokens), sum(cost) FROM {table}"  # noqa: S608
        )
        calls_, *rest = cursor.fetchone()
    return (calls_ or 0, *(value or 0 for value in rest))  # type: ignore[return-value]
