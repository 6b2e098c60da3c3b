"""A meter's blocking work for callers under asyncio or trio."""

import asyncio
import contextvars
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

# As many calls may wait for the meter at once; more queue up.
MAX_THREADS = 32


def _new_pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=MAX_THREADS, thread_name_prefix="metering")


class _Pool:
    """The one pool of this process; threads do not survive a fork, so that a child starts its own."""

    executor = _new_pool()


def _renew() -> None:
    _Pool.executor = _new_pool()


os.register_at_fork(after_in_child=_renew)


async def run(work: Callable[[], T], *, unclaimed: Callable[[T], object] | None = None) -> T:
    """The result of `work`, done in a thread and always to its end.

    It runs in a copy of the caller's context and is handed over before the first await, so that no
    cancellation can prevent it. A task that is cancelled while it waits goes on at once; what `work` returns
    then goes to `unclaimed`.
    """
    pending = _Pool.executor.submit(contextvars.copy_context().run, work)
    try:
        return await _wait(pending)
    except BaseException:
        if unclaimed is not None:
            pending.add_done_callback(lambda done: done.exception() or unclaimed(done.result()))
        raise


async def _wait(pending: Future[T]) -> T:
    # anyio's own cancellation (a scope, a task group) waits; asyncio's cannot be made to.
    with anyio.CancelScope(shield=True):
        if _is_asyncio():
            await asyncio.shield(asyncio.wrap_future(pending))
        else:
            await anyio.to_thread.run_sync(pending.result)
    return pending.result()


def _is_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
