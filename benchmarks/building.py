"""Setting the stage: the logs filled, tables to compare with beside the main one, a web server for each."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection
from rich.progress import Progress

from benchmarks import databases, filling, tables
from benchmarks.stage import Log, Stage
from benchmarks.web import serving
from benchmarks.workload import Ids, Workload

SMALLER = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure. `events` fills the large log, a tenth of it the main and the small one; `sample` is
    what a probe sends in a round; `random_ids` adds a log as large whose events have random ids.
    """

    database: str
    events: int
    sample: int
    rounds: int
    random_ids: bool

    @property
    def small(self) -> int:
        """The events of the main and the small log."""
        return max(self.events // SMALLER, 1)


@dataclass(slots=True, kw_only=True)
class Builder:
    """Makes logs that live until `stack` is left; `fill_rates` is in events a second."""

    plan: Plan
    at: datetime
    stack: ExitStack
    progress: Progress
    fill_rates: dict[str, float] = field(default_factory=dict)

    def stage(self) -> Stage:
        """Everything the probes need. Raises NotMeasurable when the server is not fit for it."""
        self.stack.enter_context(databases.fresh_database(self.plan.database))
        key = databases.furnish()
        # Cloned while still empty: a clone needs the database for itself.
        names = {"main": self.plan.database, "small": self._clone("small"), "large": self._clone("large")}
        random_ids = None
        if self.plan.random_ids:
            names["random"] = self._clone("random")
            random_ids = self._log("random", names["random"], self.plan.events, ids=Ids.RANDOM, key=key)
        stage = Stage(
            main=self._log("main", names["main"], self.plan.small, key=key),
            small=self._log("small", names["small"], self.plan.small, key=key),
            large=self._log("large", names["large"], self.plan.events, key=key),
            random_ids=random_ids,
            events=self.plan.sample,
        )
        self._add_references(stage)
        return stage

    def _clone(self, suffix: str) -> str:
        return self.stack.enter_context(databases.clone(suffix))

    def _log(self, name: str, database: str, events: int, *, key: str, ids: Ids = Ids.TIME_ORDERED) -> Log:
        server = self.stack.enter_context(connected(database))
        databases.check_durability(server)
        self._fill(name, database, events, ids=ids)
        databases.settle(server)
        return Log(
            name=name,
            server=server,
            port=self.stack.enter_context(serving(database)),
            key=key,
            # None of the seeds of the fill.
            workload=Workload(seed=f"probes of the {name} log", ids=ids),
            events=events,
        )

    def _fill(self, name: str, database: str, events: int, *, ids: Ids) -> None:
        task = self.progress.add_task(f"Filling the {name} log", total=events)
        portions = filling.portions(events, ids=ids, until=self.at)
        with filling.fillers(database, at_most=len(portions)) as pool:
            started = time.perf_counter()
            for count in pool.map(filling.record, portions):
                self.progress.advance(task, count)
            self.fill_rates[name] = events / (time.perf_counter() - started)

    def _add_references(self, stage: Stage) -> None:
        tables.create(stage.main.server)
        databases.settle(stage.main.server)
        for table in (tables.RAW_LOG, tables.PLAIN_LOG):
            stage.expected[table] = stage.main.events


@contextmanager
def connected(database: str) -> Iterator["psycopg.Connection[Any]"]:
    """A session on `database`; Django's own connection is closed after it, so that all can be dropped."""
    with databases.session(database) as server:
        yield server
    connection.close()
