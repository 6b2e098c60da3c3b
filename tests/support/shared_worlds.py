"""Worlds that take long to make, for several tests that look at them."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from pytest_django import DjangoDbBlocker


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
