"""Comparing summaries, rollups and the counters of limits with what they are derived from: the log, and the
open holds. And repairing them.

All are written in the transaction of the event, so a difference is a bug (or a hand in the database); nothing
here is part of normal operation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min

from usage import limit_counts
from usage.authorization import LOCK_ACCOUNT
from usage.models import BillingPeriod, UsageLimit
from usage.totals import DIMENSIONS, DIMENSIONS_HASH, HOUR, MEASURES

MAX_REPORTED = 10_000
ACCOUNTS_AT_A_TIME = 500

Parameters = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One derived table: its key and further columns as expressions over the log, and the rows in range."""

    name: str
    table: str
    key: dict[str, str]
    beside: tuple[str, ...]
    log_rows: str
    table_rows: str


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
    log_rows=(
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
    log_rows=(
        "occurred_at >= %(start)s AND occurred_at < %(end)s "
        "AND (%(account)s::bigint IS NULL OR account_id = %(account)s)"
    ),
    table_rows=(
        "hour >= %(start)s AND hour < %(end)s AND (%(account)s::bigint IS NULL OR account_id = %(account)s)"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A derived row that is not what the log says: the measures that differ, as (found, expected)."""

    kind: str
    account_id: int
    key: str
    differences: dict[str, tuple[Decimal, Decimal]]


def check(*, start: datetime, end: datetime, account_id: int | None = None) -> list[Drift]:
    """The rollups of the hours in [start, end), the summaries of the periods touching it and the limits, in
    their present windows, that differ.

    `start` and `end` are whole hours. Each kind is compared in one statement, so usage recorded meanwhile is
    seen either on both sides or on neither. At most 10 000 of each kind are reported.
    """
    return [
        drift
        for kind in (SUMMARY, ROLLUP)
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
            for kind in (SUMMARY, ROLLUP):
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
    periods = BillingPeriod.objects.filter(period_start__lt=end, period_end__gt=start)
    if account_id is not None:
        periods = periods.filter(account_id=account_id)
    bounds = periods.aggregate(first=Min("period_start"), last=Max("period_end"))
    return {
        "start": start,
        "end": end,
        "account": account_id,
        "periods": list(periods.values_list("id", flat=True)),
        **bounds,
    }


def _expected(kind: Kind) -> str:
    """A subquery with the kind's rows as the log has them."""
    columns = [f"{expression} AS {name}" for name, expression in kind.key.items()]
    sums = [f"{expression} AS {name}" for name, expression in MEASURES.items()]
    groups = dict.fromkeys([*(e for e in kind.key.values() if e != DIMENSIONS_HASH), *kind.beside])
    return (
        f"(SELECT {', '.join([*columns, *kind.beside, *sums])} FROM api_usage_logs "
        f"WHERE {kind.log_rows} GROUP BY {', '.join(groups)})"
    )


def _compare(kind: Kind, parameters: Parameters) -> Iterator[Drift]:
    keys = ", ".join(kind.key)
    found = [f"COALESCE(found.{name}, 0)" for name in MEASURES]
    expected = [f"COALESCE(expected.{name}, 0)" for name in MEASURES]
    statement = (
        f"SELECT {keys}, {', '.join(found + expected)} FROM {_expected(kind)} expected "
        f"FULL JOIN (SELECT * FROM {kind.table} WHERE {kind.table_rows}) found USING ({keys}) "
        f"WHERE ROW({', '.join(found)}) IS DISTINCT FROM ROW({', '.join(expected)}) "
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
