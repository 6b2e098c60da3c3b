"""Client processes that can be killed at any moment, and what they were told until then."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection, connections
from psycopg import errors

Answer = TypeVar("Answer")
Tell = Callable[[str], None]
# What a client does: it gets its number, and a function that writes down a line for good.
Act = Callable[[int, Tell], None]

END_PATIENCE_S = 60
OUTAGE_PATIENCE_S = 60
# Clients that knock too often keep a server from coming back.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.8
COMPLAINTS = (errors.DeadlockDetected, errors.SerializationFailure)
AWAY = "away"
FAILED = "failed: "


@dataclass(frozen=True)
class Client:
    """One process, and the file it writes to; a line that was written survives the process."""

    number: int
    process: ForkProcess
    notes: Path

    def told(self) -> list[str]:
        """The lines it has written so far."""
        lines = self.notes.read_text(encoding="utf-8").split("\n") if self.notes.exists() else [""]
        return lines[:-1]

    def kill(self) -> None:
        self.process.kill()


@contextmanager
def clients(act: Act, *, count: int, folder: Path) -> Iterator[list[Client]]:
    """`count` forked processes that begin `act` together once all exist, and have ended when the block has.

    Each writes into a file of its own in `folder`, also the exception it ends with. The caller runs no
    threads of its own yet.
    """
    context = multiprocessing.get_context("fork")
    connections.close_all()
    gate, opener = os.pipe()

    def run(number: int, notes: Path) -> None:
        os.close(opener)
        os.read(gate, 1)  # Returns when nobody holds the other end any more.
        descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            act(number, lambda line: _write(descriptor, line))
        except BaseException as failure:
            cause = traceback.extract_tb(failure.__traceback__)[-1]
            _write(descriptor, f"{FAILED}{failure!r} in {cause.name}".replace("\n", " "))
        finally:
            connections.close_all()

    started = []
    try:
        for number in range(count):
            notes = folder / f"client-{number:02d}"
            process = context.Process(target=run, args=(number, notes))
            process.start()
            started.append(Client(number, process, notes))
        os.close(opener)
        yield started
        wait_for_the_end(started)
    finally:
        os.close(gate)
        for client in started:
            client.kill()
            client.process.join()


def wait_for_the_end(those: list[Client], *, seconds: float = END_PATIENCE_S) -> None:
    """Wait until all have ended, or were killed."""
    deadline = time.monotonic() + seconds
    for client in those:
        client.process.join(max(deadline - time.monotonic(), 0))
        assert not client.process.is_alive(), f"client {client.number} does not end"


def reconnecting(act: Callable[[], Answer], tell: Tell) -> Answer:
    """What `act` returns, called anew for as long as the database is away; tells of each time that it was.

    A database that is there and complains (of a deadlock, say) is not away: that is raised.
    """
    deadline = time.monotonic() + OUTAGE_PATIENCE_S
    pause = FIRST_PAUSE_S
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError) as away:
            connection.close()
            if isinstance(away.__cause__, COMPLAINTS) or time.monotonic() > deadline:
                raise
        tell(AWAY)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def all_told(those: list[Client]) -> list[str]:
    """What all of them wrote down so far; raises when one of them ended with an exception."""
    lines = [line for client in those for line in client.told()]
    failures = [line for line in lines if line.startswith(FAILED)]
    assert not failures, failures
    return lines


def _write(descriptor: int, line: str) -> None:
    os.write(descriptor, f"{line}\n".encode())
