"""A world that many tests only look at or add to: made once, in a transaction around each of theirs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction


@contextmanager
def shared(blocker: Any) -> Iterator[None]:
    """What a fixture writes inside, before its `yield`, is there for all tests in its scope and is taken back
    after them; each test takes back what it wrote itself.

    `blocker` is pytest-django's. Not beside tests of other connections, which see nothing of it.
    """
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
