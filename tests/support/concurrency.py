"""Racing real connections, and killing one in the middle of its transaction."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection

Answer = TypeVar("Answer")

PATIENCE_S = 60


def at_once(act: Callable[[int], Answer], *, times: int) -> list[Answer]:
    """Call `act` with 0, 1, … in threads that start together, each on its own connection; their answers."""
    start = threading.Barrier(times)
    answers: list[Answer] = []

    def one(number: int) -> None:
        try:
            start.wait(PATIENCE_S)
            answers.append(act(number))
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@contextmanager
def holding(statement: str) -> Iterator[Callable[[], None]]:
    """Keep the locks that `statement` takes, on a connection of its own, until the function is called."""
    session = connection.copy()
    try:
        session.set_autocommit(False)
        with session.cursor() as cursor:
            cursor.execute(statement)
        yield session.rollback
    finally:
        session.close()


def kill_while_blocked(act: Callable[[], Any]) -> Exception | None:
    """Run `act` in a thread, end its server session once it waits for a lock; the exception it died of."""
    failures: list[Exception] = []

    def one() -> None:
        try:
            act()
        except Exception as failure:
            failures.append(failure)
        finally:
            connection.close()

    thread = threading.Thread(target=one)
    thread.start()
    terminate(wait_for_blocked_session())
    thread.join(PATIENCE_S)
    return failures[0] if failures else None


def other_sessions() -> set[int]:
    """The ids of the server sessions of our database that are somebody's, but not ours.

    The server's own, as a vacuum that may take minutes, are not among them.
    """
    with connection.cursor() as cursor:
        # Inside a transaction the view would answer from its first look.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return {pid for (pid,) in cursor.fetchall()}


def wait_for_blocked_session() -> int:
    """The id of the one server session of our database that waits for a lock."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            # Inside a transaction the view would answer from its first look.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT pid FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if found := cursor.fetchone():
                return int(found[0])
        time.sleep(0.01)
    raise AssertionError("no session is waiting for a lock")


def terminate(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
