"""P5: Django's bulk_create of the log's rows into a plain table with a unique (account, source, event id)."""

from typing import Any

from benchmarks.stage import Stage, warm_up_batches
from benchmarks.tables import PLAIN_LOG, PlainLog
from benchmarks.timing import Sample, timed


def ignoring_conflicts(stage: Stage, *, size: int) -> Sample:
    """A batch is one call; the model instances, rated already, exist before the clock starts."""
    names = [field.attname for field in PlainLog._meta.local_fields if not field.primary_key]
    columns = [
        column.name
        for column in stage.main.server.execute("SELECT * FROM api_usage_logs LIMIT 0").description or ()
    ]
    batches = [
        [instance(dict(zip(columns, row, strict=True)), names) for row in rows]
        for rows in stage.recorded_rows(size)
    ]

    def send(rows: list[Any]) -> int:
        return len(PlainLog.objects.bulk_create(rows, ignore_conflicts=True))

    sample, counts = timed(send, batches, size=size, warm_up=warm_up_batches(size))
    stage.expected[PLAIN_LOG] += sum(counts)
    return sample


def instance(row: dict[str, Any], names: list[str]) -> Any:
    """A log row as a new model instance, its id left to the table."""
    return PlainLog(**{name: row[name] for name in names})
