"""Tables to compare with: counters that one statement moves, and limits and holds of a first version."""

from collections.abc import Sequence
from typing import Any, ClassVar

import psycopg
from django.db import connection, models

from benchmarks.authorizing.limits import AMOUNT, LIMITS
from usage.models import Account

COUNTERS = "bench_counters"
NAIVE_LIMITS = "bench_naive_limits"
NAIVE_HOLDS = "bench_naive_holds"

CREATE_COUNTERS = f"""
CREATE TABLE {COUNTERS} (id bigint PRIMARY KEY, used bigint NOT NULL DEFAULT 0, amount bigint NOT NULL)
"""


class NaiveLimit(models.Model):
    """A limit of an account, of whatever is counted in ones."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    account_id: int
    number = models.SmallIntegerField()
    amount = models.BigIntegerField()
    used = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)

    objects: ClassVar[models.Manager["NaiveLimit"]] = models.Manager()

    class Meta:
        app_label = "benchmarks"
        db_table = NAIVE_LIMITS
        managed = False
        constraints = [
            models.UniqueConstraint(fields=["account", "number"], name="naive_limit_once"),
        ]

    def __str__(self) -> str:
        return f"{self.used} and {self.held} of {self.amount}"


class NaiveHold(models.Model):
    """What a call in flight may use up."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    amount = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["NaiveHold"]] = models.Manager()

    class Meta:
        app_label = "benchmarks"
        db_table = NAIVE_HOLDS
        managed = False

    def __str__(self) -> str:
        return f"{self.amount} held"


def create(server: "psycopg.Connection[Any]", *, account_ids: Sequence[int]) -> None:
    """Make the tables in Django's database: for each account a counter, numbered from 0, and naive limits."""
    with connection.schema_editor() as editor:
        editor.create_model(NaiveLimit)
        editor.create_model(NaiveHold)
    server.execute(CREATE_COUNTERS)
    server.execute(
        f"INSERT INTO {COUNTERS} (id, amount) SELECT generate_series(0, %s::bigint - 1), {AMOUNT}",
        [len(account_ids)],
    )
    server.execute(
        f"INSERT INTO {NAIVE_LIMITS} (account_id, number, amount, used, held) "
        f"SELECT account_id, number, {AMOUNT}, 0, 0 "
        f"FROM unnest(%s::bigint[]) account_id, generate_series(1, {len(LIMITS)}) number",
        [list(account_ids)],
    )
