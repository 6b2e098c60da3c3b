"""What a probe works with: accounts with limits, a web server, clients, and the tally of what was asked."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg

from benchmarks import databases
from benchmarks.authorizing import pgbench
from benchmarks.authorizing.asking import bodies
from benchmarks.authorizing.clients import Client, Clients
from benchmarks.authorizing.http_client import Address, posting
from benchmarks.authorizing.limits import LIMITS
from benchmarks.authorizing.load import Load
from benchmarks.sums import Check, sums
from benchmarks.timing import Sample
from usage.limit_counts import miscounted

GRANTED = """
SELECT (SELECT count(*) FROM authorizations WHERE state = 'open'), (SELECT count(*) FROM usage_holds)
"""
# In the order of the limits' names.
HELD_BY_LIMITS = "SELECT " + ", ".join(
    f"(SELECT sum(used + held + previous) FROM usage_limits WHERE name = '{limit.name}')" for limit in LIMITS
)
HELD_BY_HOLDS = "SELECT " + ", ".join(f"sum({limit.measure})" for limit in LIMITS) + " FROM usage_holds"
LIMITED_TABLES = ("authorizations", "usage_holds", "usage_limits")
LIMITED = "SELECT DISTINCT account_id FROM usage_limits"
LET_GO = (
    "TRUNCATE usage_holds, authorizations",
    "UPDATE usage_limits SET used = 0, held = 0, previous = 0 WHERE used + held + previous <> 0",
)


@dataclass(slots=True)
class Tally:
    """Sums of all rounds: as they were found after each sample, and as they had to be."""

    found: tuple[Decimal, ...]
    expected: tuple[Decimal, ...]

    def add(self, found: Sequence[Decimal], expected: Sequence[Decimal]) -> None:
        """Add one sample's sums."""
        self.found = tuple(map(Decimal.__add__, self.found, found))
        self.expected = tuple(map(Decimal.__add__, self.expected, expected))


@dataclass(slots=True, kw_only=True)
class Stage:
    """What the probes share. The `accounts` are numbered from 0, and number 0 is the hot one.

    `key` may authorize for all of them, `token` is that of the framework's own token authentication;
    `port` is the web server's, `upstream` that of a provider.
    """

    database: str
    server: "psycopg.Connection[Any]"
    port: int
    upstream: int
    key: str
    token: str
    clients: Clients
    accounts: int
    tallies: dict[str, Tally] = field(default_factory=dict)
    seeds: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def drawn_by(self, load: Load) -> int:
        """How many accounts `load` draws from, the hot one first."""
        return 1 if load.hot else self.accounts

    def in_sql(self, script: str, load: Load) -> Sample:
        """One sample of a pgbench script, which draws the number of an account up to `:last`."""
        variables = {"last": self.drawn_by(load) - 1}
        turns = pgbench.take_turns(
            script, load, database=self.database, variables=variables, seed=next(self.seeds)
        )
        return Sample.of_turns(turns)

    def in_python(self, client: Client, load: Load) -> Sample:
        """One sample of what client processes do."""
        return Sample.of_turns(self.clients.take_turns(client, load, seed=next(self.seeds)))

    def over_http(self, address: Address, load: Load) -> Sample:
        """One sample of requests that ask for a drawn account, whatever the view makes of it."""
        made = partial(bodies, self.drawn_by(load))
        return self.in_python(partial(posting, address=address, bodies=made), load)

    def confirm(self, what: str, query: str, *, expected: Sequence[int | Decimal]) -> None:
        """Add what `query` finds after a sample, and what it must find, to the sums told in the end."""
        self.count(what, sums(self.server, query), expected)

    def confirm_holds(self, what: str, load: Load) -> None:
        """Every request of `load` was granted, and each limit holds what the holds do; then they go."""
        self.confirm(f"{what}: authorizations, holds", GRANTED, expected=[load.total, load.total])
        held = sums(self.server, HELD_BY_HOLDS)
        self.confirm(f"{what}: held of each limit", HELD_BY_LIMITS, expected=held)
        self.confirm_no_drift(what)
        self.tidy(*LET_GO, tables=LIMITED_TABLES)

    def confirm_no_drift(self, what: str) -> None:
        """The limits of every account count what its log and its open holds say."""
        accounts = [account for (account,) in self.server.execute(LIMITED).fetchall()]
        with databases.pointed_at(self.database):
            drifted = miscounted(accounts, at_most=len(accounts))
        self.count(f"{what}: limits miscounted", [Decimal(len(drifted))], [0])

    def count(self, what: str, found: Sequence[Decimal], expected: Sequence[int | Decimal]) -> None:
        """Add one sample's sums to those of the samples before."""
        nothing = (Decimal(0),) * len(expected)
        tally = self.tallies.setdefault(what, Tally(nothing, nothing))
        tally.add(found, [Decimal(value) for value in expected])

    def tidy(self, *statements: str, tables: Sequence[str]) -> None:
        """Undo a sample, so that the next one finds the tables as this one did."""
        for statement in statements:
            self.server.execute(statement)
        self.server.execute(f"VACUUM (ANALYZE) {', '.join(tables)}")

    def checks(self) -> list[Check]:
        """Every tally as one sum over all rounds."""
        return [
            Check(what=what, found=tally.found, expected=tally.expected)
            for what, tally in self.tallies.items()
        ]
