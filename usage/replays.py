"""Reading an account's log in the form in which it can be rated again: for background tasks, not for pages.

PostgreSQL adds up; no row of the log comes into memory. A cell (`usage.core.replaying`) is as fine as the
price book needs: it ends where some price begins, at midnight, and where some price or model has a threshold.
The log is read a week at a time, through its primary key.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Sum

from usage.core.rating import BATCH_REQUEST_TYPES, Quantities
from usage.core.replaying import Cell
from usage.models import UsageDayRollup
from usage.pricebook import PriceBook

DAY = timedelta(days=1)
AT_A_TIME = timedelta(days=7)
# Of what an account spends on: the dearest, so that a replay has a bound.
MOST_KINDS = 100

SUMS = ", ".join(f"COALESCE(sum({name}), 0)" for name in Quantities._fields)
CELLS = f"""
SELECT provider, model,
       CASE WHEN endpoint = ANY(%(endpoints)s::text[]) THEN endpoint ELSE '' END,
       CASE WHEN lower(request_type) = ANY(%(request_types)s::text[]) THEN lower(request_type)
            ELSE '' END,
       price_id,
       CASE WHEN list_cost IS NOT NULL THEN 'own_key' WHEN price_id IS NOT NULL THEN ''
            WHEN cost_source <> 'local' THEN 'reported' ELSE 'failed' END,
       request_type = ANY(%(batch_types)s::text[]),
       width_bucket(occurred_at, %(instants)s::timestamptz[]),
       width_bucket(COALESCE(input_tokens, 0)::bigint, %(inputs)s::bigint[]),
       width_bucket(
           COALESCE(input_tokens, 0)::bigint + COALESCE(output_tokens, 0), %(windows)s::bigint[]
       ),
       COALESCE(searches, images, pages, characters) IS NOT NULL OR seconds IS NOT NULL,
       COALESCE(output_tokens, 0) > 0,
       count(*), sum(cost - COALESCE(surcharge, 0)), COALESCE(sum(surcharge), 0), {SUMS}
FROM api_usage_logs
WHERE account_id = %(account)s AND occurred_at >= %(start)s AND occurred_at < %(end)s
  AND (provider, model) IN (SELECT * FROM unnest(%(providers)s::text[], %(models)s::text[]))
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
"""


class Kind(NamedTuple):
    """What an account spends on: a model, asked at an endpoint."""

    provider: str
    model: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where cells end: instants, numbers of input tokens, and of input and output tokens; each ascending, and
    the first that is on the other side.
    """

    instants: Sequence[datetime]
    inputs: Sequence[int]
    windows: Sequence[int]


def dearest_kinds(account_id: int, *, start: datetime, end: datetime) -> list[Kind]:
    """What the account spent most on in the whole days [start, end), dearest first; from the day rollups."""
    days = UsageDayRollup.objects.filter(account=account_id, day__gte=start.date(), day__lt=end.date())
    summed = days.values("provider", "model", "endpoint").annotate(spent=Sum("cost")).filter(spent__gt=0)
    rows = summed.order_by("-spent", "provider", "model", "endpoint")[:MOST_KINDS]
    return [Kind(row["provider"], row["model"], row["endpoint"]) for row in rows]


def grid(book: PriceBook, *, start: datetime, end: datetime, windows: Collection[int]) -> Grid:
    """The cells in which every price of `book` can be replayed exactly, in the whole days [start, end), and
    every model told apart by how many tokens it holds (`windows`).
    """
    midnights = {start + number * DAY for number in range((end - start).days)}
    return Grid(
        instants=sorted(midnights | book.starts_between(start, end)),
        inputs=sorted(above + 1 for above in book.thresholds()),
        windows=sorted(window + 1 for window in set(windows)),
    )


def cells(
    account_id: int,
    *,
    kinds: Sequence[Kind],
    request_types: Collection[str],
    grid: Grid,
    start: datetime,
    end: datetime,
) -> Iterator[Cell]:
    """The account's calls of these models in [start, end). An endpoint that is not among the kinds', or a
    request type (in lower case) that is not among `request_types`, is left empty.
    """
    parameters: dict[str, Any] = {
        "account": account_id,
        "providers": [kind.provider for kind in kinds],
        "models": [kind.model for kind in kinds],
        "endpoints": sorted({kind.endpoint for kind in kinds}),
        "request_types": sorted(request_types),
        "batch_types": sorted(BATCH_REQUEST_TYPES),
        "instants": list(grid.instants),
        "inputs": list(grid.inputs),
        "windows": list(grid.windows),
    }
    since = start
    while since < end:
        until = min(since + AT_A_TIME, end)
        with connection.cursor() as cursor:
            cursor.execute(CELLS, {**parameters, "start": since, "end": until})
            for row in cursor:
                yield _cell(row, grid)
        since = until


def _cell(row: Sequence[Any], grid: Grid) -> Cell:
    kind, (price_id, left_out, batch, instant, inputs, windows, *rest) = row[:4], row[4:]
    provider, model, endpoint, request_type = kind
    units, output, calls, cost, surcharge, *counts = rest
    return Cell(
        provider=provider,
        model=model,
        endpoint=endpoint,
        request_type=request_type,
        price_id=price_id,
        left_out=left_out,
        batch=batch,
        begins=grid.instants[instant - 1].astimezone(UTC),
        least_input=grid.inputs[inputs - 1] if inputs else 0,
        least_tokens=grid.windows[windows - 1] if windows else 0,
        has_units=units,
        has_output=output,
        calls=calls,
        cost=cost,
        surcharge=surcharge,
        quantities=Quantities(*counts),
    )
