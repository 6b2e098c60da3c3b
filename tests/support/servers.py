"""A PostgreSQL server of a test's own, which may be stopped in the middle of everything."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dj_database_url
import psycopg
from django.core.management import call_command
from django.db import connection

from alwrity_billing import postgres_server
from tests.support.processes import PROJECT, is_alive, wait_until

STOP_PATIENCE_S = 30
# Keeps the embedded server of a folder up until its standard input closes; says where it is.
KEEPER = """
import sys
from pathlib import Path
from alwrity_billing import embedded
print(embedded.database_url(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


class OwnServer:
    """The embedded server of a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._keeper: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """Start the server, which recovers first when it was stopped in the middle of its work."""
        last = self._keeper
        self._keeper = subprocess.Popen(
            [sys.executable, "-c", KEEPER, str(self._data_dir)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._keeper.stdout
        self.url = self._keeper.stdout.readline().strip()
        assert self.url, "the server did not start"
        if last:
            last.communicate(timeout=STOP_PATIENCE_S)

    def stop_immediately(self) -> None:
        """What `pg_ctl stop -m immediate` does: no session ends its work, nothing more is written."""
        pid = int((self._data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGQUIT)
        assert wait_until(lambda: not is_alive(pid), seconds=STOP_PATIENCE_S), "the server does not stop"

    def leave(self) -> None:
        """Let the server stop for good."""
        if self._keeper:
            self._keeper.communicate(timeout=STOP_PATIENCE_S)


@contextmanager
def own_server(data_dir: Path, *, database: str, like: str = "") -> Iterator[OwnServer]:
    """Django works with the empty, migrated `database` of a server in `data_dir` until the block ends.

    The name must be no other database's: this process remembers databases by it. `like` is the address of one
    that is empty and migrated: copying that is quicker than migrating anew.
    """
    server = OwnServer(data_dir)
    before = dict(connection.settings_dict)
    try:
        server.start()
        with psycopg.connect(server.url, autocommit=True) as session:
            session.execute(f'CREATE DATABASE "{database}"')
        connection.close()
        url = server.url.replace("/alwrity_billing?", f"/{database}?")
        connection.settings_dict.update(dj_database_url.parse(url))
        if like:
            _copy(like, url)
        else:
            call_command("migrate", verbosity=0)
        # The price book is remembered by the id of its newest row.
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE api_provider_pricing ALTER id RESTART WITH 1000000")
        yield server
    finally:
        connection.close()
        connection.settings_dict.update(before)
        server.leave()


def _copy(database: str, into: str) -> None:
    """Both are addresses; the second database is empty."""
    dump, restore = (postgres_server.binaries() / program for program in ("pg_dump", "psql"))
    text = subprocess.run([dump, "--no-owner", database], check=True, stdout=subprocess.PIPE).stdout
    options = ["--quiet", "--single-transaction", "--set", "ON_ERROR_STOP=1", "--no-psqlrc"]
    subprocess.run([restore, *options, into], input=text, check=True, stdout=subprocess.DEVNULL)
