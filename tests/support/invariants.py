"""What must be true of the ledger whenever nobody is in the middle of changing it."""

from datetime import UTC, datetime
from typing import Any

from django.db import connection

from usage import drift

# Wide enough for every time the tests use.
START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)

BROKEN = {
    "more is used and held than the blocking limit allows": """
        SELECT account_id, name, used, held, amount FROM usage_limits
        WHERE mode = 'block' AND used + held > amount
    """,
    "a counter is negative": """
        SELECT account_id, name, used, held, previous FROM usage_limits
        WHERE used < 0 OR held < 0 OR previous < 0
    """,
    "an open authorization holds nothing": """
        SELECT id FROM authorizations known WHERE state = 'open' AND NOT EXISTS (
            SELECT FROM usage_holds hold WHERE hold.authorization_id = known.id
        )
    """,
    "something is held without an open authorization": """
        SELECT authorization_id FROM usage_holds hold WHERE NOT EXISTS (
            SELECT FROM authorizations known
            WHERE known.id = hold.authorization_id AND known.account_id = hold.account_id
              AND known.expires_at = hold.expires_at AND known.state = 'open'
        )
    """,
    "an authorization does not say what was settled": """
        SELECT known.id, known.settled_calls, known.settled_cost, settled.calls, settled.cost
        FROM authorizations known LEFT JOIN (
            SELECT account_id, "authorization", count(*) AS calls, sum(cost) AS cost
            FROM api_usage_logs GROUP BY 1, 2
        ) settled ON settled.account_id = known.account_id AND settled."authorization" = known.id::text
        WHERE (known.settled_calls, known.settled_cost)
              <> (COALESCE(settled.calls, 0), COALESCE(settled.cost, 0))
    """,
}


def broken_invariants(*, only_authorized: bool = True) -> list[str]:
    """A line for everything that is not as it must be; none in a sound ledger.

    With `only_authorized` false usage was reported that nobody had asked for, so amounts may be exceeded.
    """
    checks = dict(BROKEN)
    if not only_authorized:
        del checks["more is used and held than the blocking limit allows"]
    broken = [f"{each.kind} drifted: {each}" for each in drift.check(start=START, end=END)]
    for what, statement in checks.items():
        broken += [f"{what}: {row}" for row in _rows(statement)]
    return broken


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} LIMIT 10")
        return list(cursor.fetchall())
