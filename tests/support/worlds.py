"""Worlds that many tests share, made once in a transaction around each of theirs; and taking back others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from usage import partitions

MONTHS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'api_usage_logs'::regclass"


@contextmanager
def shared(blocker: Any) -> Iterator[None]:
    """What a fixture writes inside, before its `yield`, is there for all tests in its scope and is taken back
    after them; each test takes back what it wrote itself.

    `blocker` is pytest-django's. Not beside tests of other connections, which see nothing of it.
    """
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def of_many_months() -> Iterator[None]:
    """Drop in the end the log's partitions that were made inside: each costs whoever reads the log later."""
    before = _months()
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for name in _months() - before:
                cursor.execute(f"DROP TABLE {name}")
        partitions.forget()


def _months() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(MONTHS)
        return {name for (name,) in cursor.fetchall()}
