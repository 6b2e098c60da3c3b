"""Monthly partitions of the usage log: made ahead by a task, on demand for backfill, never by hand.

A row without a partition of its own would land in the default partition; that is safe but slow to undo, so
its row count is watched (`default_rows`, shown by verify_setup).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial

from django.db import connection, transaction

from usage.core.calendar import month_of, next_month

MAKERS_LOCK = 0x_70_61_72_74
LOG = "api_usage_logs"
DEFAULT = f"{LOG}_default"

# Months this process has seen a partition for; partitions are only ever dropped by retention, whose months
# no longer receive rows.
_seen: set[tuple[str, datetime]] = set()


def ensure(instants: Iterable[datetime]) -> list[str]:
    """Make the partitions that the months of `instants` lack; returns the names of those made.

    Rows of such a month that already lie in the default partition are moved. Safe to run concurrently.
    """
    database = connection.settings_dict["NAME"]
    utc = (instant.astimezone(UTC) for instant in instants)
    months = {datetime(year, month, 1, tzinfo=UTC) for year, month in {(t.year, t.month) for t in utc}}
    made = []
    for month in sorted(month for month in months if (database, month) not in _seen):
        with transaction.atomic():
            if not _exists(month) and _make(month):
                made.append(partition_name(month))
            # Only what is committed may be remembered: an outer transaction could still roll back.
            transaction.on_commit(partial(_seen.add, (database, month)))
    return made


def ensure_ahead(*, at: datetime, months: int) -> list[str]:
    """Make the partitions of the month of `at` and of the `months` after it."""
    month = month_of(at)[0]
    wanted = [month]
    for _ in range(months):
        wanted.append(next_month(wanted[-1]))
    return ensure(wanted)


def default_rows(*, limit: int = 1000) -> int:
    """How many rows lie in the default partition, counted up to `limit`: should be none."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM (SELECT 1 FROM {DEFAULT} LIMIT %s) AS counted", [limit])
        return int(cursor.fetchone()[0])


def forget() -> None:
    """Look again for every partition: for whoever dropped or detached one."""
    _seen.clear()


def partition_name(month: datetime) -> str:
    return f"{LOG}_{month.astimezone(UTC):%Y_%m}"


def _exists(month: datetime) -> bool:
    with connection.cursor() as cursor:
        # Not to_regclass: it may answer from the session's cache, which waiting for a lock does not renew.
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent = %s::regclass "
            "AND inhrelid::regclass::text = %s)",
            [LOG, partition_name(month)],
        )
        return bool(cursor.fetchone()[0])


def _make(month: datetime) -> bool:
    """Build the partition aside and attach it, so that writers of other months are not held up.

    Returns whether it was made here: somebody else may have been first.
    """
    name, start, end = partition_name(month), month.isoformat(), next_month(month).isoformat()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [MAKERS_LOCK])
        if _exists(month):
            return False
        cursor.execute(f"LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE")
        cursor.execute(f"CREATE TABLE {name} (LIKE {LOG} INCLUDING ALL EXCLUDING IDENTITY)")
        cursor.execute(
            f"WITH moved AS (DELETE FROM {DEFAULT} WHERE occurred_at >= %s AND occurred_at < %s RETURNING *) "
            f"INSERT INTO {name} SELECT * FROM moved",
            [start, end],
        )
        cursor.execute(f"ALTER TABLE {LOG} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')")
    return True
