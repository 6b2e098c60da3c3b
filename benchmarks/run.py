"""One run: set the stage, take every probe round by round, check the sums, judge."""

import os
from contextlib import ExitStack
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import comparisons, databases, sums
from benchmarks.building import Builder, Plan
from benchmarks.probes import probes_of
from benchmarks.report import Result
from benchmarks.stage import Stage
from benchmarks.timing import Sample


def run(plan: Plan, *, at: datetime, console: Console) -> Result:
    """Carry out `plan` on databases of its own, which are dropped in the end. Raises NotMeasurable."""
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bars(console))
        builder = Builder(plan=plan, at=at, stack=stack, progress=progress)
        stage = builder.stage()
        samples = take_rounds(plan.rounds, stage, progress)
        progress.stop()
        return Result(
            at=at.isoformat(timespec="seconds"),
            surroundings=databases.surroundings(stage.main.server, processors=os.cpu_count() or 1),
            sizes={"main": plan.small, "small": plan.small, "large": plan.events, "sample": plan.sample},
            fill_rates=builder.fill_rates,
            samples=samples,
            verdicts=comparisons.verdicts(samples),
            checks=sums.checks(stage),
            storage={
                log.name: databases.storage(log.server, events=log.events)
                for log in (stage.large, stage.random_ids)
                if log is not None
            },
        )


def take_rounds(rounds: int, stage: Stage, progress: Progress) -> dict[str, list[Sample]]:
    """One sample of every probe, then again: whatever the machine does meanwhile meets all of them."""
    probes = probes_of(stage)
    samples: dict[str, list[Sample]] = {probe.name: [] for probe in probes}
    task = progress.add_task("Measuring", total=rounds * len(probes))
    for number in range(1, rounds + 1):
        for probe in probes:
            progress.update(task, description=f"Round {number} of {rounds}: {probe.name}")
            samples[probe.name].append(probe.measure(stage))
            progress.advance(task)
    return samples


def progress_bars(console: Console) -> Progress:
    """Bars on a terminal, one line each in a file."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)
