"""P1, the reference: the log's rows by COPY into a table like the log, one connection, a commit a batch."""

from typing import Any

from benchmarks.stage import Stage, warm_up_batches
from benchmarks.tables import RAW_LOG
from benchmarks.timing import Sample, timed

COPY = f"COPY {RAW_LOG} FROM STDIN"


def from_values(stage: Stage, *, size: int) -> Sample:
    """Rows as Python values, through psycopg's `write_row`: what any program in Python does."""
    cursor = stage.main.server.cursor()

    def send(rows: list[tuple[Any, ...]]) -> int:
        with cursor.copy(COPY) as copy:
            for row in rows:
                copy.write_row(row)
        return cursor.rowcount

    sample, counts = timed(send, stage.recorded_rows(size), size=size, warm_up=warm_up_batches(size))
    stage.expected[RAW_LOG] += sum(counts)
    return sample


def from_text(stage: Stage, *, size: int) -> Sample:
    """Payloads formatted before the clock starts: a bound of the server alone."""
    cursor = stage.main.server.cursor()

    def send(lines: bytes) -> int:
        with cursor.copy(COPY) as copy:
            copy.write(lines)
        return cursor.rowcount

    sample, counts = timed(send, stage.recorded_lines(size), size=size, warm_up=warm_up_batches(size))
    stage.expected[RAW_LOG] += sum(counts)
    return sample
