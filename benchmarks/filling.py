"""Filling a log to a size, through `usage.ingest` itself, so that its state is a real one."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.databases import connect_to
from benchmarks.processes import prepared
from benchmarks.workload import Ids, Workload
from usage.ingest import MAX_EVENTS, ingest

PERIOD = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """One batch of the fill: reported at `at`, most of it from the `spread` before."""

    number: int
    ids: Ids
    size: int
    at: datetime
    spread: timedelta


def portions(events: int, *, ids: Ids, until: datetime) -> list[Portion]:
    """`events` in batches, as they would have come in during the last three days before `until`."""
    count = -(-events // MAX_EVENTS)
    spread = PERIOD / count
    return [
        Portion(
            number=number,
            ids=ids,
            size=min(MAX_EVENTS, events - number * MAX_EVENTS),
            at=until - PERIOD + (number + 1) * spread,
            spread=spread,
        )
        for number in range(count)
    ]


@contextmanager
def fillers(database: str, *, at_most: int) -> Iterator[ProcessPoolExecutor]:
    """One process per processor, but not more than `at_most`, each connected to `database`."""
    with ProcessPoolExecutor(
        max_workers=min(os.cpu_count() or 1, at_most),
        mp_context=prepared(),
        initializer=connect_to,
        initargs=(database,),
    ) as pool:
        yield pool


def record(portion: Portion) -> int:
    """Record one portion; returns how many events that were."""
    workload = Workload(seed=f"portion {portion.number}", ids=portion.ids)
    batch = workload.batch(portion.size, at=portion.at, spread=portion.spread)
    return sum(outcome.outcome == "recorded" for outcome in ingest(batch, at=portion.at))
