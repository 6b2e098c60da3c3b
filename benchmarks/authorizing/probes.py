"""Every probe, in the order of a round. A new one is a function in a file here and a line in the list."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.authorizing import (
    conditional_update,
    empty_views,
    in_python,
    in_sql,
    naive,
    over_http,
    same_writes,
    transport,
)
from benchmarks.authorizing.load import CLIENTS, Load
from benchmarks.authorizing.stage import Stage
from benchmarks.timing import Sample

P4 = "P4 pgbench UPDATE"
P2 = "P2 empty DRF view"
P3 = "P3 empty DRF view with token"
KEY = "empty view with our key check"
WRITES = "the same writes alone, in SQL"
SQL = "authorize in SQL"
PYTHON = "authorize from Python"
HTTP = "authorize over HTTP"
NAIVE = "naive read-check-write"
METERED = "metered call"
UNMETERED = "unmetered call"

Measure = Callable[[Stage, Load], Sample]


@dataclass(frozen=True, slots=True)
class Probe:
    """A name, as it stands in tables and comparisons, the load, and the function that takes one sample."""

    name: str
    load: Load
    measure: Measure


# What they do is the same for every account.
DOING_NOTHING: dict[str, Measure] = {
    P2: empty_views.nobody,
    P3: empty_views.with_token,
    KEY: empty_views.with_our_key,
}
# Neighbours are compared with each other, the first one with the last of those before.
DRAWING_ACCOUNTS: dict[str, Measure] = {
    HTTP: over_http.measure,
    P4: conditional_update.measure,
    SQL: in_sql.measure,
    WRITES: same_writes.measure,
    PYTHON: in_python.measure,
    NAIVE: naive.measure,
}
# One client alone: beyond that, the processors are what they wait for.
CALLING: dict[str, Measure] = {UNMETERED: transport.plain, METERED: transport.metered}


def named(what: str, clients: int, *, hot: bool = False) -> str:
    """The name of a probe under a load."""
    return f"{what}, {clients} client{'s' if clients > 1 else ''}{', one account' if hot else ''}"


def probes(*, requests: int) -> list[Probe]:
    """All of them, by clients first: so that what is compared is taken shortly after each other."""
    return [
        Probe(named(what, clients, hot=hot), Load(clients=clients, hot=hot, requests=requests), measure)
        for clients in CLIENTS
        for hot in (False, True)
        for what, measure in taken(clients, hot=hot).items()
    ]


def taken(clients: int, *, hot: bool) -> dict[str, Measure]:
    """What is measured under a load."""
    return (CALLING if clients == 1 else {}) | ({} if hot else DOING_NOTHING) | DRAWING_ACCOUNTS
