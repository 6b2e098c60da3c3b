"""Totals by the day and month: of one account, and of many, for PostgreSQL to plan as it does for many."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from tests.support.usage_rows import a_period, a_summary
from usage import rollups
from usage.models import (
    Account,
    BillingPeriod,
    RollUpMark,
    UsageDayRollup,
    UsageMonthRollup,
    UsageRollup,
    UsageSummary,
)

PERIOD = timedelta(days=30)
TABLES = (
    "billing_periods",
    "usage_day_rollups",
    "usage_month_rollups",
    "usage_roll_up_marks",
    "usage_rollups",
    "usage_summaries",
)


def roll_up(account: Account, *, at: datetime) -> None:
    """Sum the account's hours up: in a billing period (March 2026), in days and in months."""
    calls = UsageRollup.objects.filter(account=account).aggregate(calls=Sum("calls"))["calls"]
    a_summary(a_period(account), calls=calls)
    rollups.roll_up(at=at, limit=1_000, everything=True)


def fill(*, accounts: int, days: int, until: datetime) -> None:
    """Make the accounts other-0, other-1 …, each with one call of 1 USD on each of the days before `until`,
    rolled up, in billing periods of 30 days.
    """
    others = Account.objects.bulk_create(
        Account(external_id=f"other-{number}", name=f"Other {number}") for number in range(accounts)
    )
    # One kind of call: the rows differ by account and time.
    kinds: dict[str, Any] = {
        "dimensions_hash": UUID(int=1),
        "provider": "openai",
        "model": "gpt-4o",
        "calls": 1,
        "cost": 1,
    }
    instants = [until - timedelta(days=number + 1) for number in range(days)]
    months = {instant.date().replace(day=1) for instant in instants}
    UsageRollup.objects.bulk_create(
        UsageRollup(account=account, hour=instant, **kinds) for account in others for instant in instants
    )
    UsageDayRollup.objects.bulk_create(
        UsageDayRollup(account=account, day=instant.date(), **kinds)
        for account in others
        for instant in instants
    )
    UsageMonthRollup.objects.bulk_create(
        UsageMonthRollup(account=account, month=month, **kinds) for account in others for month in months
    )
    _periods(others, periods=days // PERIOD.days, until=until)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(TABLES)}")


def _periods(accounts: list[Account], *, periods: int, until: datetime) -> None:
    made = BillingPeriod.objects.bulk_create(
        BillingPeriod(
            account=account,
            period_start=until - (number + 1) * PERIOD,
            period_end=until - number * PERIOD,
            closed_at=until,
        )
        for account in accounts
        for number in range(periods)
    )
    counted = {"calls": PERIOD.days, "cost": PERIOD.days}
    UsageSummary.objects.bulk_create(
        UsageSummary(
            account_id=period.account_id,
            billing_period=period,
            provider="openai",
            updated_at=period.period_end,
            **counted,
        )
        for period in made
    )
    RollUpMark.objects.bulk_create(
        RollUpMark(
            account_id=period.account_id,
            billing_period=period,
            calls=PERIOD.days,
            rolled_up_at=period.period_end,
        )
        for period in made
    )
