"""Totals by the day and month: of one account, and of many, for PostgreSQL to plan as it does for many."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

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
from usage.models.totals import RollupColumns, TotalColumns

PERIOD = timedelta(days=30)
TABLES = (
    "billing_periods",
    "usage_day_rollups",
    "usage_month_rollups",
    "usage_roll_up_marks",
    "usage_rollups",
    "usage_summaries",
)

TOTALS = """
INSERT INTO {table} (
    account_id, {column}, dimensions_hash, provider, model, endpoint, request_type, team, project,
    department, end_user, {totals}
)
SELECT account, at, md5('')::uuid, 'openai', 'gpt-4o', '', '', '', '', '', '', {amounts}
FROM unnest(%(accounts)s) AS account, unnest(%(times)s) AS at
"""


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
    instants = [until - timedelta(days=number + 1) for number in range(days)]
    _totals(UsageRollup, others, "hour", instants)
    _totals(UsageDayRollup, others, "day", [instant.date() for instant in instants])
    _totals(UsageMonthRollup, others, "month", sorted({each.date().replace(day=1) for each in instants}))
    _periods(others, periods=days // PERIOD.days, until=until)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(TABLES)}")


def _totals(model: type[RollupColumns], accounts: list[Account], column: str, times: Sequence[date]) -> None:
    """A row of one kind of call for each account and time, made by the server: they are tens of thousands."""
    totals = [field.column for field in TotalColumns._meta.fields]
    amounts = ["1" if name in ("calls", "cost") else "0" for name in totals]
    rows = TOTALS.format(
        table=model._meta.db_table, column=column, totals=", ".join(totals), amounts=", ".join(amounts)
    )
    with connection.cursor() as cursor:
        cursor.execute(rows, {"accounts": [account.pk for account in accounts], "times": list(times)})


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
