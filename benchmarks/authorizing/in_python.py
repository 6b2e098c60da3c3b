"""Ours, called from Python: `usage.authorization.authorize`, the decision made and checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random

from django.db import connection
from django.utils import timezone

from benchmarks.authorizing.asking import OPERATION, external_id
from benchmarks.authorizing.load import Load
from benchmarks.authorizing.stage import Stage
from benchmarks.timing import Sample
from usage.authorization import authorize


def measure(stage: Stage, load: Load) -> Sample:
    """Each client a process with a connection of its own."""
    sample = stage.in_python(partial(asking, accounts=stage.drawn_by(load)), load)
    stage.confirm_holds("authorize from Python", load)
    return sample


@contextmanager
def asking(random: Random, *, accounts: int) -> Iterator[Callable[[], object]]:
    """A client that asks for one of the first `accounts` accounts at a time; a refusal raises."""
    yield lambda: authorize([OPERATION], customer=external_id(random.randrange(accounts)), at=timezone.now())
    connection.close()
