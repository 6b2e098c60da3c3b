"""The second group: how fast "may I?" is answered."""

from contextlib import ExitStack
from datetime import datetime
from functools import partial

from rich.progress import Progress

from benchmarks.authorizing import comparisons, furnishing
from benchmarks.authorizing.probes import probes
from benchmarks.groups import Group
from benchmarks.plan import Plan


def prepare(plan: Plan, *, key: str, at: datetime, stack: ExitStack, progress: Progress) -> Group:
    """Make the accounts and start web server and clients, until `stack` is left. Raises NotMeasurable."""
    task = progress.add_task("Furnishing the accounts", total=plan.accounts)
    stage = furnishing.stage(plan.accounts, key=key, at=at, stack=stack)
    progress.advance(task, plan.accounts)
    return Group(
        takes={
            probe.name: partial(probe.measure, stage, probe.load) for probe in probes(requests=plan.requests)
        },
        comparisons=comparisons.AUTHORIZE,
        sizes={"accounts": plan.accounts, "requests": plan.requests},
        checks=stage.checks,
    )
