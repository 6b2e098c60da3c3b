"""Who closes: processes of their own, whose memory tells what closing needs, and what each of them does."""

import multiprocessing
import resource
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from multiprocessing.synchronize import Barrier
from pathlib import Path

from django.db import connection

from benchmarks.databases import connect_to
from benchmarks.timing import Turn
from subscriptions import month_close
from usage.models import APIUsageLog, BillingPeriod

# Periods that one run of `close_due` closes; the next run follows at once.
RUN = 500
START_TIMEOUT_S = 120
STATUS = Path("/proc/self/status")
COST_BY_ACCOUNT = "SELECT account_id, sum(cost) FROM api_usage_logs GROUP BY account_id"

# A module's function, for it goes to another process. Returns the cost of what it added up itself.
Work = Callable[[datetime], Decimal | None]

_starts: list[Barrier] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one process did: when, by how many bytes it grew at most, and the cost that it added up."""

    turn: Turn
    growth: int
    cost: Decimal | None


def at_work(work: Work, *, database: str, at: datetime, processes: int) -> list[Outcome]:
    """Let so many new processes do `work`, each on its own connection to `database`, from one moment on."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(processes)
    with ProcessPoolExecutor(
        max_workers=processes, mp_context=context, initializer=prepare, initargs=(database, start)
    ) as pool:
        return list(pool.map(measured, [work] * processes, [at] * processes))


def prepare(database: str, start: Barrier) -> None:
    """What a process does first. Ctrl-C is for the process that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connect_to(database)
    _starts.append(start)


def measured(work: Work, at: datetime) -> Outcome:
    """Do `work` once all the others are connected as well."""
    month_close.progress(at=at)
    (start,) = _starts
    start.wait(START_TIMEOUT_S)
    before, started = peak_memory(), time.perf_counter()
    cost = work(at)
    turn = Turn(started, time.perf_counter())
    return Outcome(turn=turn, growth=peak_memory() - before, cost=cost)


def close_all(at: datetime) -> None:
    """Close what is due at `at`, run by run, until nothing is."""
    while month_close.close_due(at=at, limit=RUN):
        pass


def add_up_in_python(at: datetime) -> Decimal:
    """The naive way to an invoice's usage: fetch the account's rows, and add up; nothing is written."""
    cost = Decimal(0)
    for period in BillingPeriod.objects.filter(period_end__lte=at):
        rows = APIUsageLog.objects.filter(
            account=period.account_id,
            billing_period=period,
            occurred_at__gte=period.period_start,
            occurred_at__lt=period.period_end,
        )
        groups: dict[tuple[str, str, int | None], Decimal] = defaultdict(Decimal)
        for row in rows:
            groups[row.provider, row.model, row.price_id] += row.cost
        cost += sum(groups.values())
    return cost


def add_up_in_sql(_: datetime) -> Decimal:
    """The least there is to do: each account's cost, in one statement that reads the whole log."""
    with connection.cursor() as cursor:
        cursor.execute(COST_BY_ACCOUNT)
        return sum((cost for _, cost in cursor.fetchall()), Decimal(0))


def peak_memory() -> int:
    """The most bytes of memory that this process has had so far."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In Linux the other count includes what the process that started this one had.
    status = dict(line.split(":", 1) for line in STATUS.read_text(encoding="ascii").splitlines())
    return int(status["VmHWM"].split()[0]) * 1024
