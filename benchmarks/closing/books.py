"""A database whose accounts' month is over, to be closed again and again, and whether that was done right."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg

from benchmarks.closing.closers import Work, at_work, close_all
from benchmarks.closing.filling import Month
from benchmarks.sums import Check, sums
from benchmarks.timing import Sample

LOG = "SELECT count(*), sum(cost) FROM api_usage_logs"
BILLED = """
SELECT sum(event_count), sum(precise_amount) FROM billing_history_lines WHERE kind IN ('usage', 'late_usage')
"""
INVOICES = """
SELECT count(*), count(DISTINCT account_id),
    (SELECT count(*) FROM billing_periods WHERE closed_at IS NOT NULL)
FROM billing_history
"""
# Numbers without a gap: as many as invoices, from the first to the last.
NUMBERS = """
SELECT count(DISTINCT number), min(split_part(number, '-', 2)::int), max(split_part(number, '-', 2)::int)
FROM billing_history
"""
REOPEN = (
    "TRUNCATE billing_history, number_series CASCADE",
    "UPDATE billing_periods SET closed_at = NULL",
    "VACUUM (ANALYZE) billing_periods",
    "CHECKPOINT",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """So many `accounts` in a database of their own, and a connection to look at it."""

    name: str
    database: str
    server: "psycopg.Connection[Any]"
    month: Month
    accounts: int
    found: dict[str, Check] = field(default_factory=dict)

    def close(self, *, processes: int) -> Sample:
        """Open the month again, and let so many processes close it."""
        for statement in REOPEN:
            self.server.execute(statement)
        sample = self.take(close_all, processes=processes)
        accounts = Decimal(self.accounts)
        self.confirm("invoices, accounts, periods closed", INVOICES, (accounts,) * 3)
        self.confirm("numbers, the first, the last", NUMBERS, (accounts, Decimal(1), accounts))
        self.confirm("calls billed, their cost", BILLED, sums(self.server, LOG))
        return sample

    def take(self, work: Work, *, processes: int = 1) -> Sample:
        """One sample of any work on all accounts; what it added up must be the log's cost."""
        outcomes = at_work(work, database=self.database, at=self.month.at, processes=processes)
        costs = tuple(outcome.cost for outcome in outcomes if outcome.cost is not None)
        if costs:
            cost = sums(self.server, LOG)[1]
            self.note(Check(what=f"{self.name}: {work.__name__}", found=costs, expected=(cost,)))
        turns = [outcome.turn for outcome in outcomes]
        seconds = max(turn.end for turn in turns) - min(turn.start for turn in turns)
        return Sample(self.accounts, seconds, growth=max(outcome.growth for outcome in outcomes))

    def confirm(self, what: str, query: str, expected: tuple[Decimal, ...]) -> None:
        """Note what `query` finds after a sample, and what it must find."""
        self.note(Check(what=f"{self.name}: {what}", found=sums(self.server, query), expected=expected))

    def note(self, check: Check) -> None:
        """Keep the check of the newest sample, but never lose one that does not hold."""
        known = self.found.get(check.what)
        if known is None or known.holds:
            self.found[check.what] = check
