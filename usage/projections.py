"""What the open billing periods are expected to come to: computed by the clock, and kept for readers.

Whether a projection is out of date is found by counting: it knows how many calls its period had. Read are the
totals of the period and of the days before, never the log, for hundreds of accounts in one statement.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import BigIntegerField

from usage import moves, queries
from usage.core.anomalies import Unusual, unusual
from usage.core.forecasting import MOST_DAYS, Forecast, forecast, run_rate
from usage.core.money import COST_MAX_DIGITS, COST_PLACES, ZERO
from usage.models import Account, BillingPeriod, ProjectionMethod, UsageProjection

ACCOUNTS_AT_A_TIME = 500
# Time alone changes what is to be expected.
AGES_IN = timedelta(days=1)
# The first second of a period, carried to its end, can come to more than the columns hold: one account's
# absurd number must not keep the others from theirs.
LARGEST_COST = Decimal(10) ** (COST_MAX_DIGITS - COST_PLACES) - 1
LARGEST_COUNT = BigIntegerField.MAX_BIGINT
COMPUTING_LOCK = 0x_70_72_6F_6A
TAKE_TURNS = "SELECT pg_try_advisory_xact_lock(%s)"

# Periods in which nothing was recorded are projected too, if the account has ever been used.
FIND_DUE = """
SELECT period.account_id, period.id, period.period_start, period.period_end, recorded.cost, recorded.calls,
       recorded.tokens
FROM billing_periods period
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(summary.cost), 0) AS cost, COALESCE(sum(summary.calls), 0) AS calls,
           COALESCE(sum(summary.input_tokens + summary.output_tokens), 0) AS tokens
    FROM usage_summaries summary
    WHERE summary.account_id = period.account_id AND summary.billing_period_id = period.id
) recorded
LEFT JOIN usage_projections known
     ON known.account_id = period.account_id AND known.billing_period_id = period.id
WHERE period.period_end > %(at)s AND period.period_start <= %(at)s
  AND CASE
      WHEN known.computed_at IS NULL THEN recorded.calls > 0 OR EXISTS (
          SELECT FROM usage_day_rollups used WHERE used.account_id = period.account_id
      )
      ELSE known.calls <> recorded.calls OR known.computed_at <= %(computed_before)s
  END
ORDER BY known.computed_at NULLS FIRST, period.account_id
LIMIT %(limit)s
"""
# An account's history begins with the first day it was ever used on; from then on idle days are part of it.
READ_DAYS = """
SELECT first.account_id, first.day, used.day, used.cost, used.calls, used.tokens
FROM unnest(%(accounts)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT account_id, day FROM usage_day_rollups
    WHERE account_id = wanted.id ORDER BY account_id, day LIMIT 1
) first
LEFT JOIN LATERAL (
    SELECT day, sum(cost) AS cost, sum(calls) AS calls, sum(input_tokens + output_tokens) AS tokens
    FROM usage_day_rollups
    WHERE account_id = wanted.id AND day >= %(start)s AND day < %(end)s
    GROUP BY day
) used ON true
"""

READ_TODAY = """
SELECT account_id, sum(cost) FROM usage_rollups
WHERE account_id = ANY (%(accounts)s) AND hour >= %(start)s AND hour < %(end)s GROUP BY account_id
"""


class Used(NamedTuple):
    """What was used: USD, calls, input and output tokens."""

    cost: Decimal
    calls: Decimal
    tokens: Decimal


NOTHING = Used(ZERO, ZERO, ZERO)


@dataclass(frozen=True, slots=True)
class _Due:
    """A period to be projected, and what it has come to."""

    account_id: int
    period_id: int
    start: datetime
    end: datetime
    used: Used


def compute_due(*, at: datetime, limit: int) -> int:
    """Project up to `limit` periods open at `at` in which something was recorded since their projection, or
    whose projection is a day old; the oldest first. Returns how many.

    Whether the day so far is unusual for the account is found on the way. The accounts are marked as moved:
    something about them may have to be told. Six statements for 500 of them. Safe to run twice and in
    parallel: one at a time computes.
    """
    computed = 0
    while computed < limit:
        size = min(limit - computed, ACCOUNTS_AT_A_TIME)
        done = _compute_some(at=at, limit=size)
        computed += done
        if done < size:
            break
    return computed


def cost_at_end(account: Account, *, period: BillingPeriod, spent: Decimal, at: datetime) -> Decimal:
    """What `period`, open at `at`, is expected to cost in the end: USD, unrounded, at least what is `spent`.

    As projected in this period, if the account's weekdays were known; else by the run rate.
    """
    known = queries.projection_of(account, at=at)
    if known is not None and known.method == ProjectionMethod.WEEKDAYS:
        return max(known.expected, spent)
    return run_rate(spent, start=period.period_start, end=period.period_end, at=at)


def daily_costs(account_ids: Collection[int], *, start: date, end: date) -> dict[int, list[Decimal]]:
    """What the calls of each UTC day from `start` to before `end` cost each account: USD, oldest first, none
    left out.

    An account's list begins with the first day it was ever used on, if that is after `start`; without any use
    before `end` it has none. Days are rolled up minutes after calls are recorded.
    """
    return {
        account_id: [day.cost for day in days]
        for account_id, days in _daily(account_ids, start=start, end=end).items()
    }


def _compute_some(*, at: datetime, limit: int) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TAKE_TURNS, [COMPUTING_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(FIND_DUE, {"at": at, "computed_before": at - AGES_IN, "limit": limit})
        due = [
            _Due(account_id, period_id, start, end, Used(*map(Decimal, used)))
            for account_id, period_id, start, end, *used in cursor.fetchall()
        ]
        today = at.astimezone(UTC).date()
        accounts = [each.account_id for each in due]
        history = _daily(accounts, start=today - timedelta(days=MOST_DAYS), end=today)
        spent = _spent_on(today, accounts)
        found = [_projection(each, history.get(each.account_id, []), at=at) for each in due]
        for each in found:
            days = [day.cost for day in history.get(each.account_id, [])]
            _note(each, unusual(spent.get(each.account_id, ZERO), history=days), day=today)
        _keep(found)
        moves.mark(accounts, at=at)
        if accounts:
            moves.announce()
    return len(due)


def _spent_on(day: date, account_ids: Collection[int]) -> dict[int, Decimal]:
    """What the calls of a UTC day cost each account that has any."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            READ_TODAY, {"accounts": list(account_ids), "start": start, "end": start + timedelta(days=1)}
        )
        return dict(cursor.fetchall())


def _note(projection: UsageProjection, found: Unusual | None, *, day: date) -> None:
    if found is not None:
        projection.unusual_on = day
        projection.unusual_spent = found.spent
        projection.unusual_expected = found.expected


def _projection(due: _Due, history: Sequence[Used], *, at: datetime) -> UsageProjection:
    cost, calls, tokens = (
        _forecast(due, [day[measure] for day in history], spent=due.used[measure], at=at)
        for measure in range(len(Used._fields))
    )
    return UsageProjection(
        account_id=due.account_id,
        billing_period_id=due.period_id,
        computed_at=at,
        method=ProjectionMethod.WEEKDAYS if cost.knows_weekdays else ProjectionMethod.RUN_RATE,
        days_of_history=cost.days_of_history,
        calls=int(due.used.calls),
        expected_calls=_whole(calls.expected),
        tokens=int(due.used.tokens),
        expected_tokens=_whole(tokens.expected),
        spent=cost.spent,
        run_rate=min(cost.run_rate, LARGEST_COST),
        expected=min(cost.expected, LARGEST_COST),
        low=cost.low if cost.low is None else min(cost.low, LARGEST_COST),
        high=cost.high if cost.high is None else min(cost.high, LARGEST_COST),
    )


def _forecast(due: _Due, history: Sequence[Decimal], *, spent: Decimal, at: datetime) -> Forecast:
    return forecast(history, spent=spent, start=due.start, end=due.end, at=at)


def _whole(count: Decimal) -> int:
    return min(int(count.to_integral_value(rounding=ROUND_HALF_EVEN)), LARGEST_COUNT)


def _keep(projections: Sequence[UsageProjection]) -> None:
    key = ("account", "billing_period")
    columns = [column.name for column in UsageProjection._meta.concrete_fields if column.name not in key]
    UsageProjection.objects.bulk_create(
        projections, update_conflicts=True, unique_fields=key, update_fields=columns
    )


def _daily(account_ids: Collection[int], *, start: date, end: date) -> dict[int, list[Used]]:
    """As `daily_costs`, with calls and tokens."""
    parameters: dict[str, Any] = {"accounts": list(account_ids), "start": start, "end": end}
    begins: dict[int, date] = {}
    found: dict[int, dict[date, Used]] = {}
    with connection.cursor() as cursor:
        cursor.execute(READ_DAYS, parameters)
        for account_id, first, day, *used in cursor.fetchall():
            begins[account_id] = max(first, start)
            days = found.setdefault(account_id, {})
            if day is not None:
                days[day] = Used(*map(Decimal, used))
    return {
        account_id: _without_gaps(found[account_id], start=begins[account_id], end=end)
        for account_id in begins
        if begins[account_id] < end
    }


def _without_gaps(days: Mapping[date, Used], *, start: date, end: date) -> list[Used]:
    return [days.get(start + timedelta(days=number), NOTHING) for number in range((end - start).days)]
