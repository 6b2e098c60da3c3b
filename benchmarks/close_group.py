"""The fourth group: how fast the month of many accounts is closed."""

from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial

from rich.progress import Progress

from benchmarks import databases
from benchmarks.closing import filling
from benchmarks.closing.books import Books
from benchmarks.closing.closers import add_up_in_python, add_up_in_sql
from benchmarks.closing.filling import Month
from benchmarks.comparisons import Comparison, Figure, Relation
from benchmarks.groups import Group
from benchmarks.plan import Plan
from usage.core.calendar import month_of

SMALLER = 10
A_DAY = timedelta(days=1)
ALL = "close, all accounts"
TENTH = "close, a tenth of the accounts"
TWO = "close, all accounts, 2 processes"
NAIVE = "add up in Python, a tenth of the accounts"
FLOOR = "sum(cost) by account in SQL, all accounts"
# The accounts of the larger one are closed nearly as fast as those of the smaller one.
FLAT = 0.8
MOST_MB = 64

CLOSE = (
    Comparison(ALL, TENTH, at_least=FLAT),
    Comparison(ALL, ALL, at_most=MOST_MB, figure=Figure.GROWTH, relation=Relation.ITSELF),
    Comparison(TWO, ALL),
    Comparison(TENTH, NAIVE),
    Comparison(NAIVE, NAIVE, figure=Figure.GROWTH, relation=Relation.ITSELF),
    Comparison(ALL, FLOOR),
)


def prepare(plan: Plan, *, key: str, at: datetime, stack: ExitStack, progress: Progress) -> Group:
    """Fill two databases with a month to close, until `stack` is left. Raises NotMeasurable."""
    smaller = max(plan.closing // SMALLER, 1)
    smaller_rows = max(plan.closing_rows * smaller // plan.closing, 1)
    month = last_month(at)
    task = progress.add_task("Filling the months to close", total=plan.closing_rows + smaller_rows)
    shelves = []
    for name, accounts, rows in (
        ("closing", plan.closing, plan.closing_rows),
        ("closing_tenth", smaller, smaller_rows),
    ):
        shelves.append(books(name, accounts, rows, cycle=smaller, month=month, stack=stack))
        progress.advance(task, rows)
    large, small = shelves
    return Group(
        takes={
            TENTH: partial(small.close, processes=1),
            ALL: partial(large.close, processes=1),
            TWO: partial(large.close, processes=2),
            NAIVE: partial(small.take, add_up_in_python),
            FLOOR: partial(large.take, add_up_in_sql),
        },
        comparisons=CLOSE,
        sizes={"accounts to close": plan.closing, "rows to close": plan.closing_rows},
        checks=lambda: [check for each in shelves for check in each.found.values()],
    )


def books(name: str, accounts: int, rows: int, *, cycle: int, month: Month, stack: ExitStack) -> Books:
    database = stack.enter_context(databases.clone(name))
    server = stack.enter_context(databases.session(database))
    with databases.pointed_at(database):
        filling.fill(accounts, rows, cycle=cycle, month=month)
    databases.settle(server)
    return Books(name=name, database=database, server=server, month=month, accounts=accounts)


def last_month(at: datetime) -> Month:
    """The calendar month before the one of `at`."""
    end = month_of(at)[0]
    return Month(start=month_of(end - A_DAY)[0], end=end, at=end + A_DAY)
