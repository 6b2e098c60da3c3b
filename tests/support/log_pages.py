"""A usage log large enough that PostgreSQL plans as it does for a large one, and what it plans."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from usage import partitions
from usage.models import Account, BillingPeriod

MONTHS = [datetime(2025, 11, 1, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)] + [
    datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3)
]
FILL = """
INSERT INTO api_usage_logs (
    account_id, billing_period_id, occurred_at, recorded_at, input_tokens, output_tokens, status_code,
    retry_count, cost_input, cost_output, cost, cost_source, source, event_id, provider, provider_name,
    model, model_used, endpoint, method, request_type, team, project, department, end_user,
    "authorization", error_message
)
SELECT %(account)s, %(period)s, at, at, 1000, 100, 200,
    0, 0.0025, 0.001, 0.0035, 'local', 'tests', number::text, 'openai', 'openai',
    'gpt-4o', 'gpt-4o', '/v1/chat/completions', 'POST', 'chat', '', '', '', '', '', ''
FROM generate_series(1, %(rows)s) AS number,
LATERAL (SELECT %(until)s::timestamptz - number * %(apart)s::interval AS at) AS times
"""

KEYS = """
INSERT INTO usage_event_keys
    (account_id, source, event_id, log_id, occurred_at, recorded_at, content_hash, cost)
SELECT %(account)s, 'tests', 'key-' || number, number, now(), now(), md5(number::text)::uuid, 0
FROM generate_series(1, %(rows)s) AS number
"""


def fill(period: BillingPeriod, *, rows: int, until: datetime, apart: str) -> None:
    """Give the period's account `rows` calls before `until`, each `apart` from the next."""
    partitions.ensure(MONTHS)
    values = {"account": period.account_id, "period": period.pk, "rows": rows, "until": until, "apart": apart}
    with connection.cursor() as cursor:
        cursor.execute(FILL, values)
        cursor.execute("ANALYZE api_usage_logs")


def of_the_log(captured: Sequence[dict[str, str]]) -> list[str]:
    """The statements that read the log."""
    return [query["sql"] for query in captured if "api_usage_logs" in query["sql"]]


def claim_keys(account: Account, *, rows: int) -> None:
    """Let the account have so many event keys, and the planner know of them."""
    with connection.cursor() as cursor:
        cursor.execute(KEYS, {"account": account.pk, "rows": rows})
        cursor.execute("ANALYZE usage_event_keys")


def plan_of(statement: str) -> dict[str, Any]:
    """The tree that PostgreSQL plans for it."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        tree: dict[str, Any] = cursor.fetchone()[0][0]["Plan"]
    return tree


def scans(plan: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Each scan of a table: how, of which one, by which index."""
    parts = plan.get("Plans", [])
    if "Relation Name" not in plan:
        return [found for part in parts for found in scans(part)]
    # A bitmap is made from the index by a step of its own.
    index = next((step["Index Name"] for step in (plan, *parts) if "Index Name" in step), "")
    return [(plan["Node Type"], plan["Relation Name"], index)]


def months_of(found: Sequence[tuple[str, str, str]]) -> set[str]:
    """The months whose partitions are scanned; the default one is none."""
    return {month[0] for _, name, _ in found if (month := re.search(r"\d{4}_\d{2}$", name))}
