"""Comparing summaries, rollups and the counters of limits with what they are derived from: the log, and the
open holds. And repairing them.

All are written in the transaction of the event, so a difference is a bug (or a hand in the database); nothing
here is part of normal operation. Days and months are rolled up from the hours a little later: what a day
lacks while its account is still to be rolled up is no difference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min

from usage import limit_counts, queries, retention, rollups
from usage.authorization import LOCK_ACCOUNT
from usage.core.calendar import month_of
from usage.core.money import format_amount
from usage.models import BillingPeriod, UsageLimit
from usage.totals import (
    DAY_OF_HOUR,
    DIMENSIONS,
    DIMENSIONS_HASH,
    HOUR,
    MEASURES,
    MONTH_OF_DAY,
    SUMS_OF_TOTALS,
)

MAX_REPORTED = 10_000
ACCOUNTS_AT_A_TIME = 500

Parameters = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One derived table: its key and further columns as expressions over the log, or over what it is derived
    from instead (`source`); the rows in range; and which differences are none.
    """

    name: str
    table: str
    key: dict[str, str]
    beside: tuple[str, ...]
    source_rows: str
    table_rows: str
    source: str = "api_usage_logs"
    measures: Mapping[str, str] = field(default_factory=lambda: MEASURES)
    excused: str = "false"


SUMMARY = Kind(
    name="summary",
    table="usage_summaries",
    key={
        "account_id": "account_id",
        "billing_period_id": "billing_period_id",
        "provider": "provider",
    },
    beside=(),
    # The period's bounds on the recording time let the BRIN index leave out the rest of the log.
    source_rows=(
        "recorded_at >= %(first)s AND recorded_at < %(last)s AND billing_period_id = ANY(%(periods)s) "
        "AND (%(account)s::bigint IS NULL OR account_id = %(account)s)"
    ),
    table_rows=(
        "billing_period_id = ANY(%(periods)s) AND (%(account)s::bigint IS NULL OR account_id = %(account)s)"
    ),
)
ROLLUP = Kind(
    name="rollup",
    table="usage_rollups",
    key={"account_id": "account_id", "hour": HOUR, "dimensions_hash": DIMENSIONS_HASH},
    beside=DIMENSIONS,
    source_rows=(
        "occurred_at >= %(start)s AND occurred_at < %(end)s "
        "AND (%(account)s::bigint IS NULL OR account_id = %(account)s)"
    ),
    table_rows=(
        "hour >= %(start)s AND hour < %(end)s AND (%(account)s::bigint IS NULL OR account_id = %(account)s)"
    ),
)
OF_ACCOUNT = "(%(account)s::bigint IS NULL OR account_id = %(account)s)"
# Only a day that lacks calls can be one still to be rolled up.
STILL_TO_ROLL_UP = f"""
    COALESCE(found.calls, 0) < COALESCE(expected.calls, 0) AND account_id IN (
        SELECT account_id FROM usage_summaries summary
        LEFT JOIN usage_roll_up_marks mark USING (account_id, billing_period_id)
        WHERE {OF_ACCOUNT}
        GROUP BY account_id, billing_period_id
        HAVING sum(summary.calls) <> COALESCE(max(mark.calls), 0)
    )
"""
DAY_ROLLUP = Kind(
    name="day rollup",
    table="usage_day_rollups",
    key={"account_id": "account_id", "day": DAY_OF_HOUR, "dimensions_hash": "dimensions_hash"},
    beside=DIMENSIONS,
    source="usage_rollups",
    source_rows=f"hour >= %(first_midnight)s AND hour < %(last_midnight)s AND {OF_ACCOUNT}",
    table_rows=f"day >= %(first_day)s AND day < %(last_day)s AND {OF_ACCOUNT}",
    measures=SUMS_OF_TOTALS,
    excused=STILL_TO_ROLL_UP,
)
# Written in the transaction that writes the days: there is no moment at which they differ.
MONTH_ROLLUP = Kind(
    name="month rollup",
    table="usage_month_rollups",
    key={"account_id": "account_id", "month": MONTH_OF_DAY, "dimensions_hash": "dimensions_hash"},
    beside=DIMENSIONS,
    source="usage_day_rollups",
    source_rows=f"day >= %(first_month)s AND day < %(last_month)s AND {OF_ACCOUNT}",
    table_rows=f"month >= %(first_month)s AND month < %(last_month)s AND {OF_ACCOUNT}",
    measures=SUMS_OF_TOTALS,
)
# In this order what is derived from another total is repaired after it.
KINDS = (SUMMARY, ROLLUP, DAY_ROLLUP, MONTH_ROLLUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A derived row that is not what the log says: the measures that differ, as (found, expected)."""

    kind: str
    account_id: int
    key: str
    differences: dict[str, tuple[Decimal, Decimal]]

    def __str__(self) -> str:
        changes = ", ".join(
            f"{name} is {format_amount(found)}, the log says {format_amount(expected)}"
            for name, (found, expected) in self.differences.items()
        )
        return f"{self.kind} of account {self.account_id} ({self.key}): {changes}"


def check(*, start: datetime, end: datetime, account_id: int | None = None) -> list[Drift]:
    """The rollups of the hours in [start, end) and of the days and months touching it, the summaries of the
    periods that do, and the limits, in their present windows, that differ.

    `start` and `end` are whole hours. Each kind is compared in one statement, so usage recorded meanwhile is
    seen either on both sides or on neither. At most 10 000 of each kind are reported. Totals whose log was
    pruned are compared with nothing, and no repair touches them.
    """
    return [
        drift
        for kind in KINDS
        for drift in _compare(kind, _parameters(start=start, end=end, account_id=account_id))
    ] + _miscounted_limits(account_id)


def repair(drifts: list[Drift], *, start: datetime, end: datetime) -> None:
    """Set the totals and limits of the accounts in `drifts` to what they must be, one account a transaction.

    Safe beside running ingestion: the totals are locked before the log is read again, and whoever is
    recording meanwhile adds to the repaired row.
    """
    for account_id in sorted({drift.account_id for drift in drifts}):
        parameters = _parameters(start=start, end=end, account_id=account_id)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(LOCK_ACCOUNT, [account_id])
            rollups.lock(account_id)
            for kind in KINDS:
                _rebuild(kind, parameters)
            limits = UsageLimit.objects.filter(account_id=account_id).values_list("id", flat=True)
            limit_counts.recount(list(limits), account_id=account_id)


def _miscounted_limits(account_id: int | None) -> list[Drift]:
    """The limits whose counters differ, of one account or, some hundred at a time, of all that have any."""
    with_limits = UsageLimit.objects.order_by("account_id").values_list("account_id", flat=True).distinct()
    ids = [account_id] if account_id is not None else list(with_limits)
    return [
        Drift(
            kind="limit",
            account_id=limit.account_id,
            key=f"{limit.name}, source {limit.source}",
            differences={
                name: (found, expected)
                for name, found, expected in (
                    ("used", limit.used, limit.expected_used),
                    ("held", limit.held, limit.expected_held),
                    ("previous", limit.previous, limit.expected_previous),
                )
                if found != expected
            },
        )
        for start in range(0, len(ids), ACCOUNTS_AT_A_TIME)
        for limit in limit_counts.miscounted(ids[start : start + ACCOUNTS_AT_A_TIME], at_most=MAX_REPORTED)
    ]


def _parameters(*, start: datetime, end: datetime, account_id: int | None) -> Parameters:
    known = retention.kept()
    if known is not None:
        start = min(max(start, known.hours_from), end)
    periods = BillingPeriod.objects.filter(period_start__lt=end, period_end__gt=start)
    if known is not None:
        periods = periods.filter(period_end__gt=known.periods_after)
    if account_id is not None:
        periods = periods.filter(account_id=account_id)
    bounds = periods.aggregate(first=Min("period_start"), last=Max("period_end"))
    first = queries.start_of(start, interval="day")
    last = queries.start_of(end - timedelta(hours=1), interval="day") + timedelta(days=1)
    return {
        "start": start,
        "end": end,
        "first_midnight": first,
        "last_midnight": last,
        "first_day": first.date(),
        "last_day": last.date(),
        "first_month": first.date().replace(day=1),
        "last_month": month_of(last - timedelta(days=1))[1].date(),
        "account": account_id,
        "periods": list(periods.values_list("id", flat=True)),
        **bounds,
    }


def _expected(kind: Kind) -> str:
    """A subquery with the kind's rows as they must be."""
    columns = [f"{expression} AS {name}" for name, expression in kind.key.items()]
    sums = [f"{expression} AS {name}" for name, expression in kind.measures.items()]
    groups = dict.fromkeys([*(e for e in kind.key.values() if e != DIMENSIONS_HASH), *kind.beside])
    return (
        f"(SELECT {', '.join([*columns, *kind.beside, *sums])} FROM {kind.source} "
        f"WHERE {kind.source_rows} GROUP BY {', '.join(groups)})"
    )


def _compare(kind: Kind, parameters: Parameters) -> Iterator[Drift]:
    keys = ", ".join(kind.key)
    found = [f"COALESCE(found.{name}, 0)" for name in MEASURES]
    expected = [f"COALESCE(expected.{name}, 0)" for name in MEASURES]
    statement = (
        f"SELECT {keys}, {', '.join(found + expected)} FROM {_expected(kind)} expected "
        f"FULL JOIN (SELECT * FROM {kind.table} WHERE {kind.table_rows}) found USING ({keys}) "
        f"WHERE ROW({', '.join(found)}) IS DISTINCT FROM ROW({', '.join(expected)}) "
        f"AND NOT ({kind.excused}) "
        f"ORDER BY {keys} LIMIT {MAX_REPORTED}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        for row in cursor.fetchall():
            key, amounts = row[: len(kind.key)], row[len(kind.key) :]
            pairs = zip(MEASURES, amounts[: len(MEASURES)], amounts[len(MEASURES) :], strict=True)
            yield Drift(
                kind=kind.name,
                account_id=key[0],
                key=", ".join(f"{name} {value}" for name, value in zip(kind.key, key, strict=True)),
                differences={
                    name: (Decimal(found), Decimal(expected))
                    for name, found, expected in pairs
                    if found != expected
                },
            )


def _rebuild(kind: Kind, parameters: Parameters) -> None:
    """Make missing rows (empty), lock all of them, then read the log: whoever came first is in it by now."""
    keys = ", ".join(kind.key)
    columns = [*kind.key, *kind.beside]
    stamp = {"updated_at": "now()"} if kind is SUMMARY else {}
    same_key = " AND ".join(f"total.{name} = {kind.table}.{name}" for name in kind.key)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {kind.table} ({', '.join([*columns, *stamp, *MEASURES])}) "
            f"SELECT {', '.join([*columns, *stamp.values(), *('0' for _ in MEASURES)])} "
            f"FROM {_expected(kind)} expected ORDER BY {keys} ON CONFLICT DO NOTHING",
            parameters,
        )
        cursor.execute(
            f"SELECT 1 FROM {kind.table} WHERE {kind.table_rows} ORDER BY {keys} FOR UPDATE", parameters
        )
        cursor.execute(
            f"UPDATE {kind.table} SET "
            + ", ".join(f"{name} = COALESCE(expected.{name}, 0)" for name in MEASURES)
            + f" FROM (SELECT {keys} FROM {kind.table} WHERE {kind.table_rows}) total "
            f"LEFT JOIN {_expected(kind)} expected USING ({keys}) WHERE {same_key}",
            parameters,
        )
