"""The third group: how fast staff look through a large log."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from functools import partial

from rich.progress import Progress

from benchmarks import admin_pages, databases
from benchmarks.admin_pages import Shelf
from benchmarks.comparisons import Comparison, Figure, Relation
from benchmarks.groups import Group
from benchmarks.plan import Plan
from benchmarks.sums import Check, sums
from benchmarks.timing import Sample
from benchmarks.web import serving

# A page takes some twenty times as long as an authorization: so many of its requests are one page's.
REQUESTS_A_PAGE = 8
MOST_PAGES = 20
SMALLER = 100
MOST_MS = 300
EMPTY = "admin, an empty list"
BUSY = "admin log, the busiest account"
CALM = "admin log, a calm account"
IN_VAIN = "admin log, a filter that nothing passes"
PAGES = (BUSY, CALM, IN_VAIN)
LOG_SUMS = "SELECT count(*), count(DISTINCT id) FROM api_usage_logs"


def of_size(page: str, size: str) -> str:
    """The name of a page's probe on the large or the small log."""
    return f"{page}, {size} log"


ADMIN = tuple(
    comparison
    for page in PAGES
    for comparison in (
        Comparison(
            *(2 * (of_size(page, "large"),)), at_most=MOST_MS, figure=Figure.P99, relation=Relation.ITSELF
        ),
        Comparison(*(2 * (of_size(page, "large"),)), figure=Figure.P50, relation=Relation.ITSELF),
        Comparison(of_size(page, "large"), of_size(page, "small"), figure=Figure.P50),
        Comparison(of_size(page, "large"), EMPTY, figure=Figure.P50),
    )
)


def prepare(plan: Plan, *, key: str, at: datetime, stack: ExitStack, progress: Progress) -> Group:
    """Fill two logs and start their web servers, until `stack` is left. Raises NotMeasurable."""
    small = max(plan.log_rows // SMALLER, 1)
    task = progress.add_task("Filling the logs of the admin", total=plan.log_rows + small)
    shelves = {}
    for size, rows in (("large", plan.log_rows), ("small", small)):
        shelves[size] = shelf(size, rows, at=at, stack=stack)
        progress.advance(task, rows)
    return Group(
        takes=takes(shelves, pages=min(max(plan.requests // REQUESTS_A_PAGE, 1), MOST_PAGES)),
        comparisons=ADMIN,
        sizes={"admin log": plan.log_rows, "small admin log": small},
        checks=lambda: [check(size, shelf) for size, shelf in shelves.items()],
    )


def shelf(size: str, rows: int, *, at: datetime, stack: ExitStack) -> Shelf:
    database = stack.enter_context(databases.clone(f"admin_{size}"))
    server = stack.enter_context(databases.session(database))
    with databases.pointed_at(database):
        busy, calm = admin_pages.fill(rows, at=at)
        cookie = admin_pages.a_staff_cookie()
    databases.settle(server)
    port = stack.enter_context(serving(database))
    return Shelf(server=server, port=port, cookie=cookie, at=at, rows=rows, busy=busy, calm=calm)


def takes(shelves: dict[str, Shelf], *, pages: int) -> dict[str, Callable[[], Sample]]:
    """What is compared with each other stands side by side."""
    taken: dict[str, Callable[[], Sample]] = {EMPTY: partial(shelves["large"].empty_list, pages=pages)}
    for size, one in shelves.items():
        taken[of_size(BUSY, size)] = partial(one.log_of, one.busy, pages=pages)
        taken[of_size(CALM, size)] = partial(one.log_of, one.calm, pages=pages)
        taken[of_size(IN_VAIN, size)] = partial(
            one.log_of, one.busy, pages=pages, filters={"status": "failed"}
        )
    return taken


def check(size: str, shelf: Shelf) -> Check:
    """Whether the log holds what it was filled with; each page was compared with it when it was fetched."""
    expected = (Decimal(shelf.rows),) * 2
    return Check(what=f"{size} admin log: rows", found=sums(shelf.server, LOG_SUMS), expected=expected)
