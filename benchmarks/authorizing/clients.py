"""Clients as processes, one each, so that none waits for another one's interpreter."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from random import Random
from threading import BrokenBarrierError

from benchmarks.authorizing.load import CLIENTS, Load
from benchmarks.databases import connect_to
from benchmarks.processes import prepared
from benchmarks.timing import Turn

# Opens whatever a client needs and gives the function that sends one request, drawn by the given randomness.
# It goes to another process, so it must be a module's function or a `partial` of one.
Client = Callable[[Random], AbstractContextManager[Callable[[], object]]]

START_TIMEOUT_S = 120

_starts: dict[int, Barrier] = {}


@dataclass(frozen=True, slots=True)
class Clients:
    """As many waiting processes as the heaviest load has clients."""

    pool: ProcessPoolExecutor

    def take_turns(self, client: Client, load: Load, *, seed: int) -> list[Turn]:
        """Every request of all clients that counts; they start together. Raises what a client raised."""
        futures = [
            self.pool.submit(take_turns, client, load, seed=f"{seed}.{number}")
            for number in range(load.clients)
        ]
        wait(futures)
        raise_first_cause(futures)
        return [turn for future in futures for turn in future.result()]


@contextmanager
def waiting(database: str) -> Iterator[Clients]:
    """Client processes whose Django talks to `database`; they end with the block."""
    context = prepared()
    starts = {count: context.Barrier(count) for count in CLIENTS}
    with ProcessPoolExecutor(
        max_workers=max(CLIENTS), mp_context=context, initializer=prepare, initargs=(database, starts)
    ) as pool:
        yield Clients(pool)


def prepare(database: str, starts: Mapping[int, Barrier]) -> None:
    """What a client process does first. Ctrl-C is for the process that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connect_to(database)
    _starts.update(starts)


def take_turns(client: Client, load: Load, *, seed: str) -> list[Turn]:
    """One client's share, after its warm-up and as soon as all the others are warm."""
    start = _starts[load.clients]
    try:
        with client(Random(seed)) as send:
            for _ in range(load.warm_up):
                send()
            start.wait(START_TIMEOUT_S)
            return [turn_of(send) for _ in range(load.share)]
    except BaseException:
        start.abort()
        raise


def turn_of(send: Callable[[], object]) -> Turn:
    started = time.perf_counter()
    send()
    return Turn(started, time.perf_counter())


def raise_first_cause(futures: list["Future[list[Turn]]"]) -> None:
    """Raise what went wrong in a client, rather than that others then waited for it in vain."""
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
        raise error
