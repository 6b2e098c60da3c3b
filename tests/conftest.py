"""What every test stands on: one PostgreSQL for all test processes, and nothing else from the machine.

The first process starts the server (embedded, under `var/test` unless DATA_DIR says otherwise) and hands its
address to the processes pytest-xdist starts, each of which makes a test database of its own; the server
stops when the first process ends. Settings are loaded here and not by pytest-django, which would load them
before this file has prepared the environment.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import django
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from psycopg import sql

from alwrity_billing import embedded
from subscriptions.stripe.simulator.server import Simulator
from tests.support import chromium_program
from tests.support.ports import free_port
from tests.support.processes import a_data_dir
from tests.support.redis_server import Redis

PROJECT = Path(__file__).resolve().parent.parent
LONGEST = (
    "tests/test_benchmarks.py",
    "tests/subscriptions/stripe/test_handlers.py::test_in_whatever_order",
    "tests/scenarios/test_two_years_of_invoices.py",
    "tests/scenarios/test_a_year_of_subscriptions.py",
)

# What is compiled once is compiled for the next run and for all processes that tests start; where the
# surroundings forbid it, a quarter of what these need to start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

os.environ.setdefault("DATA_DIR", str(PROJECT / "var" / "test"))
os.environ.update(
    DJANGO_SETTINGS_MODULE="alwrity_billing.settings",
    PRODUCTION="false",
    CELERY_BROKER_URL="",
    # Tests say themselves when a worker looks.
    ALERT_KICKS="false",
    # A test that opens threads or processes would otherwise leave pooled connections behind.
    DATABASE_POOL="false",
)
if not os.environ.get("DATABASE_URL"):
    os.environ["DATABASE_URL"] = embedded.database_url(Path(os.environ["DATA_DIR"]).resolve())
    # No test asks what a power cut leaves, and emptying the tables is twice as fast without the disk.
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        for durable in ("fsync", "full_page_writes"):
            server.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(durable)))
        server.execute("SELECT pg_reload_conf()")

django.setup()
# Its fixtures; it needs Django.
pytest_plugins = ["tests.support.channel_kinds"]
# The tests' settings and models have to be there first.
TransactionTestCase._fixture_teardown = import_module("tests.support.emptying").empty_tables
# People are made in many tests; a hash that is slow on purpose would be most of the suite's time.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process is left alone with it in the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """The database of this process is a copy of one that is migrated already."""
    connection.settings_dict["TEST"]["TEMPLATE"] = import_module("tests.support.migrated").database()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty data folder for services of the test's own."""
    with a_data_dir() as folder:
        yield folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium or Chrome; the test is skipped where there is none."""
    path = chromium_program.find()
    if path is None:
        pytest.skip(f"needs a browser, one of: {', '.join(chromium_program.NAMES)}")
    return path


@pytest.fixture
def at_stripe(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A Stripe of the test's own that the project talks to, over HTTP and without trying again by itself."""
    # Else Stripe's library would look through the whole environment for proxies, twice a call.
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Simulator(path=tmp_path / "at_stripe.sqlite3", webhook_secret=settings.STRIPE_WEBHOOK_SECRET)
    running.start()
    settings.STRIPE_API_BASE = running.url
    settings.STRIPE_NETWORK_RETRIES = 0
    yield running
    running.stop()


@pytest.fixture
def redis_process(tmp_path: Path) -> Iterator[Redis]:
    """A redis-server of the test's own, running; the test is skipped where it is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs redis-server")
    server = Redis(program, port=free_port(), folder=tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_server(redis_process: Redis) -> str:
    """The URL of a redis-server of the test's own; the test is skipped where it is not installed."""
    return redis_process.url
