"""Rows of recorded usage and of the price book, put straight into their tables for tests of reading."""

import hashlib
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tests.support.cast import NOW
from usage.models import (
    Account,
    APIProviderPricing,
    APIUsageLog,
    BillingPeriod,
    PriceSource,
    UsageDayRollup,
    UsageRollup,
    UsageSummary,
)

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
TODAY = NOW.date()
MORE_DIMENSIONS = ("endpoint", "request_type", "project", "department", "end_user")


def a_period(account: Account, *, start: datetime = MARCH, end: datetime = APRIL) -> BillingPeriod:
    return BillingPeriod.objects.create(account=account, period_start=start, period_end=end)


def a_summary(
    period: BillingPeriod, *, provider: str = "openai", updated_at: datetime = NOW, **totals: Any
) -> UsageSummary:
    """One call unless `totals` say otherwise."""
    return UsageSummary.objects.create(
        account=period.account,
        billing_period=period,
        provider=provider,
        updated_at=updated_at,
        **_amounts(totals),
    )


def a_rollup(
    account: Account,
    *,
    hour: datetime = NOW,
    provider: str = "openai",
    model: str = "gpt-4o",
    team: str = "",
    **columns: Any,
) -> UsageRollup:
    """One call unless `columns` say otherwise: totals, and dimensions besides those named above."""
    more = {name: columns.pop(name) for name in MORE_DIMENSIONS if name in columns}
    dimensions = "\x1f".join((provider, model, team, *(f"{name}={value}" for name, value in more.items())))
    return UsageRollup.objects.create(
        account=account,
        hour=hour,
        dimensions_hash=uuid.UUID(hashlib.md5(dimensions.encode(), usedforsecurity=False).hexdigest()),
        provider=provider,
        model=model,
        team=team,
        **more,
        **_amounts(columns),
    )


def a_day(account: Account, *, day: date = TODAY, model: str = "gpt-4o", **totals: Any) -> UsageDayRollup:
    """One call on that day unless `totals` say otherwise."""
    return UsageDayRollup.objects.create(
        account=account,
        day=day,
        dimensions_hash=uuid.uuid5(uuid.NAMESPACE_DNS, model),
        provider="openai",
        model=model,
        **_amounts(totals),
    )


def a_log_row(
    period: BillingPeriod, *, event_id: str = "e1", at: datetime = NOW, **columns: Any
) -> APIUsageLog:
    """A successful gpt-4o call of 1000 input and 100 output tokens unless `columns` say otherwise."""
    usual: dict[str, Any] = {
        "provider": "openai",
        "provider_name": "openai",
        "model": "gpt-4o",
        "model_used": "gpt-4o-2024-08-06",
        "endpoint": "/v1/chat/completions",
        "method": "POST",
        "input_tokens": 1000,
        "output_tokens": 100,
        "response_time_ms": 1500,
        "status_code": 200,
        "retry_count": 0,
        "cost_input": Decimal("0.0025"),
        "cost_output": Decimal("0.001"),
        "cost": Decimal("0.0035"),
        "cost_source": "local",
        "recorded_at": at,
    }
    return APIUsageLog.objects.create(
        account=period.account,
        billing_period=period,
        event_id=event_id,
        source="tests",
        occurred_at=at,
        **{**usual, **columns},
    )


def a_price(
    model: str = "gpt-4o",
    *,
    provider: str = "openai",
    since: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    **prices: str,
) -> APIProviderPricing:
    """gpt-4o's token prices unless `prices` say otherwise."""
    usual = {"cost_per_input_token": "0.0000025", "cost_per_output_token": "0.00001"}
    return APIProviderPricing.objects.create(
        provider=provider,
        model_name=model,
        effective_from=since,
        source=PriceSource.CATALOG,
        **{name: Decimal(amount) for name, amount in (prices or usual).items()},
    )


def _amounts(totals: dict[str, Any]) -> dict[str, Any]:
    amounts = {"calls": 1, **totals}
    return {name: Decimal(amount) if isinstance(amount, str) else amount for name, amount in amounts.items()}
