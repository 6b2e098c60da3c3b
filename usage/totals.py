"""Summaries and rollups: added to in the transaction that records, recomputed from the log to be checked.

One list of measures makes both the sums that are added and the sums that are checked, so that they cannot
define a total differently.
"""

from datetime import datetime
from typing import Any

import psycopg

from usage.core.rating import Quantities

# A column of `TotalColumns` and how it is computed from rows of the log.
MEASURES = {
    "calls": "count(*)",
    "errors": "count(*) FILTER (WHERE status_code >= 400)",
    **{name: f"COALESCE(sum({name}), 0)" for name in (*Quantities._fields, "response_time_ms")},
    "timed_calls": "count(response_time_ms)",
    "cost": "sum(cost)",
}
DIMENSIONS = (
    "provider",
    "model",
    "endpoint",
    "request_type",
    "team",
    "project",
    "department",
    "end_user",
)
# A row's text form quotes what needs quoting: two different rows of dimensions never read the same.
DIMENSIONS_HASH = f"md5(ROW({', '.join(DIMENSIONS)})::text)::uuid"
HOUR = "date_trunc('hour', occurred_at, 'UTC')"
# The day of an hour, and the first day of the month of a day or hour: dates in UTC.
DAY_OF_HOUR = "(hour AT TIME ZONE 'UTC')::date"
MONTH_OF_HOUR = "date_trunc('month', hour AT TIME ZONE 'UTC')::date"
MONTH_OF_DAY = "date_trunc('month', day::timestamp)::date"

MEASURE_COLUMNS = ", ".join(MEASURES)
MEASURE_SUMS = ", ".join(MEASURES.values())
# The same columns as sums of totals.
SUMS_OF_TOTALS = {name: f"sum({name})" for name in MEASURES}


def _added(table: str) -> str:
    return ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name in MEASURES)


# Rows are locked in the order of their keys, so that batches touching the same totals queue up instead of
# deadlocking. `{rows}` is the relation of new log rows.
ADD_TO_SUMMARIES = f"""
INSERT INTO usage_summaries (account_id, billing_period_id, provider, updated_at, {MEASURE_COLUMNS})
SELECT account_id, billing_period_id, provider, %(at)s, {MEASURE_SUMS}
FROM {{rows}} GROUP BY account_id, billing_period_id, provider
ORDER BY account_id, billing_period_id, provider
ON CONFLICT (account_id, billing_period_id, provider)
DO UPDATE SET updated_at = EXCLUDED.updated_at, {_added("usage_summaries")}
"""
ADD_TO_ROLLUPS = f"""
INSERT INTO usage_rollups (account_id, hour, dimensions_hash, {", ".join(DIMENSIONS)}, {MEASURE_COLUMNS})
SELECT account_id, {HOUR} AS hour, {DIMENSIONS_HASH} AS dimensions_hash, {", ".join(DIMENSIONS)},
       {MEASURE_SUMS}
FROM {{rows}} GROUP BY account_id, {HOUR}, {", ".join(DIMENSIONS)}
ORDER BY account_id, hour, dimensions_hash
ON CONFLICT (account_id, hour, dimensions_hash)
DO UPDATE SET {_added("usage_rollups")}
"""


def add_from(rows: str, cursor: "psycopg.Cursor[Any]", *, at: datetime) -> None:
    """Add the new log rows in relation `rows` to both kinds of totals, inside the caller's transaction."""
    cursor.execute(ADD_TO_SUMMARIES.format(rows=rows), {"at": at}, prepare=True)
    cursor.execute(ADD_TO_ROLLUPS.format(rows=rows), prepare=True)
