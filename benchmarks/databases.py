"""The benchmark's own databases on the configured server: made, cloned, settled and dropped again."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from benchmarks.workload import ACCOUNTS, LATEST_ARRIVAL, external_id
from usage import keys, partitions
from usage.actors import SYSTEM
from usage.models import Account, Scope

PREFIX = "bench_"
SHOWN_SETTINGS = ("server_version", "shared_buffers", "max_wal_size", "wal_compression", "fsync")


class NotMeasurable(Exception):
    """Something about the server would make the numbers meaningless; the message says what."""


@contextmanager
def fresh_database(name: str, *, template: str = "") -> Iterator[None]:
    """Point Django at a new, migrated database called `name`; drop it in the end. With a `template`, a copy
    of that database, which nobody else may use meanwhile, with what it lacks of the migrations.

    A leftover of that name from a run that was killed is replaced. Raises NotMeasurable for a name that is
    not the benchmark's.
    """
    if not name.startswith(PREFIX):
        raise NotMeasurable(
            f"The benchmark's database is dropped in the end: its name must begin with {PREFIX}."
        )
    before = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"].update(NAME=name, TEMPLATE=template or None)
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)


@contextmanager
def clone(suffix: str) -> Iterator[str]:
    """Copy Django's database, which nobody else may use meanwhile; yields the name, drops it in the end."""
    connection.creation.clone_test_db(suffix, verbosity=0, autoclobber=True)
    try:
        yield connection.creation.get_test_db_clone_settings(suffix)["NAME"]
    finally:
        connection.creation.destroy_test_db(verbosity=0, suffix=suffix)


@contextmanager
def pointed_at(name: str) -> Iterator[None]:
    """Point Django at another database on the same server, and back in the end."""
    before = connection.settings_dict["NAME"]
    connect_to(name)
    try:
        yield
    finally:
        connect_to(before)


def connect_to(name: str) -> None:
    """Point this process's Django at database `name`."""
    connection.close()
    connection.settings_dict["NAME"] = name


def furnish() -> str:
    """Prices, accounts and partitions in Django's database; returns a service key that may send usage."""
    now = timezone.now()
    call_command("load_prices", verbosity=0)
    partitions.ensure([now - 2 * LATEST_ARRIVAL])
    partitions.ensure_ahead(at=now, months=1)
    Account.objects.bulk_create(
        Account(external_id=external_id(number), name=external_id(number)) for number in range(ACCOUNTS)
    )
    return keys.issue(name="benchmark", account=None, scopes=[Scope.INGEST], at=now, by=SYSTEM).plain


def url_of(database: str) -> str:
    """The address of another database on the configured server."""
    return urlsplit(settings.DATABASE_URL)._replace(path=f"/{database}").geturl()


def session(database: str) -> "psycopg.Connection[Any]":
    """A connection of its own, outside Django, each statement committed."""
    return psycopg.connect(url_of(database), autocommit=True)


def settle(server: "psycopg.Connection[Any]") -> None:
    """Do now what autovacuum and the checkpointer would otherwise do while the clock runs."""
    server.execute("VACUUM (ANALYZE)")
    server.execute("CHECKPOINT")


def check_durability(server: "psycopg.Connection[Any]") -> None:
    """Raise NotMeasurable unless an answered commit survives a crash, as it must in production."""
    for name in ("synchronous_commit", "fsync", "full_page_writes"):
        if show(server, name) != "on":
            raise NotMeasurable(f"{name} is not on: rates without it say nothing about production.")


def show(server: "psycopg.Connection[Any]", name: str) -> str:
    row = server.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""


def surroundings(server: "psycopg.Connection[Any]", *, processors: int) -> dict[str, str]:
    """What the numbers were measured on."""
    found = {name: show(server, name) for name in SHOWN_SETTINGS}
    return {
        "machine": f"{platform.system()} {platform.machine()}, {processors} processors",
        "python": platform.python_version(),
        **found,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Bytes per million events, indexes included, by what they hold."""

    log: float
    log_indexes: float
    keys: float
    summaries: float
    rollups: float

    @property
    def log_and_keys(self) -> float:
        """Log, its indexes, and the event keys: what grows with every event."""
        return self.log + self.log_indexes + self.keys

    def as_dict(self) -> dict[str, float]:
        """All of it, by name."""
        return asdict(self) | {"log_and_keys": self.log_and_keys}


MEASURE_STORAGE = """
SELECT (SELECT sum(pg_table_size(relid)) FROM pg_partition_tree('api_usage_logs') WHERE isleaf),
       (SELECT sum(pg_indexes_size(relid)) FROM pg_partition_tree('api_usage_logs') WHERE isleaf),
       pg_total_relation_size('usage_event_keys'),
       pg_total_relation_size('usage_summaries'),
       pg_total_relation_size('usage_rollups')
"""


def storage(server: "psycopg.Connection[Any]", *, events: int) -> Storage:
    """What `events` recorded events take up."""
    row = server.execute(MEASURE_STORAGE).fetchone()
    assert row is not None
    log, log_indexes, event_keys, summaries, rollups = (int(size) / events * 1e6 for size in row)
    return Storage(log=log, log_indexes=log_indexes, keys=event_keys, summaries=summaries, rollups=rollups)
