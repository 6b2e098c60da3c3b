"""Rolling hourly totals up into days and months, minutes after they were recorded.

What there is to do is found by counting, never by a clock. A transaction that records usage adds its calls to
the summary of a billing period, and *marks* say how many of each period's calls the days contain; whatever
time a call bears and however late its transaction commits, from then on the two differ. The recording time
could not tell: it is set before the commit, so a row may appear behind any watermark.

Which days to add up again is settled by counting as well. The account's last days come first; if what they
gained is not what the summaries are ahead of the marks, the search goes further back, in the end over
everything. Counts only grow, and all of them are read in one statement, so they agree only when every day
of the account is complete.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from usage import queries
from usage.core.money import ZERO
from usage.totals import (
    DAY_OF_HOUR,
    DIMENSIONS,
    MEASURE_COLUMNS,
    MEASURES,
    MONTH_OF_DAY,
    SUMS_OF_TOTALS,
)

# Usage is recorded for the period open at that moment: in one that ended longer ago nothing moves any more,
# unless a transaction stays open for days.
STILL_MOVING = timedelta(days=2)
ACCOUNTS_AT_A_TIME = 100
# How many days before the present one are looked at first, and next where calls came later.
USUAL_LATENESS = (timedelta(days=1), timedelta(days=7))
BEGINNING = "-infinity"
ROLL_UP_LOCK = 0x_72_6F_6C_6C

FIND_BEHIND = """
SELECT period.account_id
FROM billing_periods period
JOIN LATERAL (
    SELECT sum(summary.calls) AS calls FROM usage_summaries summary
    WHERE summary.account_id = period.account_id AND summary.billing_period_id = period.id
) recorded ON recorded.calls IS NOT NULL
LEFT JOIN usage_roll_up_marks mark
     ON mark.account_id = period.account_id AND mark.billing_period_id = period.id
WHERE period.period_end > %(ended_after)s AND recorded.calls <> COALESCE(mark.calls, 0)
GROUP BY period.account_id
ORDER BY min(COALESCE(mark.rolled_up_at, '-infinity')), period.account_id
LIMIT %(limit)s
"""
# One roller an account at a time; those that another one has are left to it.
TRY_TO_LOCK = """
SELECT account_id FROM unnest(%(accounts)s::bigint[]) account_id
WHERE pg_try_advisory_xact_lock(%(lock)s, hashint8(account_id))
"""
LOCK = "SELECT pg_advisory_xact_lock(%(lock)s, hashint8(%(account)s))"


def _write(table: str, unit: str, *, source: str) -> str:
    """CTEs that sum the relation `source` by account, `unit` and dimensions into `summed`, and write the rows
    of `table` that are not so by now, `changed`; `kept` is what the table has for those accounts and units.
    """
    key = ("account_id", unit, "dimensions_hash")
    columns = ", ".join([*key, *DIMENSIONS, MEASURE_COLUMNS])
    sums = ", ".join(f"{expression} AS {name}" for name, expression in SUMS_OF_TOTALS.items())
    return f"""
    summed AS MATERIALIZED (
        SELECT {", ".join([*key, *DIMENSIONS])}, {sums} FROM {source} part
        GROUP BY {", ".join([*key, *DIMENSIONS])}
    ), changed AS MATERIALIZED (
        SELECT summed.*, summed.calls - COALESCE(kept.calls, 0) AS gained
        FROM summed LEFT JOIN kept USING ({", ".join(key)})
        WHERE kept.calls IS NULL
           OR ROW({", ".join(f"summed.{name}" for name in MEASURES)})
              IS DISTINCT FROM ROW({", ".join(f"kept.{name}" for name in MEASURES)})
    ), written AS (
        INSERT INTO {table} ({columns})
        SELECT {columns} FROM changed ORDER BY {", ".join(key)}
        ON CONFLICT ({", ".join(key)})
        DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in MEASURES)}
    )
    """


HOURS = f"""(
    SELECT *, {DAY_OF_HOUR} AS day FROM usage_rollups
    WHERE account_id = ANY(%(accounts)s) AND hour >= %(since)s::timestamptz
)"""
# `gained` is what earlier statements of the transaction have found. The marks move only where all is found,
# or nothing more can be.
ROLL_UP_DAYS = f"""
WITH kept AS (
    SELECT * FROM usage_day_rollups
    WHERE account_id = ANY(%(accounts)s) AND day >= (%(since)s::timestamptz AT TIME ZONE 'UTC')::date
), {_write("usage_day_rollups", "day", source=HOURS)}, recorded AS MATERIALIZED (
    SELECT account_id, billing_period_id, sum(summary.calls) AS calls,
           sum(summary.calls) - COALESCE(max(mark.calls), 0) AS ahead
    FROM usage_summaries summary LEFT JOIN (
        SELECT * FROM usage_roll_up_marks WHERE account_id = ANY(%(accounts)s)
    ) mark USING (account_id, billing_period_id)
    WHERE account_id = ANY(%(accounts)s)
    GROUP BY account_id, billing_period_id
), standing AS MATERIALIZED (
    SELECT account_id, before.gained + COALESCE(found.gained, 0) AS gained, moved.ahead, found.months
    FROM unnest(%(accounts)s::bigint[], %(gained)s::numeric[]) AS before (account_id, gained)
    JOIN (SELECT account_id, sum(ahead) AS ahead FROM recorded GROUP BY account_id) moved USING (account_id)
    LEFT JOIN (
        SELECT account_id, sum(gained) AS gained, array_agg(DISTINCT {MONTH_OF_DAY}) AS months
        FROM changed GROUP BY account_id
    ) found USING (account_id)
), marked AS (
    INSERT INTO usage_roll_up_marks (account_id, billing_period_id, calls, rolled_up_at)
    SELECT account_id, billing_period_id, calls, %(at)s
    FROM recorded JOIN standing USING (account_id)
    WHERE recorded.ahead <> 0 AND (standing.gained = standing.ahead OR %(to_the_beginning)s)
    ORDER BY account_id, billing_period_id
    ON CONFLICT (account_id, billing_period_id)
    DO UPDATE SET calls = EXCLUDED.calls, rolled_up_at = EXCLUDED.rolled_up_at
)
SELECT account_id, gained, gained = ahead, COALESCE(months, '{{}}') FROM standing
"""
DAYS = f"""(
    SELECT rolled.*, {MONTH_OF_DAY} AS month FROM usage_day_rollups rolled
    JOIN unnest(%(accounts)s::bigint[], %(months)s::date[]) AS touched (account_id, first)
         ON rolled.account_id = touched.account_id
        AND rolled.day >= touched.first AND rolled.day < (touched.first + interval '1 month')::date
)"""
ROLL_UP_MONTHS = f"""
WITH kept AS (
    SELECT rolled.* FROM usage_month_rollups rolled
    JOIN unnest(%(accounts)s::bigint[], %(months)s::date[]) AS touched (account_id, first)
         ON rolled.account_id = touched.account_id AND rolled.month = touched.first
), {_write("usage_month_rollups", "month", source=DAYS)}
SELECT
"""


def roll_up(*, at: datetime, limit: int, everything: bool = False) -> int:
    """Bring the days and months of up to `limit` accounts up to date, those first that waited longest;
    returns of how many accounts.

    Looks at billing periods that have not ended two days before `at`, with `everything` at all there are.
    Safe to run twice, in parallel and beside ingestion, which never waits for it.
    """
    ended_after = BEGINNING if everything else at - STILL_MOVING
    with connection.cursor() as cursor:
        cursor.execute(FIND_BEHIND, {"ended_after": ended_after, "limit": limit})
        behind = [account_id for (account_id,) in cursor.fetchall()]
    return sum(_roll_up(accounts, at=at) for accounts in _parts(behind, ACCOUNTS_AT_A_TIME))


def lock(account_id: int) -> None:
    """Keep rollers off the account until the caller's transaction ends; wait for the one that has it."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, {"lock": ROLL_UP_LOCK, "account": account_id})


@dataclass(slots=True)
class _Found:
    """What the statements over days have found so far."""

    gained: dict[int, Decimal] = field(default_factory=dict)
    months: set[tuple[int, date]] = field(default_factory=set)


def _roll_up(accounts: Sequence[int], *, at: datetime) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TRY_TO_LOCK, {"accounts": list(accounts), "lock": ROLL_UP_LOCK})
        locked = sorted(account_id for (account_id,) in cursor.fetchall())
        found, incomplete, today = _Found(), locked, queries.start_of(at, interval="day")
        for lateness in (*USUAL_LATENESS, settings.INGEST_HORIZON + timedelta(days=1)):
            if incomplete:
                incomplete = _roll_up_days(incomplete, found, since=today - lateness, at=at)
        # All there ever was of an account is much to add up: one account a statement.
        for account_id in incomplete:
            _roll_up_days([account_id], found, since=BEGINNING, at=at)
        if found.months:
            touched, months = zip(*sorted(found.months), strict=True)
            cursor.execute(ROLL_UP_MONTHS, {"accounts": list(touched), "months": list(months)})
    return len(locked)


def _roll_up_days(accounts: list[int], found: _Found, *, since: datetime | str, at: datetime) -> list[int]:
    """Roll up the days from `since` on; returns the accounts of which more must have moved than that."""
    parameters: dict[str, Any] = {
        "accounts": accounts,
        "gained": [found.gained.get(account_id, ZERO) for account_id in accounts],
        "since": since,
        "to_the_beginning": since == BEGINNING,
        "at": at,
    }
    incomplete = []
    with connection.cursor() as cursor:
        cursor.execute(ROLL_UP_DAYS, parameters)
        for account_id, gained, complete, months in cursor.fetchall():
            found.gained[account_id] = gained
            found.months |= {(account_id, month) for month in months}
            if not complete:
                incomplete.append(account_id)
    return incomplete


def _parts(accounts: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (accounts[start : start + size] for start in range(0, len(accounts), size))
