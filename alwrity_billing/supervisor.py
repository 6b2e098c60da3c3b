"""Several programs as one: they start together, their output is one stream, and no one outlives the others.

Stopping is asked for by SIGINT or SIGTERM; every program then gets SIGTERM, and SIGKILL after honcho's five
seconds. When one ends by itself the others are stopped. When this process is killed outright, the guard
(`alwrity_billing.lifeline`) stops them; that works by process ids alone, so alike on Linux and macOS.
"""

import fcntl
import multiprocessing
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from honcho.manager import SIGNALS, SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer

from alwrity_billing import lifeline

ASKED_TO_STOP = {each["rc"] for each in SIGNALS.values()}
STOPPED = re.compile(r"(?P<name>\S+) stopped \(rc=(?P<code>-?\d+)\)")


@dataclass(frozen=True)
class Program:
    """One command to keep running, as a list of words."""

    name: str
    command: Sequence[str]


@dataclass(frozen=True)
class Death:
    """The program that ended by itself, and its exit code; negative for the signal that killed it."""

    name: str
    exit_code: int


class AlreadyRunning(Exception):
    """Another supervisor works in the same folder."""


def run(
    programs: Sequence[Program],
    *,
    folder: Path,
    environment: Mapping[str, str],
    embedded_in: Path | None,
    output: TextIO,
) -> Death | None:
    """Run `programs` until told to stop (returns None) or until one ends by itself (returns which).

    `folder` keeps their process ids; hold it with `alone_in` before. `embedded_in` is the data folder of the
    embedded PostgreSQL when that is in use. Blocks; call from the main thread.
    """
    # A fresh interpreter per program, as on macOS: a fork would copy our threads' locks and open sockets.
    multiprocessing.set_start_method("spawn", force=True)
    transcript = Transcript(output)
    manager = Manager(transcript)
    for program in programs:
        manager.add_process(program.name, _with_pid_file(program, folder), env=dict(environment))
    with _guarded(folder, embedded_in, environment):
        manager.loop()
    return None if manager.returncode in ASKED_TO_STOP else transcript.first_death


class Transcript(Printer):  # type: ignore[misc]  # honcho carries no types
    """honcho's output, remembering the first program that stopped."""

    first_death: Death | None = None

    def write(self, message: Message) -> None:
        """Print one message of a program, or of honcho itself."""
        if message.name == SYSTEM_PRINTER_NAME and self.first_death is None:
            found = STOPPED.match(str(message.data))
            self.first_death = Death(found["name"], int(found["code"])) if found else None
        super().write(message)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make `folder` and hold it for one supervisor; raises AlreadyRunning when another holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            raise AlreadyRunning from held
        for stale in folder.glob("*.pid"):
            stale.unlink()
        yield


@contextmanager
def _guarded(folder: Path, embedded_in: Path | None, environment: Mapping[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", lifeline.__name__, str(os.getpid()), str(folder)]
    if embedded_in:
        command.append(str(embedded_in))
    guard = subprocess.Popen(  # noqa: S603
        command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        guard.terminate()
        guard.wait()


def _with_pid_file(program: Program, folder: Path) -> str:
    pid_file = shlex.quote(str(folder / f"{program.name}.pid"))
    return f"echo $$ > {pid_file} && exec {shlex.join(program.command)}"
