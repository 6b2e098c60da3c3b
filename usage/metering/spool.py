"""Usage on disk until it is delivered: a queue in one SQLite file, shared by threads and processes.

An event is durable when `put` returns: a crash, a `kill -9` or a power cut after that does not lose it.
Everything else may be undone by a power cut without harm, because delivering an event again changes nothing.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from usage.core.errors import InvalidRequest, TrackingException
from usage.events import UsageEvent
from usage.metering import forks

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
MIN_MAX_BYTES = 64 * 1024
# Kept free for the calls that are already under way when new ones begin to be refused.
RESERVE_SHARE = 4
# How long one process waits for another's write.
BUSY_TIMEOUT_S = 10
BUSY_POLL_S = 0.02
# SQLite puts details of an error into the bits above these.
PRIMARY_CODE = 0xFF
WAL_KEPT_BYTES = 4 * 1024 * 1024
OWNER_ONLY = 0o600
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)

TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS parked (
    number INTEGER PRIMARY KEY, event BLOB NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS lease (
    only INTEGER PRIMARY KEY CHECK (only = 1), owner TEXT NOT NULL, expires_at REAL NOT NULL
);
COMMIT;
"""
PUT = "INSERT INTO waiting (event) VALUES (?)"
OLDEST = "SELECT number, event FROM waiting ORDER BY number LIMIT ?"
REMOVE = "DELETE FROM waiting WHERE number = ?"
PARK = """
INSERT OR REPLACE INTO parked (number, event, code, message)
SELECT number, event, ?, ? FROM waiting WHERE number = ?
"""
PUT_LAST = "INSERT INTO waiting (event) SELECT event FROM waiting WHERE number = ?"
RESEND = "INSERT INTO waiting (event) SELECT event FROM parked ORDER BY number"
LIST_PARKED = "SELECT number, event, code, message FROM parked WHERE number > ? ORDER BY number LIMIT ?"
# A lease that ends later than any could comes from a clock that was since set back.
TAKE_LEASE = """
INSERT INTO lease (only, owner, expires_at) VALUES (1, :owner, :until)
ON CONFLICT (only) DO UPDATE SET owner = :owner, expires_at = :until
WHERE owner = :owner OR expires_at <= :now OR expires_at > :until
"""


class SpoolFull(TrackingException):
    """The spool has reached its bound, or the disk has: the event is not kept."""

    code = "spool_full"
    status = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """An event that waits; `number` grows in order of arrival."""

    number: int
    event: UsageEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why the event `number` will not be taken."""

    number: int
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An event that was refused and is kept; `event` is its JSON."""

    number: int
    event: bytes
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    waiting: int
    parked: int


class Spool:
    """The queue in the file `path`, which is made if it is missing and readable to its owner alone.

    At most `max_bytes` of it are in use. The folder must be on a local disk. Every method raises
    TrackingException (`spool_failed`) when the file cannot be used.
    """

    def __init__(self, path: Path | str, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        if max_bytes < MIN_MAX_BYTES:
            raise InvalidRequest(f"max_bytes is {max_bytes}: a spool takes at least {MIN_MAX_BYTES} bytes.")
        self.path = Path(path)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        forks.watch(self)

    def __repr__(self) -> str:
        return f"Spool({str(self.path)!r})"

    def put(self, event: UsageEvent) -> None:
        """Keep `event`, durably; raises SpoolFull when it does not fit any more."""
        with self._writing(durable=True) as connection:
            connection.execute(PUT, [msgspec.json.encode(event)])
            if used_bytes(connection) > self._max_bytes:
                raise self._full()

    def has_room(self) -> bool:
        """Whether calls may begin whose events come here later: the reserve is not touched yet."""
        with self._reading() as connection:
            return used_bytes(connection) <= self._max_bytes - self._max_bytes // RESERVE_SHARE

    def is_empty(self) -> bool:
        """Whether nothing waits; parked events do not count."""
        with self._reading() as connection:
            return connection.execute(OLDEST, [1]).fetchone() is None

    def counts(self) -> Counts:
        with self._reading() as connection:
            query = "SELECT (SELECT count(*) FROM waiting), (SELECT count(*) FROM parked)"
            waiting, parked = connection.execute(query).fetchone()
            return Counts(waiting=waiting, parked=parked)

    def oldest(self, limit: int) -> list[Spooled]:
        """Up to `limit` waiting events in order of arrival; one that cannot be read any more is parked."""
        while True:
            with self._reading() as connection:
                rows = connection.execute(OLDEST, [limit]).fetchall()
            readable, unreadable = decoded(rows)
            if unreadable:
                self.conclude(parked=unreadable)
            # An empty answer means an empty spool, so one full of unreadable events is looked at again.
            if readable or not rows:
                return readable

    def conclude(self, *, delivered: Sequence[int] = (), parked: Sequence[Refused] = ()) -> None:
        """Forget the delivered events, and keep the refused ones apart with the reason."""
        with self._writing() as connection:
            connection.executemany(PARK, [(one.code, one.message, one.number) for one in parked])
            gone = [*delivered, *(one.number for one in parked)]
            connection.executemany(REMOVE, [(number,) for number in gone])

    def defer(self, number: int) -> None:
        """Let the waiting event `number` wait behind all others."""
        with self._writing() as connection:
            connection.execute(PUT_LAST, [number])
            connection.execute(REMOVE, [number])

    def parked(self, *, after: int = 0, limit: int = 100) -> list[Parked]:
        """Refused events in order of arrival, those after the number `after`."""
        with self._reading() as connection:
            rows = connection.execute(LIST_PARKED, [after, limit]).fetchall()
        return [
            Parked(number=number, event=event, code=code, message=message)
            for number, event, code, message in rows
        ]

    def resend(self) -> int:
        """Let all parked events wait again, behind the others; how many these are."""
        with self._writing() as connection:
            count = connection.execute(RESEND).rowcount
            connection.execute("DELETE FROM parked")
        return count

    def lease(self, owner: str, *, at: datetime, duration: timedelta) -> bool:
        """Whether `owner` alone may deliver from `at` on for `duration`; renews a lease it has."""
        times = {"now": at.timestamp(), "until": (at + duration).timestamp()}
        with self._writing() as connection:
            return connection.execute(TAKE_LEASE, {"owner": owner, **times}).rowcount == 1

    def leased_to(self) -> str:
        """Who has the lease, run out or not; empty when nobody has it."""
        with self._reading() as connection:
            row = connection.execute("SELECT owner FROM lease").fetchone()
            return "" if row is None else str(row[0])

    def return_lease(self, owner: str) -> None:
        """Let others deliver, if it is `owner` who may."""
        with self._writing() as connection:
            connection.execute("DELETE FROM lease WHERE owner = ?", [owner])

    def close(self) -> None:
        """Close the file. A later use opens it again."""
        with self._lock:
            self._disconnect()

    def before_fork(self) -> None:
        self._lock.acquire()
        self._disconnect()

    def after_fork(self, *, in_child: bool) -> None:
        self._lock.release()

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when it ends if it is `durable`."""
        with self._reading() as connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = connect(self.path)
                yield self._connection
            except (sqlite3.Error, OSError) as failure:
                self._disconnect()
                raise self._failed(failure) from failure

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _failed(self, failure: Exception) -> TrackingException:
        if getattr(failure, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return self._full()
        return TrackingException(
            f"The spool {self.path} cannot be used: {failure}. It takes a file that this process may write, "
            "on a local disk.",
            code="spool_failed",
        )

    def _full(self) -> SpoolFull:
        return SpoolFull(
            f"The spool {self.path} is full: deliver what waits in it, see to its parked events, or give it "
            f"more than {self._max_bytes} bytes."
        )


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the queue in `path`, which is made if need be."""
    make_private(path)
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=32
    )
    try:
        write_ahead(connection)
        connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        connection.executescript(TABLES)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log; for others who do the same at once, SQLite does not wait by itself."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as failure:
            if failure.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(BUSY_POLL_S)


def make_private(path: Path) -> None:
    """Make sure that `path` is there, for its owner alone; SQLite gives the files beside it the same mode.

    A file that exists is never opened here: closing it again would drop the locks that SQLite holds on it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
    path.chmod(OWNER_ONLY)


def decoded(rows: Sequence[tuple[int, bytes]]) -> tuple[list[Spooled], list[Refused]]:
    """The events of `rows`, and those that are none (any more)."""
    readable: list[Spooled] = []
    unreadable: list[Refused] = []
    for number, raw in rows:
        try:
            readable.append(Spooled(number=number, event=msgspec.json.decode(raw, type=UsageEvent)))
        except UNREADABLE as wrong:
            unreadable.append(Refused(number=number, code="event_unreadable", message=str(wrong)))
    return readable, unreadable


def used_bytes(connection: sqlite3.Connection) -> int:
    """The size of what the file holds, without the pages that are free again."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
