"""What a probe works with: logs of known size with a web server each, fresh events, and the tally of what
must be in the tables afterwards.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import psycopg
from django.utils import timezone

from benchmarks.databases import NotMeasurable
from benchmarks.timing import WARM_UP_EVENTS
from benchmarks.web import Sender
from benchmarks.workload import Workload, as_json
from usage.events import UsageEvent
from usage.ingest import MAX_EVENTS, ingest

Item = TypeVar("Item")

RECORDED_SINCE = "FROM api_usage_logs WHERE id > %s ORDER BY id"


class Report(msgspec.Struct):
    """The part of the server's answer that is checked."""

    recorded: int
    replayed: int
    conflicts: int
    rejected: int


@dataclass(slots=True, kw_only=True)
class Log:
    """A log in a database of its own, a web server in front of it, and how many events it must hold."""

    name: str
    server: "psycopg.Connection[Any]"
    port: int
    key: str
    workload: Workload
    events: int

    @contextmanager
    def sender(self) -> Iterator[Sender]:
        """A connection to the web server."""
        sender = Sender(self.port, key=self.key)
        try:
            yield sender
        finally:
            sender.close()

    def bodies(self, count: int, *, size: int, hot: bool = False) -> list[bytes]:
        """`count` bodies of `size` fresh events each."""
        return [as_json(self.workload.batch(size, at=timezone.now(), hot=hot)) for _ in range(count)]

    def confirm(self, answers: Sequence[bytes], *, size: int, replayed: bool = False) -> None:
        """Count what `answers` say was recorded; raises NotMeasurable unless that (or replayed) is all."""
        for answer in answers:
            report = msgspec.json.decode(answer, type=Report)
            if (report.replayed if replayed else report.recorded) != size:
                raise NotMeasurable(f"Not every event was recorded as expected: {answer[:2_000].decode()}")
            self.events += report.recorded


@dataclass(slots=True, kw_only=True)
class Stage:
    """What the probes share. `main` is Django's database here; `events` is the size of a sample."""

    main: Log
    small: Log
    large: Log
    random_ids: Log | None
    events: int
    expected: Counter[str] = field(default_factory=Counter)

    @property
    def logs(self) -> list[Log]:
        """All of them."""
        return [log for log in (self.main, self.small, self.large, self.random_ids) if log is not None]

    def fresh_batches(self, size: int, *, warm_up: bool = True) -> list[list[UsageEvent]]:
        """Batches of fresh events for one sample, those to warm up with first."""
        count = self.events // size + (warm_up_batches(size) if warm_up else 0)
        return [self.main.workload.batch(size, at=timezone.now()) for _ in range(count)]

    def recorded_rows(self, size: int) -> list[list[tuple[Any, ...]]]:
        """Rows that the log got from fresh events, as Python values, those to warm up with first."""
        rows = self.main.server.execute(f"SELECT * {RECORDED_SINCE}", [self._record_afresh()]).fetchall()
        return in_batches(rows, size)

    def recorded_lines(self, size: int) -> list[bytes]:
        """The same as ready payloads in COPY's text form."""
        since = self._record_afresh()
        with self.main.server.cursor().copy(f"COPY (SELECT * {RECORDED_SINCE}) TO STDOUT", [since]) as copy:
            lines = b"".join(copy).splitlines(keepends=True)
        return [b"".join(batch) for batch in in_batches(lines, size)]

    def _record_afresh(self) -> int:
        """Record the events of one sample; returns the highest log id before."""
        row = self.main.server.execute("SELECT last_value FROM api_usage_logs_id_seq").fetchone()
        assert row is not None
        now = timezone.now()
        for batch in in_batches(self.main.workload.batch(self.events + WARM_UP_EVENTS, at=now), MAX_EVENTS):
            ingest(batch, at=now)
            self.main.events += len(batch)
        return int(row[0])


def in_batches(items: Sequence[Item], size: int) -> list[list[Item]]:
    """`items` in lists of `size`, in order."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def warm_up_batches(size: int) -> int:
    """How many batches of `size` are sent before the clock starts."""
    return WARM_UP_EVENTS // size
