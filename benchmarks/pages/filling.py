"""A year of calls and what is kept of them: written by the server itself, for only reading is measured."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from benchmarks import databases
from benchmarks.pages import kinds
from benchmarks.workload import CALLS
from usage import partitions
from usage.core.calendar import month_of, months_after
from usage.totals import (
    DAY_OF_HOUR,
    DIMENSIONS,
    DIMENSIONS_HASH,
    HOUR,
    MEASURE_COLUMNS,
    MEASURE_SUMS,
    MONTH_OF_DAY,
    SUMS_OF_TOTALS,
)

MONTHS = 12
PORTION = 500_000
SESSION = ("SET work_mem = '512MB'", "SET synchronous_commit = off", "SET TIME ZONE 'UTC'")
ROLLED_UP = ("usage_rollups", "usage_day_rollups", "usage_month_rollups")

# The calls follow each other evenly through the year, each day's in its first twelve hours. One hash of its
# number says all about a call: whose it is (by rank, evenly in its logarithm, so that the account of rank n
# makes about one n-th of the first one's calls), of which of the account's combinations (the first one a
# fifth, the last ones a fortieth each) and of which variant.
FILL = """
INSERT INTO api_usage_logs (
    account_id, billing_period_id, price_id, occurred_at, recorded_at, input_tokens, cached_input_tokens,
    output_tokens, searches, images, response_time_ms, request_size, response_size, status_code, retry_count,
    cost_input, cost_output, cost, cost_source, source, event_id, provider, provider_name, model, model_used,
    endpoint, method, request_type, team, project, department, end_user, "authorization", error_message
)
SELECT call.account_id, period.id, kind.price, call.at, call.at + interval '1 second', kind.input_tokens,
    kind.cached_input_tokens, kind.output_tokens, kind.searches, kind.images, kind.response_time_ms, 2000,
    900, kind.status_code, 0, kind.cost_input, kind.cost_output, kind.cost, 'local', 'gateway',
    call.number::text, kind.provider, kind.provider, kind.model, kind.model,
    kind.endpoint, 'POST', kind.request_type, tag.team, tag.project, tag.department, tag.end_user, '', ''
FROM (
    SELECT number, at, month, (%(accounts)s::bigint[])[rank] AS account_id,
        (rank + combination) %% %(calls)s * %(variants)s + variant AS kind,
        (rank + combination * 3 / 2) %% %(tags_count)s AS tag
    FROM (
        SELECT number, at, date_trunc('month', at) AS month,
            floor(power(%(beyond)s::float8, (hash & 4294967295)::float8 / 4294967296))::int AS rank,
            floor(%(combinations)s * ((hash >> 32 & 1023) / 1024.0::float8) ^ 2)::int AS combination,
            (hash >> 42 & (%(variants)s - 1))::int AS variant
        FROM (
            SELECT number, hashint8extended(number, 7) AS hash,
                date_trunc('day', even) + (even - date_trunc('day', even)) / 2 AS at
            FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number,
                LATERAL (
                    SELECT %(start)s::timestamptz + %(apart)s::float8 * number * interval '1 second' AS even
                ) AS times
        ) AS numbered
    ) AS drawn
) AS call
JOIN billing_periods period ON period.account_id = call.account_id AND period.period_start = call.month
JOIN json_to_recordset(%(kinds)s::json) AS kind (
    place int, provider text, model text, endpoint text, request_type text, status_code smallint,
    response_time_ms int, input_tokens int, cached_input_tokens int, output_tokens int, searches int,
    images int, price bigint, cost_input numeric, cost_output numeric, cost numeric
) ON kind.place = call.kind
JOIN json_to_recordset(%(tags)s::json) AS tag (
    place int, team text, project text, department text, end_user text
) ON tag.place = call.tag
"""
_DIMENSIONS = ", ".join(DIMENSIONS)
_SUMS = ", ".join(SUMS_OF_TOTALS.values())
# Rows come to lie as they do in production: hours in the order in which they passed, all accounts' together;
# days and months account by account as each is rolled up.
ROLL_UP = (
    f"""
    INSERT INTO usage_rollups (account_id, hour, dimensions_hash, {_DIMENSIONS}, {MEASURE_COLUMNS})
    SELECT account_id, {HOUR} AS hour, {DIMENSIONS_HASH} AS hash, {_DIMENSIONS}, {MEASURE_SUMS}
    FROM {{partition}} GROUP BY account_id, {HOUR}, {_DIMENSIONS} ORDER BY hour, hash
    """,
    f"""
    INSERT INTO usage_day_rollups (account_id, day, dimensions_hash, {_DIMENSIONS}, {MEASURE_COLUMNS})
    SELECT account_id, {DAY_OF_HOUR} AS day, dimensions_hash, {_DIMENSIONS}, {_SUMS}
    FROM usage_rollups WHERE hour >= %(start)s AND hour < %(end)s
    GROUP BY account_id, day, dimensions_hash, {_DIMENSIONS} ORDER BY day, account_id
    """,
    f"""
    INSERT INTO usage_month_rollups (account_id, month, dimensions_hash, {_DIMENSIONS}, {MEASURE_COLUMNS})
    SELECT account_id, {MONTH_OF_DAY} AS month, dimensions_hash, {_DIMENSIONS}, {_SUMS}
    FROM usage_day_rollups
    WHERE day >= (%(start)s AT TIME ZONE 'UTC')::date AND day < (%(end)s AT TIME ZONE 'UTC')::date
    GROUP BY account_id, month, dimensions_hash, {_DIMENSIONS} ORDER BY month, account_id
    """,
)
# No call was recorded in another month than it happened in.
SUM_UP = f"""
INSERT INTO usage_summaries (account_id, billing_period_id, provider, updated_at, {MEASURE_COLUMNS})
SELECT account_id, period.id, provider, LEAST(max(period_end), %(at)s), {_SUMS}
FROM usage_month_rollups JOIN billing_periods period USING (account_id)
WHERE period_start = month::timestamp AT TIME ZONE 'UTC'
GROUP BY account_id, period.id, provider ORDER BY account_id, period.id
"""
MARK = """
INSERT INTO usage_roll_up_marks (account_id, billing_period_id, calls, rolled_up_at)
SELECT account_id, billing_period_id, sum(calls), max(updated_at)
FROM usage_summaries GROUP BY account_id, billing_period_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """Twelve months that are over and the present one so far, until `at`."""

    at: datetime

    @property
    def months(self) -> list[datetime]:
        """The first moment of each, and of the next one."""
        start = month_of(self.at)[0]
        return [months_after(start, months) for months in range(-MONTHS, 2)]

    @property
    def start(self) -> datetime:
        return self.months[0]


def fill(database: str, rows: int, *, accounts: Sequence[int], year: Year) -> None:
    """Give `database`, Django's, `rows` calls of the year of `accounts`, the largest first, with all totals.

    The accounts must have their billing periods, the calendar's months.
    """
    partitions.ensure(year.months[:-1])
    with databases.session(database) as server:
        _leave_unlogged(server, year)
    common = {
        "accounts": list(accounts),
        "beyond": len(accounts) + 1,
        "calls": len(CALLS),
        "variants": kinds.VARIANTS,
        "combinations": kinds.COMBINATIONS,
        "tags_count": len(kinds.TAGS),
        "kinds": kinds.kinds(at=year.start),
        "tags": kinds.tags(),
        "start": year.start,
        "apart": (year.at - year.start).total_seconds() / (rows + 1),
    }
    _in_parallel(database, [(FILL, {**common, **portion}) for portion in _portions(rows)])
    for step in ROLL_UP:
        _in_parallel(
            database,
            [
                (step.format(partition=partitions.partition_name(start)), {"start": start, "end": end})
                for start, end in zip(year.months, year.months[1:], strict=False)
            ],
        )
    with databases.session(database) as server:
        server.execute(SUM_UP, {"at": year.at})
        server.execute(MARK)


def _portions(rows: int) -> Iterator[dict[str, int]]:
    for first in range(1, rows + 1, PORTION):
        yield {"first": first, "last": min(first + PORTION - 1, rows)}


def _leave_unlogged(server: "psycopg.Connection[Any]", year: Year) -> None:
    """Reading costs the same, and nothing need survive a crash. What is filled is vacuumed in the end."""
    names = [partitions.partition_name(month) for month in year.months[:-1]]
    for name in (*names, *ROLLED_UP):
        server.execute(f"ALTER TABLE {name} SET UNLOGGED")
        server.execute(f"ALTER TABLE {name} SET (autovacuum_enabled = off)")


def _in_parallel(database: str, statements: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Execute the statements in order, as many beside each other as there are processors."""

    def execute(statement: tuple[str, dict[str, Any]]) -> None:
        with databases.session(database) as server:
            for setting in SESSION:
                server.execute(setting)
            server.execute(*statement)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(execute, statements):
            pass
