"""Proving the log of a billing period, event by event: each row against its event key and its price.

A row that was changed, added, moved or removed by hand is named. Rows are streamed: however large the period,
few of them are in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from usage.core.money import ZERO, format_amount
from usage.core.rating import BATCH_REQUEST_TYPES, Price, Quantities, rate
from usage.models import APIProviderPricing, BillingPeriod
from usage.pricebook import price_of
from usage.streaming import rows_of

LOCAL = "local"

ROWS = f"""
SELECT call.id, call.source, call.event_id, call.price_id, call.cost_source, call.request_type, call.cost,
       COALESCE(call.surcharge, 0), call.list_cost,
       call.recorded_at >= %(start)s AND call.recorded_at < %(end)s,
       key.log_id, key.cost, key.occurred_at = call.occurred_at,
       {", ".join(f"COALESCE(call.{name}, 0)" for name in Quantities._fields)}
FROM api_usage_logs call
LEFT JOIN usage_event_keys key
     ON key.account_id = call.account_id AND key.source = call.source AND key.event_id = call.event_id
WHERE call.account_id = %(account)s AND call.billing_period_id = %(period)s
"""
MISSING = """
SELECT key.log_id, key.source, key.event_id, key.cost FROM usage_event_keys key
WHERE key.account_id = %(account)s AND key.recorded_at >= %(start)s AND key.recorded_at < %(end)s
  AND NOT EXISTS (
      SELECT FROM api_usage_logs call
      WHERE call.account_id = key.account_id AND call.occurred_at = key.occurred_at
        AND call.id = key.log_id AND call.billing_period_id = %(period)s
  )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """An event of the log that is not as it was recorded: which, and why, for people."""

    log_id: int
    source: str
    event_id: str
    why: str

    def __str__(self) -> str:
        return f"log row {self.log_id} ({self.source}/{self.event_id}): {self.why}"


def discrepancies(period: BillingPeriod) -> Iterator[Discrepancy]:
    """What is wrong with the events that `period` bills, and which of them are missing."""
    parameters = {
        "account": period.account_id,
        "period": period.pk,
        "start": period.period_start,
        "end": period.period_end,
    }
    prices: dict[int, Price | None] = {}
    for row in rows_of(ROWS, parameters):
        log_id, source, event_id, *rest = row
        why = _wrong(rest, prices)
        if why:
            yield Discrepancy(log_id=log_id, source=source, event_id=event_id, why=why)
    for log_id, source, event_id, cost in rows_of(MISSING, parameters):
        yield Discrepancy(
            log_id=log_id,
            source=source,
            event_id=event_id,
            why=f"recorded with a cost of {format_amount(cost)}, but not in the period's log any more",
        )


def _wrong(row: Sequence[Any], prices: dict[int, Price | None]) -> str:
    """Why the row cannot be what was recorded; empty where it can."""
    price_id, cost_source, request_type, cost, surcharge, own_key_cost, in_period, *rest = row
    key_log_id, key_cost, same_time, *counts = rest
    if key_log_id is None:
        return "it has no event key: it was never recorded"
    if key_cost != cost:
        return f"it costs {format_amount(cost)}, but {format_amount(key_cost)} when it was recorded"
    if not same_time:
        return "it happened at another time when it was recorded"
    if not in_period:
        return "it was recorded outside of the period that bills it"
    if price_id is None:
        free = cost_source == LOCAL and cost != surcharge
        return f"it costs {format_amount(cost)} without a price" if free else ""
    rated = _rated(price_id, Quantities(*counts), request_type, prices)
    if rated is None:
        return f"its price {price_id} is not in the price book"
    paid = cost - surcharge if own_key_cost is None else own_key_cost
    if rated != paid:
        return f"it costs {format_amount(paid)}, but its quantities at its price {format_amount(rated)}"
    return "" if own_key_cost is None or cost == surcharge else "it costs more than its surcharge"


def _rated(
    price_id: int, quantities: Quantities, request_type: str, prices: dict[int, Price | None]
) -> Decimal | None:
    if price_id not in prices:
        row = APIProviderPricing.objects.filter(pk=price_id).first()
        prices[price_id] = None if row is None else price_of(row)
    price = prices[price_id]
    if price is None:
        return None
    return rate(quantities, price, batch=request_type in BATCH_REQUEST_TYPES).total or ZERO
