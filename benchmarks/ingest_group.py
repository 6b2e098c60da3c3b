"""The first group: how fast usage is recorded."""

from contextlib import ExitStack
from datetime import datetime
from functools import partial

from rich.progress import Progress

from benchmarks import comparisons, databases, sums
from benchmarks.building import Builder
from benchmarks.groups import Group
from benchmarks.plan import Plan
from benchmarks.probes import probes_of
from benchmarks.stage import Stage


def prepare(plan: Plan, *, key: str, at: datetime, stack: ExitStack, progress: Progress) -> Group:
    """Fill the logs and start their web servers, until `stack` is left. Raises NotMeasurable."""
    builder = Builder(plan=plan, key=key, at=at, stack=stack, progress=progress)
    stage = builder.stage()
    return Group(
        takes={probe.name: partial(probe.measure, stage) for probe in probes_of(stage)},
        comparisons=comparisons.INGEST,
        sizes={"main": plan.small, "small": plan.small, "large": plan.events, "sample": plan.sample},
        checks=partial(sums.checks, stage),
        storage=partial(storage, stage),
        fill_rates=builder.fill_rates,
    )


def storage(stage: Stage) -> dict[str, databases.Storage]:
    """What a million events take up, where there are enough of them to tell."""
    logs = (log for log in (stage.large, stage.random_ids) if log is not None)
    return {log.name: databases.storage(log.server, events=log.events) for log in logs}
