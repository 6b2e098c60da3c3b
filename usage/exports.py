"""Usage as CSV (RFC 4180, UTF-8), made while it is read: calls, and totals by interval and dimension.

The lines of a file come in pieces; neither the file nor what it is made of is ever whole in memory.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import StringIO

from usage import browsing, queries
from usage.analytics import KEYS, SUMS, Dimension, Selection, statement, totals_of
from usage.browsing import Question
from usage.core.csv_cells import Cell, cell
from usage.core.rating import Quantities
from usage.models import APIUsageLog
from usage.queries import Interval
from usage.streaming import rows_of
from usage.totals import MEASURES

PIECE_CHARACTERS = 16_384
CALLS_AT_A_TIME = 2_000
# At most so many days are told call by call, and so many in totals: three years.
MAX_CALL_DAYS = 92
MAX_TOTAL_DAYS = 1_100
CURRENCY = "USD"

# A column of the file, and of the log.
CALL_COLUMNS = {
    "occurred_at": "occurred_at",
    "recorded_at": "recorded_at",
    "source": "source",
    "event_id": "event_id",
    "provider": "provider",
    "provider_as_sent": "provider_name",
    "model": "model",
    "model_as_sent": "model_used",
    "request_type": "request_type",
    "endpoint": "endpoint",
    "method": "method",
    "status_code": "status_code",
    **{name: name for name in Quantities._fields},
    "response_time_ms": "response_time_ms",
    "retry_count": "retry_count",
    "cost": "cost",
    "surcharge": "surcharge",
    "list_cost": "list_cost",
    "cost_source": "cost_source",
    "team": "team",
    "project": "project",
    "department": "department",
    "member": "end_user",
    "authorization": "authorization",
    "error_message": "error_message",
}


def csv_of(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The file with that first line and those rows, piece by piece."""
    buffer = StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        if buffer.tell() >= PIECE_CHARACTERS:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def calls_csv(question: Question) -> Iterator[bytes]:
    """The calls that `question` asks for, newest first; amounts in USD, unrounded."""
    found = browsing.every(question, at_once=CALLS_AT_A_TIME)
    return csv_of([*CALL_COLUMNS, "currency"], (_call(row) for row in found))


def usage_csv(selection: Selection, *, interval: Interval, by: Dimension) -> Iterator[bytes]:
    """What is selected by UTC interval and `by`, oldest first, the most expensive of an interval first.

    A key is empty where calls do not tell; intervals without calls have no line. The first and the last one
    begin and end with the selection. `response_time_ms` is summed over `timed_calls`; `cost` is USD.
    """
    header = ["interval_start", "interval_end", by.value, *MEASURES, "currency"]
    return csv_of(header, _usage(selection, interval=interval, by=by))


def _call(row: APIUsageLog) -> list[Cell]:
    return [*(getattr(row, column) for column in CALL_COLUMNS.values()), CURRENCY]


def _usage(selection: Selection, *, interval: Interval, by: Dimension) -> Iterator[Sequence[Cell]]:
    select = f"SELECT slot, {KEYS[by]} AS key, {SUMS} FROM part GROUP BY 1, 2 ORDER BY slot, cost DESC, key"
    for slot, key, *sums in rows_of(*statement(selection, select, interval=interval)):
        start: datetime = max(slot, selection.start)
        end = min(queries.next_start(slot, interval=interval), selection.end)
        totals = totals_of(sums)
        yield [start, end, key, *(getattr(totals, name) for name in MEASURES), CURRENCY]
