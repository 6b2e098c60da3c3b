"""The file of rows that an import did not record, for people to correct them by."""

import csv
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from usage.core.errors import InvalidRequest
from usage.importing import Verdict

SUFFIX = ".rejects.csv"
HEADER = ("imported_at", "line", "outcome", "code", "field", "reason", "row")


def beside(path: Path) -> Path:
    """Where the rejected rows of the file at `path` go unless something else was said."""
    return path.with_name(path.name + SUFFIX)


def append(path: Path, verdicts: Iterable[Verdict], *, at: datetime) -> None:
    """Add the rows in `verdicts` that have a fault to the CSV file at `path`; a new file gets a header.

    `row` is the row as JSON. Raises InvalidRequest when the file cannot be written.
    """
    rows = [_row(verdict, at=at) for verdict in verdicts if verdict.fault is not None]
    if not rows:
        return
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(HEADER)
            writer.writerows(rows)
    except OSError as refused:
        raise InvalidRequest(
            f"{path} cannot be written ({refused.strerror}): choose another place for rejected rows "
            "with --rejects."
        ) from refused


def _row(verdict: Verdict, *, at: datetime) -> tuple[str | int, ...]:
    entry, fault = verdict.entry, verdict.fault
    code, field, reason = (fault.code, fault.field, fault.reason) if fault else ("", "", "")
    row = entry.content.decode(errors="replace")
    return at.isoformat(timespec="seconds"), entry.line, verdict.outcome, code, field, reason, row
