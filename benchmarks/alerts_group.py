"""The fifth group: how fast accounts that moved are looked at, and how fast what is told goes out."""

from contextlib import ExitStack
from datetime import datetime
from functools import partial

from rich.progress import Progress

from benchmarks import databases
from benchmarks.alerting import filling
from benchmarks.alerting.watch import Watch
from benchmarks.close_group import last_month
from benchmarks.comparisons import Comparison, Figure, Relation
from benchmarks.groups import Group
from benchmarks.plan import Plan

LARGER = 10
MOVED = "look at what moved, of all accounts"
ALONE = "look at what moved, no other accounts"
MORE = "look at ten times what moved, of all accounts"
NAIVE = "look at all accounts"
DELIVER = "deliver by the log"
# What moved costs as much among many accounts as alone.
FLAT = 1.2

ALERTS = (
    Comparison(MOVED, ALONE, at_most=FLAT, figure=Figure.EACH),
    Comparison(MORE, MOVED, figure=Figure.EACH),
    Comparison(NAIVE, MOVED, figure=Figure.SECONDS),
    Comparison(MOVED, MOVED, figure=Figure.EACH, relation=Relation.ITSELF),
    Comparison(MOVED, MOVED, figure=Figure.STATEMENTS, relation=Relation.ITSELF),
    Comparison(NAIVE, NAIVE, figure=Figure.STATEMENTS, relation=Relation.ITSELF),
    Comparison(DELIVER, DELIVER, figure=Figure.STATEMENTS, relation=Relation.ITSELF),
)


def prepare(plan: Plan, *, key: str, at: datetime, stack: ExitStack, progress: Progress) -> Group:
    """Fill two databases with accounts that can move, until `stack` is left. Raises NotMeasurable."""
    moved = min(plan.moved, plan.alerting)
    more = min(LARGER * moved, plan.alerting)
    task = progress.add_task("Filling the accounts to look at", total=plan.alerting + moved)
    watches = []
    for name, accounts in (("alerts", plan.alerting), ("alerts_alone", moved)):
        watches.append(watch(name, accounts, at=at, stack=stack))
        progress.advance(task, accounts)
    many, alone = watches
    return Group(
        takes={
            ALONE: partial(alone.look_at_moved, moved),
            MOVED: partial(many.look_at_moved, moved),
            MORE: partial(many.look_at_moved, more),
            NAIVE: partial(many.look_at_all, moved),
            DELIVER: partial(many.deliver, more),
        },
        comparisons=ALERTS,
        sizes={"accounts to look at": plan.alerting, "moved": moved, "more moved": more, "due": more},
        checks=lambda: [check for each in watches for check in each.checks()],
    )


def watch(name: str, accounts: int, *, at: datetime, stack: ExitStack) -> Watch:
    database = stack.enter_context(databases.clone(name))
    server = stack.enter_context(databases.session(database))
    with databases.pointed_at(database):
        made = filling.fill(accounts, month=last_month(at), at=at)
    databases.settle(server)
    return Watch(name=name, database=database, server=server, accounts=made)
