"""What a billing period's usage comes to under limits and surcharges that were not in force: read from the
log, for background tasks.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Sum

from usage.core.money import ZERO
from usage.core.rating import Quantities
from usage.core.surcharges import SurchargeTerms, surcharge
from usage.core.windows import LENGTHS
from usage.limit_counts import KINDS, LOGGED_KIND, OF_CALLS, covers
from usage.limits import Key, LimitTerms
from usage.models import BillingPeriod, UsageSummary, Window

# How long before a period, and after it, the calls are looked for that it bills.
BEFORE, AFTER = timedelta(days=40), timedelta(days=1)

OF_PERIOD = """
call.account_id = %(account)s AND call.billing_period_id = %(period)s
AND call.occurred_at >= %(since)s AND call.occurred_at < %(until)s
"""
FOUND = f"SELECT count(*) FROM api_usage_logs call WHERE {OF_PERIOD}"
SURCHARGED = f"""
SELECT CASE WHEN call.request_type = ANY(%(request_types)s::text[]) THEN call.request_type ELSE '' END,
       COALESCE(sum(call.requests), 0), COALESCE(sum(call.seconds), 0), COALESCE(sum(call.surcharge), 0)
FROM api_usage_logs call WHERE {OF_PERIOD} GROUP BY 1
"""
# Calls are added up by what limits tell apart, and by `{bin}`; then each limit adds up those it counts.
MEASURES = """
WITH calls AS MATERIALIZED (
    SELECT {bin} AS bin, call.provider, call.model, call.request_type, call.team, call.project,
           {count} AS count, {tokens} AS tokens, {amounts}
    FROM api_usage_logs call WHERE {of_period}
    GROUP BY 1, 2, 3, 4, 5, 6
), measured AS (
    SELECT counting.place, calls.bin, {add}(usage_amount(counting.measure, {of_calls})) AS amount
    FROM unnest(%(measures)s::text[], %(scopes)s::text[], %(scope_values)s::text[])
         WITH ORDINALITY AS counting (measure, scope, scope_value, place)
    JOIN calls ON {covers}
    GROUP BY 1, 2
), beside AS (
    SELECT place, amount + CASE WHEN lag(bin) OVER earlier = bin - {length} THEN lag(amount) OVER earlier
                                ELSE 0 END AS amount
    FROM measured WINDOW earlier AS (PARTITION BY place ORDER BY bin)
)
SELECT place, max(amount) FROM beside GROUP BY place
"""
AMOUNTS = ("cost", "searches", "images", "pages", "seconds", "characters")
EPOCH = "timestamptz '2000-01-01 00:00:00+00'"
NO_LENGTH = timedelta()


def is_whole(period: BillingPeriod) -> bool:
    """Whether the log near the period has every call that its totals count; the others read no further."""
    counted = UsageSummary.objects.filter(account=period.account_id, billing_period=period).aggregate(
        calls=Sum("calls")
    )
    with connection.cursor() as cursor:
        cursor.execute(FOUND, _parameters(period))
        return bool(cursor.fetchone()[0] == (counted["calls"] or 0))


def surcharges(
    period: BillingPeriod, alternatives: Sequence[Mapping[str, SurchargeTerms]]
) -> tuple[Decimal, list[Decimal]]:
    """What surcharges added to the period's cost, and what each of `alternatives`, by request type, would
    have added: USD. A share of an hour is rounded once, and not call by call.
    """
    request_types = sorted({request_type for terms in alternatives for request_type in terms})
    now, would = ZERO, [ZERO for _ in alternatives]
    with connection.cursor() as cursor:
        cursor.execute(SURCHARGED, {**_parameters(period), "request_types": request_types})
        for request_type, requests, seconds, added in cursor.fetchall():
            now += added
            consumed = Quantities(requests=int(requests), seconds=Decimal(seconds))
            for place, terms in enumerate(alternatives):
                if request_type in terms:
                    would[place] += surcharge(terms[request_type], consumed)
    return now, would


def measured(period: BillingPeriod, limits: Sequence[LimitTerms]) -> dict[Key, Decimal]:
    """The most that each of these limits would have counted of the period's calls: all of them together, the
    largest, or the most within any stretch as long as its window (bounded by two windows side by side).

    Limits of how many calls there are at the same time are left out: the log does not tell.
    """
    found: dict[Key, Decimal] = {}
    for window in Window:
        wanted = [limit for limit in limits if limit.window is window]
        if wanted and window is not Window.CONCURRENT:
            found |= _measured(period, wanted, window)
    return found


def _measured(period: BillingPeriod, limits: Sequence[LimitTerms], window: Window) -> dict[Key, Decimal]:
    length = LENGTHS.get(window, NO_LENGTH)
    together = "max" if window is Window.REQUEST else "sum"
    statement = MEASURES.format(
        bin=f"date_bin(%(length)s, call.occurred_at, {EPOCH})" if length else EPOCH,
        count="1" if window is Window.REQUEST else "count(*)",
        tokens=f"{together}(COALESCE(call.input_tokens, 0) + COALESCE(call.output_tokens, 0))",
        amounts=", ".join(f"COALESCE({together}(call.{name}), 0) AS {name}" for name in AMOUNTS),
        of_period=OF_PERIOD,
        add=together,
        of_calls=OF_CALLS,
        covers=covers("calls", LOGGED_KIND.format(call="calls")),
        # No bin lies that long before the only one.
        length="%(length)s" if length else "interval '1 year'",
    )
    parameters = {
        **_parameters(period),
        "kinds": KINDS,
        "length": length,
        "measures": [limit.measure.value for limit in limits],
        "scopes": [limit.scope.value for limit in limits],
        "scope_values": [limit.scope_value for limit in limits],
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        amounts = dict(cursor.fetchall())
    return {limit.key: Decimal(amounts.get(place, ZERO)) for place, limit in enumerate(limits, start=1)}


def _parameters(period: BillingPeriod) -> dict[str, Any]:
    return {
        "account": period.account_id,
        "period": period.pk,
        "since": period.period_start - BEFORE,
        "until": period.period_end + AFTER,
    }
