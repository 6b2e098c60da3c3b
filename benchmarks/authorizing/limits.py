"""The six limits that every account has: what a plan of a reseller typically limits, and far from reached."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from usage import periods

# Far more than a run asks for, so that nothing is refused.
AMOUNT = 1_000_000_000


class Limit(NamedTuple):
    """A limit on everything."""

    name: str
    measure: str
    window: str


LIMITS = (
    Limit("calls a minute", "calls", "minute"),
    Limit("tokens a minute", "tokens", "minute"),
    Limit("at the same time", "calls", "concurrent"),
    Limit("calls a period", "calls", "period"),
    Limit("tokens a period", "tokens", "period"),
    Limit("cost a period", "cost", "period"),
)

# What `usage.limits.put` does account by account, for all accounts at once.
GIVE = """
INSERT INTO usage_limits (account_id, source, name, measure, scope, scope_value, "window", mode, amount, used,
    held, previous, window_start)
SELECT period.account_id, 'plan', given.name, given.measure, 'everything', '', given."window", 'block',
       %(amount)s, 0, 0, 0, COALESCE(usage_window_start(given."window", %(at)s, period.period_start), %(at)s)
FROM billing_periods period
CROSS JOIN unnest(%(names)s::text[], %(measures)s::text[], %(windows)s::text[])
     AS given(name, measure, "window")
WHERE period.account_id = ANY (%(accounts)s)
ORDER BY period.account_id
"""


def give(account_ids: Sequence[int], *, at: datetime) -> None:
    """Give each new account the billing period that is open at `at`, and its limits."""
    periods.ensure(account_ids, at=at)
    names, measures, windows = zip(*LIMITS, strict=True)
    given = {"names": list(names), "measures": list(measures), "windows": list(windows)}
    with connection.cursor() as cursor:
        cursor.execute(GIVE, {"accounts": list(account_ids), "amount": AMOUNT, "at": at, **given})
