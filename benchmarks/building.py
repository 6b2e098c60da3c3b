"""Setting the stage of the ingest probes: the logs filled, tables to compare with beside the main one, a web
server for each.
"""

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
from benchmarks.plan import Plan
from benchmarks.stage import Log, Stage
from benchmarks.web import serving
from benchmarks.workload import Ids, Workload


@dataclass(slots=True, kw_only=True)
class Builder:
    """Makes logs that live until `stack` is left, from Django's database, which is furnished but empty; `key`
    may send usage to all of them. `fill_rates` is in events a second.
    """

    plan: Plan
    key: str
    at: datetime
    stack: ExitStack
    progress: Progress
    fill_rates: dict[str, float] = field(default_factory=dict)

    def stage(self) -> Stage:
        """Everything the probes need. Raises NotMeasurable when the server is not fit for it."""
        # Cloned while still empty: a clone needs the database for itself.
        names = {"main": self.plan.database, "small": self._clone("small"), "large": self._clone("large")}
        random_ids = None
        if self.plan.random_ids:
            names["random"] = self._clone("random")
            random_ids = self._log("random", names["random"], self.plan.events, ids=Ids.RANDOM)
        stage = Stage(
            main=self._log("main", names["main"], self.plan.small),
            small=self._log("small", names["small"], self.plan.small),
            large=self._log("large", names["large"], self.plan.events),
            random_ids=random_ids,
            events=self.plan.sample,
        )
        self._add_references(stage)
        return stage

    def _clone(self, suffix: str) -> str:
        return self.stack.enter_context(databases.clone(suffix))

    def _log(self, name: str, database: str, events: int, *, ids: Ids = Ids.TIME_ORDERED) -> Log:
        server = self.stack.enter_context(connected(database))
        self._fill(name, database, events, ids=ids)
        databases.settle(server)
        return Log(
            name=name,
            server=server,
            port=self.stack.enter_context(serving(database)),
            key=self.key,
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
