"""A database with all migrations applied, for the databases of tests to be copies of.

Migrating an empty one takes seconds of a processor, for each process of each run of the tests; copying takes
a moment. It is kept on the server, and made anew when a migration changes.
"""

import hashlib
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from tests.support.database import address
from tests.support.processes import PROJECT

PREFIX = "migrated_"
# Of processes that want it at once the first makes it. The number means nothing but this.
LOCK = 20_260_315


def database() -> str:
    """Its name."""
    name = PREFIX + _digest()
    with closing(psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        known = server.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
        others = {each for (each,) in known}
        if name in others:
            return name
        for other in others:
            server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(other)))
        # Under its name only once it is complete.
        unfinished = f"{PREFIX}unfinished"
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
        subprocess.run(
            [sys.executable, str(PROJECT / "manage.py"), "migrate", "--verbosity", "0"],
            env={**os.environ, "DATABASE_URL": address(unfinished)},
            check=True,
        )
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        server.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(name)))
    return name


def _digest() -> str:
    """Of what every migration says, our own and those of others."""
    migrations = MigrationLoader(None).disk_migrations
    files = sorted(str(sys.modules[each.__module__].__file__) for each in migrations.values())
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()[:16]
