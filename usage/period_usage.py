"""Reading a closed billing period from the log, added up by PostgreSQL: no row of it comes into memory.

Rows are found through the log's primary key, by account and time of the call. Nearly all calls of a period
happened in it or shortly before; whether all were found is known from the period's totals, and only where
they were not is the search widened. Totals that the whole log does not add up to are drift, and not billed.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Sum

from usage.core.errors import TrackingException
from usage.core.money import ZERO
from usage.core.period_usage import UsageGroup
from usage.core.rating import Quantities
from usage.core.repricing import sum_exactly
from usage.models import BillingPeriod, UsageSummary

# How long before the period, and after it, calls are looked for: sent late, the usual horizon, everything.
REACHES = (timedelta(days=1), timedelta(days=40), None)
QUANTITIES = Quantities._fields

GROUPS = f"""
SELECT provider, model, price_id, occurred_at < %(start)s AS late, min(occurred_at), max(occurred_at),
       count(*), COALESCE(sum(surcharge), 0), sum(cost), encode(usage_evidence(id, cost ORDER BY id), 'hex'),
       {", ".join(f"COALESCE(sum({name}), 0)" for name in QUANTITIES)}
FROM api_usage_logs
WHERE account_id = %(account)s AND billing_period_id = %(period)s
  AND occurred_at >= %(since)s AND occurred_at < %(until)s
GROUP BY provider, model, price_id, late
ORDER BY late, provider, model, price_id
"""
BEGINNING, END = "-infinity", "infinity"


def groups_of(period: BillingPeriod) -> list[UsageGroup]:
    """The usage that `period` bills, by provider, model and price row, late calls apart.

    Raises TrackingException with the code totals_drifted when the log does not add up to the period's totals.
    """
    summaries = UsageSummary.objects.filter(account=period.account_id, billing_period=period)
    totals = summaries.aggregate(calls=Sum("calls"), cost=Sum("cost"))
    calls, cost = totals["calls"] or 0, totals["cost"] or ZERO
    found: list[UsageGroup] = []
    for reach in REACHES:
        found = read_groups(period, reach=reach)
        if _adds_up(found, calls, cost):
            return found
    raise TrackingException(
        f"The log of {period} does not add up to the period's totals: run check_totals, then try again.",
        code="totals_drifted",
        details={"period": period.pk, "calls_in_totals": calls, "calls_in_log": _calls(found)},
    )


def read_groups(period: BillingPeriod, *, reach: timedelta | None = None) -> list[UsageGroup]:
    """What the log has of `period`: calls up to `reach` before or after it; None: whenever they were."""
    parameters: dict[str, Any] = {
        "account": period.account_id,
        "period": period.pk,
        "start": period.period_start,
        "since": BEGINNING if reach is None else period.period_start - reach,
        "until": END if reach is None else period.period_end + reach,
    }
    with connection.cursor() as cursor:
        cursor.execute(GROUPS, parameters)
        return [_group(row) for row in cursor.fetchall()]


def _group(row: Sequence[Any]) -> UsageGroup:
    provider, model, price_id, late, first_at, last_at, calls, surcharge, cost, evidence, *counts = row
    return UsageGroup(
        provider=provider,
        model=model,
        price_id=price_id,
        late=late,
        first_at=first_at,
        last_at=last_at,
        calls=calls,
        quantities=dict(zip(QUANTITIES, counts, strict=True)),
        surcharge=surcharge,
        cost=cost,
        evidence=evidence,
    )


def _calls(groups: Sequence[UsageGroup]) -> int:
    return sum(group.calls for group in groups)


def _adds_up(groups: Sequence[UsageGroup], calls: int, cost: Decimal) -> bool:
    return _calls(groups) == calls and sum_exactly(group.cost for group in groups) == cost
