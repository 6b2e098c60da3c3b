"""What the counters of limits must be: recomputed from the log and from the open holds.

Used by `usage.limits` for a limit that is new, and by `usage.drift` to check and repair all of them.
"""

from collections.abc import Collection
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from usage.providers import PROVIDERS

KINDS = msgspec.json.encode({provider.key: provider.kind for provider in PROVIDERS.values()}).decode()

# The same amounts, in the order `usage_amount` takes them, of one log row and of a sum of them.
OF_A_CALL = (
    "1, COALESCE(call.input_tokens, 0) + COALESCE(call.output_tokens, 0), call.cost, "
    "COALESCE(call.searches, 0), COALESCE(call.images, 0), COALESCE(call.pages, 0), "
    "COALESCE(call.seconds, 0), COALESCE(call.characters, 0)"
)
OF_CALLS = (
    "calls.count, calls.tokens, calls.cost, calls.searches, calls.images, calls.pages, calls.seconds, "
    "calls.characters"
)
OF_A_HOLD = ", ".join(
    f"hold.{name}"
    for name in ("calls", "tokens", "cost", "searches", "images", "pages", "seconds", "characters")
)


def covers(call: str, kind: str) -> str:
    """Whether the limit `counting` counts `call`; both are relations."""
    return (
        f"usage_covers(counting.scope, counting.scope_value, {call}.provider, {kind}, {call}.model, "
        f"{call}.request_type, {call}.team, {call}.project)"
    )


LOGGED_KIND = '(%(kinds)s::jsonb ->> {call}.provider) COLLATE "C"'
# A period's calls are those recorded in it; they are summed once for all the limits that count them.
CALLS_OF_PERIODS = """
SELECT call.account_id, call.billing_period_id, call.provider, call.model, call.request_type, call.team,
       call.project, count(*) AS count, sum(call.cost) AS cost,
       COALESCE(sum(call.input_tokens), 0) + COALESCE(sum(call.output_tokens), 0) AS tokens,
       COALESCE(sum(call.searches), 0) AS searches, COALESCE(sum(call.images), 0) AS images,
       COALESCE(sum(call.pages), 0) AS pages, COALESCE(sum(call.seconds), 0) AS seconds,
       COALESCE(sum(call.characters), 0) AS characters
FROM api_usage_logs call
WHERE call.billing_period_id IN (SELECT period_id FROM limits_of_periods)
  AND call.recorded_at >= (SELECT min(period_start) FROM limits_of_periods)
  AND call.account_id = ANY (%(accounts)s)
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
EXPECTED = f"""
WITH limits_of_periods AS MATERIALIZED (
    SELECT counting.id, period.id AS period_id, period.period_start
    FROM usage_limits counting JOIN billing_periods period
         ON period.account_id = counting.account_id AND period.period_start = counting.window_start
    WHERE counting."window" = 'period' AND counting.account_id = ANY (%(accounts)s)
), calls AS MATERIALIZED ({CALLS_OF_PERIODS}), expected AS (
    SELECT counting.id, counting.account_id, counting.name, counting.source,
           counting.used, counting.held, counting.previous,
           COALESCE(CASE WHEN counting."window" = 'period' THEN (
               SELECT sum(usage_amount(counting.measure, {OF_CALLS}))
               FROM limits_of_periods known JOIN calls ON calls.billing_period_id = known.period_id
               WHERE known.id = counting.id
                 AND {covers("calls", LOGGED_KIND.format(call="calls"))}
           ) ELSE sliding.used END, 0) AS expected_used,
           COALESCE(reserved.held, 0) AS expected_held,
           COALESCE(sliding.previous, 0) + COALESCE(reserved.previous, 0) AS expected_previous
    FROM usage_limits counting
    LEFT JOIN LATERAL (
        SELECT sum(amount.of_it) FILTER (WHERE amount.at >= counting.window_start) AS used,
               sum(amount.of_it) FILTER (WHERE amount.at < counting.window_start) AS previous
        FROM api_usage_logs call
        CROSS JOIN LATERAL (
            SELECT usage_amount(counting.measure, {OF_A_CALL}) AS of_it,
                   LEAST(call.occurred_at, call.recorded_at) AS at
        ) amount
        WHERE call.account_id = counting.account_id
          AND call.occurred_at >= counting.window_start - usage_window_length(counting."window")
          AND call.recorded_at >= counting.window_start - usage_window_length(counting."window")
          AND {covers("call", LOGGED_KIND.format(call="call"))}
    ) sliding ON usage_window_length(counting."window") IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT CASE counting."window"
                   WHEN 'concurrent' THEN count(DISTINCT hold.authorization_id)
                   WHEN 'request' THEN 0
                   WHEN 'period' THEN sum(usage_amount(counting.measure, {OF_A_HOLD}))
                   ELSE sum(usage_amount(counting.measure, {OF_A_HOLD}))
                        FILTER (WHERE hold.created_at >= counting.window_start)
               END AS held,
               sum(usage_amount(counting.measure, {OF_A_HOLD})) FILTER (
                   WHERE hold.created_at < counting.window_start
                   AND hold.created_at >= counting.window_start - usage_window_length(counting."window")
               ) AS previous
        FROM usage_holds hold
        WHERE hold.account_id = counting.account_id AND {covers("hold", "hold.kind")}
    ) reserved ON true
    WHERE counting.account_id = ANY (%(accounts)s)
)
"""
DIFFERENT = "(used, held, previous) IS DISTINCT FROM (expected_used, expected_held, expected_previous)"
COMPARE = (
    f"{EXPECTED} SELECT id, account_id, source, name, used, held, previous, expected_used, expected_held, "
    f"expected_previous FROM expected WHERE {DIFFERENT} ORDER BY account_id, id LIMIT %(most)s"
)
RECOUNT = (
    f"{EXPECTED} UPDATE usage_limits target SET used = expected_used, held = expected_held, "
    "previous = expected_previous FROM expected WHERE target.id = expected.id "
    "AND target.id = ANY (%(limits)s)"
)


class Miscounted(NamedTuple):
    """A limit whose counters are not what the log and the open holds say."""

    id: int
    account_id: int
    source: str
    name: str
    used: Decimal
    held: Decimal
    previous: Decimal
    expected_used: Decimal
    expected_held: Decimal
    expected_previous: Decimal


def miscounted(account_ids: Collection[int], *, at_most: int) -> list[Miscounted]:
    """The limits of these accounts that are miscounted. One statement: what is recorded or held meanwhile is
    seen on both sides or on neither.
    """
    parameters: dict[str, Any] = {"accounts": list(account_ids), "kinds": KINDS, "most": at_most}
    with connection.cursor() as cursor:
        cursor.execute(COMPARE, parameters)
        return [Miscounted(*row) for row in cursor.fetchall()]


def recount(limit_ids: Collection[int], *, account_id: int) -> None:
    """Set the counters of these limits of one account, locked by the caller, to what they must be."""
    parameters: dict[str, Any] = {"accounts": [account_id], "kinds": KINDS, "limits": list(limit_ids)}
    with connection.cursor() as cursor:
        cursor.execute(RECOUNT, parameters)
