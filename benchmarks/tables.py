"""Tables to compare with: equal to the log in columns and indexes, but written to by other means."""

from datetime import date
from typing import Any, ClassVar

import psycopg
from django.db import connection, models

from usage.models import Account, APIUsageLog

RAW_LOG = "bench_raw_log"
PLAIN_LOG = "bench_plain_log"

CREATE_RAW_LOG = f"""
CREATE TABLE {RAW_LOG} (LIKE api_usage_logs INCLUDING ALL EXCLUDING IDENTITY) PARTITION BY RANGE (occurred_at)
"""
LOG_PARTITIONS = """
SELECT relname, pg_get_expr(relpartbound, pg_class.oid)
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'api_usage_logs'::regclass
"""
CREATE_PLAIN_LOG = f"""
CREATE TABLE {PLAIN_LOG} (LIKE api_usage_logs INCLUDING ALL, UNIQUE (account_id, source, event_id))
"""

# The log's own columns, on a table of our making.
PlainLog: Any = type(
    "PlainLog",
    (models.Model,),
    {
        **{field.name: field.clone() for field in APIUsageLog._meta.local_fields},
        "Meta": type("Meta", (), {"app_label": "benchmarks", "db_table": PLAIN_LOG, "managed": False}),
        "__module__": __name__,
    },
)


class NaiveSummary(models.Model):
    """An account's totals per month and provider, as a first version would keep them."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    provider = models.CharField(max_length=64)
    month = models.DateField(default=date.today)
    calls = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost = models.DecimalField(max_digits=36, decimal_places=18, default=0)

    objects: ClassVar[models.Manager["NaiveSummary"]] = models.Manager()

    class Meta:
        app_label = "benchmarks"
        db_table = "bench_naive_summaries"
        managed = False
        constraints = [
            models.UniqueConstraint(fields=["account", "provider", "month"], name="naive_summary_once"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.calls} calls"


def create(server: "psycopg.Connection[Any]") -> None:
    """Make the tables and bring both logs into the state of the real one: the same rows, already there."""
    server.execute(CREATE_RAW_LOG)
    for name, bounds in server.execute(LOG_PARTITIONS).fetchall():
        server.execute(
            f"CREATE TABLE {name.replace('api_usage_logs', RAW_LOG)} PARTITION OF {RAW_LOG} {bounds}"
        )
    server.execute(CREATE_PLAIN_LOG)
    for table in (RAW_LOG, PLAIN_LOG):
        server.execute(f"INSERT INTO {table} SELECT * FROM api_usage_logs ORDER BY id")
    server.execute(
        f"SELECT setval(pg_get_serial_sequence('{PLAIN_LOG}', 'id'), COALESCE(max(id), 1)) FROM {PLAIN_LOG}"
    )
    with connection.schema_editor() as editor:
        editor.create_model(NaiveSummary)
