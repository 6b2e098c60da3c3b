"""Many real connections at once, and an observer of the limits meanwhile."""

import fcntl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from django.conf import settings
from django.db import connection

from tests.support.cast import NOW
from tests.support.concurrency import other_sessions

Answer = TypeVar("Answer")

START_PATIENCE_S = 30
CROWD_PATIENCE_S = 300
POLL_S = 0.02
# Between two looks: an observer that never rests takes a processor from those it observes.
PAUSE_S = 0.005
LOOK = """
SELECT counting.name, counting.amount, counting.held + counting.used + usage_still_counted(
    counting.previous, counting.window_name, counting.window_start, %(at)s
)
FROM accounts, usage_limits_at(accounts.id, %(at)s) counting
"""


@contextmanager
def crowd() -> Iterator[None]:
    """The right to open dozens of connections; one test at a time has it, whatever process it runs in. They
    stay open until the block ends.
    """
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + CROWD_PATIENCE_S
    with (settings.DATA_DIR / "crowd.lock").open("a+") as lock:
        while True:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                assert time.monotonic() < deadline, "another test keeps its crowd of connections"
                time.sleep(POLL_S)
        with _clients() as clients:
            _present.append(clients)
            try:
                yield
            finally:
                _present.remove(clients)


class Clients:
    """Threads with a connection each, which last from one race to the next: making a connection costs the
    server more than most calls do.
    """

    def __init__(self) -> None:
        self._tasks: list[SimpleQueue[Callable[[], None] | None]] = []
        self._threads: list[threading.Thread] = []
        self._finished = SimpleQueue[None]()

    def run(self, work: Callable[[int], None], *, count: int) -> None:
        """Call `work`, which raises nothing, with 0, 1, … `count` - 1 at once; return when all did."""
        while len(self._threads) < count:
            tasks = SimpleQueue[Callable[[], None] | None]()
            thread = threading.Thread(target=self._serve, args=(tasks,))
            self._tasks.append(tasks)
            self._threads.append(thread)
            thread.start()
        for client in range(count):
            self._tasks[client].put(partial(work, client))
        for _ in range(count):
            self._finished.get()

    def leave(self) -> None:
        for tasks in self._tasks:
            tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self, tasks: "SimpleQueue[Callable[[], None] | None]") -> None:
        try:
            while (task := tasks.get()) is not None:
                task()
                self._finished.put(None)
        finally:
            connection.close()


# Those of the crowd that this process has, if it has one.
_present: list[Clients] = []


@contextmanager
def _clients() -> Iterator[Clients]:
    """The crowd's, or some for this race alone."""
    if _present:
        yield _present[-1]
        return
    clients = Clients()
    try:
        yield clients
    finally:
        clients.leave()


def by_clients(act: Callable[[int], Answer], *, times: int, clients: int) -> list[Answer]:
    """Call `act` with 0, 1, … `times` - 1, shared out to `clients` threads that start together, each with a
    connection of its own; the answers in that order. The first exception of a client is raised.
    """
    start = threading.Barrier(clients)
    answers: dict[int, Answer] = {}
    failures: list[BaseException] = []

    def work(client: int) -> None:
        try:
            connection.ensure_connection()
            start.wait(START_PATIENCE_S)
            for number in range(client, times, clients):
                answers[number] = act(number)
        except BaseException as failure:
            failures.append(failure)
            start.abort()
            connection.close()

    with _clients() as those:
        those.run(work, count=clients)
    if failures:
        raise failures[0]
    return [answers[number] for number in range(times)]


def together(*acts: Callable[[], Answer]) -> list[Answer]:
    """Run all of `acts` at once, each on a connection of its own; their answers in the same order."""
    return by_clients(lambda number: acts[number](), times=len(acts), clients=len(acts))


@dataclass
class Seen:
    """What an observer saw: the most that was used and held of each limit, and of how many limits at least.

    `excesses` says where more than a blocking amount was used or held.
    """

    looks: int = 0
    peaks: dict[str, Decimal] = field(default_factory=dict)
    fewest_limits: int | None = None
    excesses: set[str] = field(default_factory=set)

    def add(self, rows: list[tuple[str, Decimal | None, Decimal]]) -> None:
        self.looks += 1
        known = len(rows) if self.fewest_limits is None else self.fewest_limits
        self.fewest_limits = min(known, len(rows))
        for name, amount, taken in rows:
            self.peaks[name] = max(self.peaks.get(name, taken), taken)
            if amount is not None and taken > amount:
                self.excesses.add(f"{name}: {taken} of {amount}")


@contextmanager
def watched(*, clock: Callable[[], datetime] = lambda: NOW) -> Iterator[Seen]:
    """Look at the limits of all accounts, on a connection of its own, over and over until the block ends, and
    once more then.
    """
    seen, over, failures = Seen(), threading.Event(), list[BaseException]()

    def look() -> None:
        try:
            while True:
                last = over.is_set()
                with connection.cursor() as cursor:
                    cursor.execute(LOOK, {"at": clock()})
                    seen.add(cursor.fetchall())
                if last:
                    return
                over.wait(PAUSE_S)
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
    if failures:
        raise failures[0]


def wait_until_alone(*, seconds: float = START_PATIENCE_S) -> None:
    """Wait until no other client is connected to our database: the server has noticed whoever died."""
    deadline = time.monotonic() + seconds
    while True:
        others = other_sessions()
        if not others:
            return
        assert time.monotonic() < deadline, f"{len(others)} sessions do not end"
        time.sleep(POLL_S)
