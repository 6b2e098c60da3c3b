"""The database for work that must not be part of anybody else's transaction, nor wait on an event loop.

Threads of its own, each with a connection of its own outside Django's pool: what is done here is committed
when it returns, whatever the caller's transaction comes to, and callers who hold all connections of the pool
cannot keep it waiting.
"""

import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    connection,
    connections,
)
from django.db.backends.base.base import BaseDatabaseWrapper

from usage.core.errors import EnforcementUnavailable
from usage.metering import forks

T = TypeVar("T")

# What says that the database is away, or (InternalError) that it takes no writes just now.
OUTAGES: tuple[type[DatabaseError | InterfaceError], ...] = (OperationalError, InterfaceError, InternalError)
# A server that vanished without a word must not keep a thread for longer than these (libpq's options).
PATIENCE = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "keepalives_idle": 10}


class DatabaseThreads:
    """Up to `threads` threads that work with the database. Safe to share, and to fork with.

    `close` ends them; so does the last reference to this, and the end of the process.
    """

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._inherited: list[object] = []
        self._start_afresh()
        forks.watch(self)

    def run(
        self,
        work: Callable[[], T],
        *,
        timeout_s: float,
        unclaimed: Callable[[T], object] | None = None,
    ) -> T:
        """The result of `work`, which is done in one of the threads; again if its connection turns out dead,
        so it must be harmless to repeat.

        Raises EnforcementUnavailable when the database does not answer, or not within `timeout_s`. Work that
        was begun by then goes on, and what it returns goes to `unclaimed`.
        """
        try:
            pending = self._executor.submit(_done, work)
        except RuntimeError as closed:
            raise EnforcementUnavailable("The meter is closed: no work is taken any more.") from closed
        if not wait([pending], timeout_s).done:
            if not pending.cancel():
                _leave(pending, unclaimed)
            raise EnforcementUnavailable(f"The database did not answer within {timeout_s:g} seconds.")
        try:
            return pending.result()
        except OUTAGES as outage:
            # The text of a database's error can quote what was written.
            raise EnforcementUnavailable(
                f"The database does not answer just now ({type(outage).__name__})."
            ) from outage

    def close(self) -> None:
        """Finish what was begun, and end the threads and their connections."""
        self._executor.shutdown(wait=True)
        self._finalizer()

    def before_fork(self) -> None:
        """Nothing: threads and connections stay this process's."""

    def after_fork(self, *, in_child: bool) -> None:
        if in_child:
            # Closing the parent's connections from here would end them for the parent, so they are kept.
            self._inherited.append(self._finalizer.detach())
            self._start_afresh()

    def _start_afresh(self) -> None:
        opened: list[BaseDatabaseWrapper] = []
        self._executor = ThreadPoolExecutor(
            max_workers=self._threads,
            thread_name_prefix="usage-meter",
            initializer=_connect_apart,
            initargs=(opened,),
        )
        self._finalizer = weakref.finalize(self, _end, self._executor, opened)


def _connect_apart(opened: list[BaseDatabaseWrapper]) -> None:
    """Give this thread a connection outside the pool, which another thread may close in the end."""
    own: Any = connections[DEFAULT_DB_ALIAS].copy()
    options = own.settings_dict["OPTIONS"]
    options.pop("pool", None)
    own.settings_dict["OPTIONS"] = PATIENCE | options
    own.inc_thread_sharing()
    connections[DEFAULT_DB_ALIAS] = own
    opened.append(own)


def _end(executor: ThreadPoolExecutor, opened: list[BaseDatabaseWrapper]) -> None:
    executor.shutdown(wait=False)
    for one in opened:
        one.close()


def _done(work: Callable[[], T]) -> T:
    was_open = connection.connection is not None
    try:
        return work()
    except OUTAGES:
        if not (_drop_if_dead() and was_open):
            raise
    return work()


def _drop_if_dead() -> bool:
    """Whether there is no connection (any more); one that died is replaced at the next use."""
    session = connection.connection
    if session is not None and session.closed:
        connection.close()
    return connection.connection is None


def _leave(pending: Future[T], unclaimed: Callable[[T], object] | None) -> None:
    if unclaimed is not None:
        pending.add_done_callback(lambda done: done.exception() or unclaimed(done.result()))
