"""One run: set the stages, take every probe round by round, check the sums, judge."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import (
    admin_group,
    alerts_group,
    authorize_group,
    close_group,
    comparisons,
    databases,
    ingest_group,
    pages_group,
)
from benchmarks.groups import Group
from benchmarks.plan import Plan
from benchmarks.report import Result
from benchmarks.timing import Sample

# In the order they are prepared: the ingest probes fill the database that the others clone while it is empty.
GROUPS = {
    "authorize": authorize_group.prepare,
    "admin": admin_group.prepare,
    "close": close_group.prepare,
    "alerts": alerts_group.prepare,
    "pages": pages_group.prepare,
    "ingest": ingest_group.prepare,
}
# What is measured unless one group is named. Closing alone takes as long as all the others.
USUAL = ("authorize", "admin", "alerts", "pages", "ingest")


def run(plan: Plan, *, at: datetime, console: Console) -> Result:
    """Carry out `plan` on databases of its own, which are dropped in the end. Raises NotMeasurable."""
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bars(console))
        stack.enter_context(databases.fresh_database(plan.database, template=plan.template))
        if not plan.any_server:
            with databases.session(plan.database) as server:
                databases.check_durability(server)
        key = databases.furnish()
        groups = [
            prepare(plan, key=key, at=at, stack=stack, progress=progress)
            for name, prepare in GROUPS.items()
            if name in plan.groups
        ]
        samples = take_rounds(plan.rounds, groups, progress)
        progress.stop()
        return result(groups, samples, at=at, surroundings=surroundings(plan.database))


def take_rounds(rounds: int, groups: list[Group], progress: Progress) -> dict[str, list[Sample]]:
    """One sample of every probe, then again: whatever the machine does meanwhile meets all of them."""
    takes: Mapping[str, Callable[[], Sample]] = {
        name: take for group in groups for name, take in group.takes.items()
    }
    samples: dict[str, list[Sample]] = {name: [] for name in takes}
    task = progress.add_task("Measuring", total=rounds * len(takes))
    for number in range(1, rounds + 1):
        for name, take in takes.items():
            progress.update(task, description=f"Round {number} of {rounds}: {name}")
            samples[name].append(take())
            progress.advance(task)
    return samples


def result(
    groups: list[Group], samples: Mapping[str, list[Sample]], *, at: datetime, surroundings: Mapping[str, str]
) -> Result:
    """What all groups found out together."""
    compared = [comparison for group in groups for comparison in group.comparisons]
    return Result(
        at=at.isoformat(timespec="seconds"),
        surroundings=surroundings,
        sizes={name: size for group in groups for name, size in group.sizes.items()},
        fill_rates={name: rate for group in groups for name, rate in group.fill_rates.items()},
        samples=samples,
        verdicts=comparisons.verdicts(samples, compared),
        checks=[check for group in groups for check in group.checks()],
        storage={name: stored for group in groups for name, stored in group.storage().items()},
    )


def surroundings(database: str) -> dict[str, str]:
    with databases.session(database) as server:
        return databases.surroundings(server, processors=os.cpu_count() or 1)


def progress_bars(console: Console) -> Progress:
    """Bars on a terminal, one line each in a file."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)
