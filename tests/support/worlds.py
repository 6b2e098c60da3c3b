"""Worlds that many tests share, made once in a transaction around each of theirs; and taking back others."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

from usage import partitions

MONTHS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'api_usage_logs'::regclass"


@contextmanager
def shared(blocker: DjangoDbBlocker) -> Iterator[None]:
    """For a fixture of a class or module, which asks for `django_db_setup` too: what is made in the block is
    there for all its tests, and gone after the block. What a test changes is gone after the test.

    All of them are in one transaction: a test with connections of its own sees nothing of it, and may wait
    for it.
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
