"""The sixth group: how fast pages of the dashboard are made, of accounts of every size, from a large log; and
how much longer the same account has to wait where all others made twenty times as many calls."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial

from rich.progress import Progress

from benchmarks import databases
from benchmarks.comparisons import Comparison, Figure, Relation
from benchmarks.groups import Group
from benchmarks.pages import filling, furnishing
from benchmarks.pages.addresses import PAGES, REFERENCE, Page
from benchmarks.pages.filling import Year
from benchmarks.pages.house import House, twins, visited, visitor_of
from benchmarks.plan import Plan

SMALLER = 20
MOST_MS = 200
MOST_STATEMENTS = 15
# From a log to one twenty times as large.
FLAT = 1.2


def of_size(page: Page, size: str) -> str:
    """The name of a page's probe on the large or the small log."""
    return f"{page.name}, {size} log"


def of_twins(page: Page, size: str) -> str:
    """The name of the probe of accounts that made as many calls in both logs."""
    return f"{page.name}, same usage, {size} log"


def compared(pages: Sequence[Page]) -> list[Comparison]:
    """What each page may take, and for information what that is to the frame alone."""
    made = []
    for page in pages:
        large, small = of_size(page, "large"), of_size(page, "small")
        made += [
            Comparison(large, large, at_most=MOST_MS, figure=Figure.P95, relation=Relation.ITSELF),
            Comparison(
                large,
                large,
                at_most=MOST_STATEMENTS,
                figure=Figure.MOST_STATEMENTS,
                relation=Relation.ITSELF,
            ),
            Comparison(of_twins(page, "large"), of_twins(page, "small"), at_most=FLAT, figure=Figure.P95),
            Comparison(large, small, figure=Figure.P95),
            Comparison(large, of_size(REFERENCE, "large"), figure=Figure.P95),
        ]
    return made


def prepare(plan: Plan, *, key: str, at: datetime, stack: ExitStack, progress: Progress) -> Group:
    """Fill two databases with the same year of many and of few calls, until `stack` is left. Raises
    NotMeasurable.
    """
    small = max(plan.page_rows // SMALLER, 1)
    task = progress.add_task("Filling the year that pages show", total=plan.page_rows + small)
    houses = {}
    for size, rows in (("small", small), ("large", plan.page_rows)):
        houses[size] = house(size, rows, plan, at=at, stack=stack)
        progress.advance(task, rows)
    facts = houses["large"].visitors[0].facts
    pages = [page for page in PAGES if page.exists(facts)]
    missing = [page.name for page in PAGES if page not in pages]
    if missing:
        progress.console.print(f"Pages that there are not, so not measured: {'; '.join(missing)}")
    return Group(
        takes={
            **{
                of_size(page, size): partial(each.open, page, by=each.visitors)
                for page in (REFERENCE, *pages)
                for size, each in houses.items()
            },
            **{
                of_twins(page, size): partial(each.open, page, by=each.twins)
                for page in pages
                for size, each in houses.items()
            },
        },
        comparisons=compared(pages),
        sizes={
            "log of pages": plan.page_rows,
            "small log of pages": small,
            "accounts of pages": plan.page_accounts,
            "accounts whose pages are opened": len(houses["large"].visitors),
        },
        checks=lambda: [check for each in houses.values() for check in each.checks()],
    )


def house(size: str, rows: int, plan: Plan, *, at: datetime, stack: ExitStack) -> House:
    database = stack.enter_context(databases.clone(f"pages_{size}"))
    server = stack.enter_context(databases.session(database))
    year = Year(at=at)
    with databases.pointed_at(database):
        accounts = furnishing.make_accounts(plan.page_accounts, year=year)
        filling.fill(database, rows, accounts=[account.pk for account in accounts], year=year)
        furnishing.furnish(accounts, year=year)
        others = twins(accounts, times=SMALLER, of=SMALLER if size == "large" else 1)
        visitors = {
            account: visitor_of(account, year=year)
            for account in dict.fromkeys([*visited(accounts, others=plan.page_sample), *others])
        }
    databases.settle(server)
    return House(
        name=size,
        database=database,
        server=server,
        year=year,
        rows=rows,
        visitors=[visitors[account] for account in visited(accounts, others=plan.page_sample)],
        twins=[visitors[account] for account in others],
    )
