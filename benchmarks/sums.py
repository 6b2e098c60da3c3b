"""Whether what was measured was also recorded: no time is believed before these sums agree."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from benchmarks.probes import naive_orm
from benchmarks.stage import Log, Stage
from benchmarks.tables import PLAIN_LOG, RAW_LOG

LOG_SUMS = """
SELECT count(*), sum(cost), sum(input_tokens), sum(output_tokens), count(DISTINCT id) FROM api_usage_logs
"""
KEY_SUMS = "SELECT count(*), sum(cost) FROM usage_event_keys"
TOTALS_SUMS = "SELECT sum(calls), sum(cost), sum(input_tokens), sum(output_tokens) FROM {table}"
NAIVE_SUMS = "SELECT sum(calls), sum(cost) FROM bench_naive_summaries"
NAIVE_LOG_SUMS = f"SELECT count(*), sum(cost) FROM {PLAIN_LOG} WHERE source = '{naive_orm.SOURCE}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One sum that must equal another one."""

    what: str
    found: tuple[Decimal, ...]
    expected: tuple[Decimal, ...]

    @property
    def holds(self) -> bool:
        """Whether the two are equal to the last digit."""
        return self.found == self.expected


def checks(stage: Stage) -> list[Check]:
    """Every log against its keys, summaries, rollups and the tally; the other tables against theirs."""
    return [check for log in stage.logs for check in of_log(log)] + of_references(stage)


def of_log(log: Log) -> list[Check]:
    rows, cost, tokens_in, tokens_out, ids = sums(log.server, LOG_SUMS)
    checked = [
        Check(what=f"{log.name} log: events sent", found=(rows,), expected=(Decimal(log.events),)),
        Check(what=f"{log.name} log: one id a row", found=(ids,), expected=(rows,)),
        Check(what=f"{log.name} log: keys", found=sums(log.server, KEY_SUMS), expected=(rows, cost)),
    ]
    for table in ("usage_summaries", "usage_rollups"):
        found = sums(log.server, TOTALS_SUMS.format(table=table))
        expected = (rows, cost, tokens_in, tokens_out)
        checked.append(Check(what=f"{log.name} log: {table}", found=found, expected=expected))
    return checked


def of_references(stage: Stage) -> list[Check]:
    server = stage.main.server
    counts = {table: sums(server, f"SELECT count(*) FROM {table}") for table in (RAW_LOG, PLAIN_LOG)}
    naive = sums(server, NAIVE_SUMS)
    return [
        *(
            Check(what=table, found=found, expected=(Decimal(stage.expected[table]),))
            for table, found in counts.items()
        ),
        Check(what="P6: its summaries", found=naive, expected=sums(server, NAIVE_LOG_SUMS)),
        Check(what="P6: its events", found=naive[:1], expected=(Decimal(stage.expected[naive_orm.SOURCE]),)),
    ]


def sums(server: "psycopg.Connection[Any]", query: str) -> tuple[Decimal, ...]:
    row = server.execute(query).fetchone()
    return tuple(Decimal(value or 0) for value in row or ())
