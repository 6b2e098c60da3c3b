"""Forgetting what was kept long enough: months of the log with their event keys, and closed authorizations.

Totals, billing periods and prices are kept. LOG_RETENTION_MONTHS (0: nothing of the log) and
AUTHORIZATION_RETENTION say how long is enough; what may still be recorded, billed or settled is not touched.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min, Q
from django.db.utils import OperationalError

from usage import partitions
from usage.core.calendar import month_of, months_after, next_month
from usage.models import BillingPeriod, PrunedMonth
from usage.partitions import LOG

PRUNERS_LOCK = 0x_70_72_75_6E
# Whoever writes the log waits behind whoever waits to drop a month of it: not for long.
LOCK_TIMEOUT = "2s"

KEYS = """
DELETE FROM usage_event_keys WHERE ctid = ANY(ARRAY(
    SELECT key.ctid FROM usage_event_keys key
    JOIN pruned_months pruned ON pruned.month = date_trunc('month', key.occurred_at, 'UTC')
    WHERE key.recorded_at < %(until)s AND key.recorded_at < pruned.periods_until
    LIMIT %(limit)s FOR UPDATE OF key SKIP LOCKED
))
"""
AUTHORIZATIONS = """
DELETE FROM authorizations WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM authorizations
    WHERE created_at < %(until)s AND closed_at < %(until)s
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """From when on totals can be compared with the log: the hours, and the periods that end later."""

    hours_from: datetime
    periods_after: datetime


def prune(*, at: datetime, limit: int) -> int:
    """Forget months of the log, and up to `limit` keys and authorizations; returns how many rows that is.

    Safe to run twice and at once, and beside everything else; nothing is left to do when it returns 0.
    """
    return _prune_log(at=at) + _prune_keys(at=at, limit=limit) + _prune_authorizations(at=at, limit=limit)


def kept() -> Kept | None:
    """Where the log begins; None when nothing of it was ever pruned."""
    last = PrunedMonth.objects.aggregate(month=Max("month"), until=Max("periods_until"))
    if last["month"] is None:
        return None
    return Kept(hours_from=next_month(last["month"]), periods_after=last["until"])


def may_be_pruned(period: BillingPeriod) -> bool:
    """Whether some of the log of `period` may have been dropped."""
    known = kept()
    return known is not None and period.period_end <= known.periods_after


def _prune_log(*, at: datetime) -> int:
    """Drop the months that may go."""
    if not settings.LOG_RETENTION_MONTHS:
        return 0
    # Billing periods that ended by then were kept long enough.
    until = months_after(month_of(at)[0], -settings.LOG_RETENTION_MONTHS)
    arriving = at - settings.INGEST_HORIZON
    return sum(_drop(month, until=until, at=at) for month in list(_months(before=min(until, arriving))))


def _bound(until: datetime) -> datetime:
    """All rows recorded before it belong to billing periods that are closed and ended by `until`."""
    needed = BillingPeriod.objects.filter(Q(closed_at=None) | Q(period_end__gt=until))
    first: datetime | None = needed.aggregate(first=Min("period_start"))["first"]
    return until if first is None else min(first, until)


def _months(*, before: datetime) -> Iterator[datetime]:
    """The months that have a partition and end by `before`, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1",
            [LOG],
        )
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        year, _, number = name.removeprefix(f"{LOG}_").partition("_")
        if year.isdigit():
            month = datetime(int(year), int(number), 1, tzinfo=UTC)
            if next_month(month) <= before:
                yield month


def _is_needed(month: datetime, *, until: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM {partitions.partition_name(month)} WHERE recorded_at >= %s)", [until]
        )
        return bool(cursor.fetchone()[0])


def _drop(month: datetime, *, until: datetime, at: datetime) -> int:
    """Drop the month's partition, unless a row of it is needed; returns how many rows it had.

    Nothing is dropped either when the log is busy for too long, or another run was first: the next one will.
    """
    name, bound = partitions.partition_name(month), _bound(until)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PRUNERS_LOCK])
            if month not in _months(before=until) or _is_needed(month, until=bound):
                return 0
            # Before the log is locked: this may take a while, and no row that is counted changes.
            cursor.execute(f"SELECT count(*) FROM {name}")
            rows = int(cursor.fetchone()[0])
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            # Makers of partitions first, then the log before its partition: the order of everybody else.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [partitions.MAKERS_LOCK])
            cursor.execute(f"LOCK TABLE ONLY {LOG} IN ACCESS EXCLUSIVE MODE")
            cursor.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
            if _is_needed(month, until=bound):
                return 0
            cursor.execute(f"DROP TABLE {name}")
            PrunedMonth.objects.create(month=month, periods_until=until, rows=rows, pruned_at=at)
    except OperationalError as busy:
        if "lock timeout" in str(busy):
            return 0
        raise
    partitions.forget()
    return rows


def _prune_keys(*, at: datetime, limit: int) -> int:
    """Delete keys whose month of the log was dropped, and that are too old to be sent again."""
    known = kept()
    if known is None:
        return 0
    until = min(known.periods_after, at - settings.INGEST_HORIZON)
    with connection.cursor() as cursor:
        cursor.execute(KEYS, {"until": until, "limit": limit})
        return int(cursor.rowcount)


def _prune_authorizations(*, at: datetime, limit: int) -> int:
    """Delete authorizations closed long ago; as long as usage may name one, it is kept."""
    until = at - max(settings.AUTHORIZATION_RETENTION, settings.INGEST_HORIZON)
    with connection.cursor() as cursor:
        cursor.execute(AUTHORIZATIONS, {"until": until, "limit": limit})
        return int(cursor.rowcount)
