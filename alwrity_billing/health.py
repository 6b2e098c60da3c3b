"""Is this process alive, and can it do its work? For load balancers, orchestrators and people.

`/healthz` says that the process answers, and touches nothing. `/readyz` says whether the database, its
migrations and the broker are there: 200 when all are, 503 when any is not, naming which and never why; the
reason is logged. Both are open to everyone: the checks have short timeouts and run at most once in
FRESH_FOR_S per process, however often they are asked for.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

logger = logging.getLogger(__name__)

TIMEOUT_S = 2
FRESH_FOR_S = 1.0

# A check returns when all is well and raises, saying what is wrong, when not.
Check = Callable[[], None]


class NotReady(Exception):
    """Something this process needs is not there; the message is for the log and for staff."""


class Readiness:
    """The answers of a set of checks, each asked at most once in FRESH_FOR_S."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._answers: dict[str, bool] = {}

    def answers(self, *, at: float) -> dict[str, bool]:
        """Which checks pass, by name; `at` is a monotonic time in seconds.

        Whoever comes while another asks gets the last answers, or waits when there are none yet.
        """
        if at - self._asked_at < FRESH_FOR_S:
            return self._answers
        if not self._asking.acquire(blocking=not self._answers):
            return self._answers
        try:
            if at - self._asked_at >= FRESH_FOR_S:
                self._answers = {name: _passes(name, check) for name, check in self._checks.items()}
                self._asked_at = time.monotonic()
        finally:
            self._asking.release()
        return self._answers


def _passes(name: str, check: Check) -> bool:
    try:
        check()
    except Exception as failure:  # whatever a driver raises means the same here
        logger.warning("not ready: %s: %s", name, failure)
        return False
    return True


def check_database() -> None:
    """Raise unless the database answers a query in time."""
    with own_connection() as database, database.cursor() as cursor:
        cursor.execute("SELECT 1")


def check_migrations() -> None:
    """Raise unless every migration of this code is applied."""
    with own_connection() as database:
        executor = MigrationExecutor(database)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise NotReady(f"{len(missing)} migrations are not applied, the first is {missing[0][0]}")


def check_broker() -> None:
    """Raise unless Celery's broker accepts a connection, or its folder a message."""
    if settings.EMBEDDED_BROKER:
        folder = Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"]))
        if not os.access(folder, os.W_OK):
            raise NotReady(f"the broker's folder {folder} cannot be written")
        return
    url = settings.CELERY_BROKER_URL
    with current_app.connection_for_write(url, **_broker_options(url)) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=TIMEOUT_S)


def _broker_options(url: str) -> dict[str, object]:
    timeouts: dict[str, object] = {}
    if not url.startswith("amqp"):  # which takes its timeout from the connection itself
        timeouts = {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S}
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, **timeouts}
    return {"connect_timeout": TIMEOUT_S, "transport_options": options}


@contextmanager
def own_connection() -> Iterator[BaseDatabaseWrapper]:
    """A short-lived connection with short timeouts, outside the pool: a full pool is not an outage."""
    database = connection.copy()
    database.settings_dict["OPTIONS"].pop("pool", None)
    database.settings_dict["OPTIONS"]["connect_timeout"] = TIMEOUT_S
    try:
        database.set_autocommit(False)
        with database.cursor() as cursor:
            # For this transaction alone: behind a pooler the session goes on to serve others.
            cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S}s'")
        yield database
    finally:
        database.close()


readiness = Readiness(
    {"database": check_database, "migrations": check_migrations, "broker": check_broker},
)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the process can do its work, else 503; each check is `ok` or `failed`."""
    answers = readiness.answers(at=time.monotonic())
    ready = all(answers.values())
    checks = {name: "ok" if passed else "failed" for name, passed in answers.items()}
    body = {"status": "ok" if ready else "failed", "checks": checks}
    return JsonResponse(body, status=200 if ready else 503)
