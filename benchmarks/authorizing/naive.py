"""A first version: read the limits, check them in Python, insert a hold, write the limits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from random import Random

from django.db import connection, transaction

from benchmarks.authorizing.asking import external_id
from benchmarks.authorizing.limits import LIMITS
from benchmarks.authorizing.load import Load
from benchmarks.authorizing.stage import Stage
from benchmarks.authorizing.tables import NAIVE_HOLDS, NAIVE_LIMITS, NaiveHold, NaiveLimit
from benchmarks.databases import NotMeasurable
from benchmarks.timing import Sample

# It is slow: a quarter of the requests tell as much.
FEWER = 4
HELD = 1

SUMS = f"SELECT (SELECT count(*) FROM {NAIVE_HOLDS}), sum(held) FROM {NAIVE_LIMITS}"


def measure(stage: Stage, load: Load) -> Sample:
    """One transaction each, through the ORM, the limits locked while Python looks at them."""
    load = replace(load, requests=max(load.requests // FEWER, 1))
    sample = stage.in_python(partial(asking, accounts=stage.drawn_by(load)), load)
    stage.confirm("naive: holds, held", SUMS, expected=[load.total, load.total * len(LIMITS) * HELD])
    stage.tidy(
        f"TRUNCATE {NAIVE_HOLDS}",
        f"UPDATE {NAIVE_LIMITS} SET held = 0 WHERE held <> 0",
        tables=[NAIVE_HOLDS, NAIVE_LIMITS],
    )
    return sample


@contextmanager
def asking(random: Random, *, accounts: int) -> Iterator[Callable[[], object]]:
    """A client that asks for one of the first `accounts` accounts at a time."""
    yield lambda: authorize(external_id(random.randrange(accounts)))
    connection.close()


@transaction.atomic
def authorize(customer: str) -> None:
    """Hold one of every limit; raises NotMeasurable when one of them is reached."""
    of_customer = NaiveLimit.objects.filter(account__external_id=customer).order_by("number")
    limits = list(of_customer.select_for_update(of=["self"]))
    for limit in limits:
        if limit.used + limit.held + HELD > limit.amount:
            raise NotMeasurable(f"The naive limit {limit.pk} was reached.")
    NaiveHold.objects.create(account_id=limits[0].account_id, amount=HELD)
    for limit in limits:
        limit.held += HELD
        limit.save(update_fields=["held"])
