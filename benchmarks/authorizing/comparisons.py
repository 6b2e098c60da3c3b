"""The ratios that count between the authorize probes, and the aims set for them."""

from benchmarks.authorizing.load import CLIENTS
from benchmarks.authorizing.probes import (
    HTTP,
    KEY,
    METERED,
    NAIVE,
    P2,
    P3,
    P4,
    PYTHON,
    SQL,
    UNMETERED,
    WRITES,
    named,
)
from benchmarks.comparisons import Comparison, Figure, Relation


def of_load(clients: int, *, hot: bool) -> tuple[Comparison, ...]:
    """Ours under a load, against what does the same work or none of it."""
    http = named(HTTP, clients, hot=hot)
    sql, python = named(SQL, clients, hot=hot), named(PYTHON, clients, hot=hot)
    return (
        Comparison(sql, named(P4, clients, hot=hot), at_least=0.6),
        Comparison(http, named(P3, clients), at_least=1.5),
        Comparison(http, named(KEY, clients), at_least=0.5),
        Comparison(http, named(P3, clients), at_most=1.0, figure=Figure.P99),
        Comparison(sql, named(WRITES, clients, hot=hot)),
        Comparison(named(WRITES, clients, hot=hot), named(P4, clients, hot=hot)),
        Comparison(python, sql),
        Comparison(python, named(NAIVE, clients, hot=hot)),
        Comparison(http, python),
    )


def of_frameworks(clients: int) -> tuple[Comparison, ...]:
    """What finding out who asks costs, in the framework and here."""
    return (
        Comparison(named(P3, clients), named(P2, clients)),
        Comparison(named(KEY, clients), named(P3, clients)),
    )


def of_metering(*, hot: bool) -> tuple[Comparison, ...]:
    """The milliseconds that metering adds to a call."""
    pair = named(METERED, 1, hot=hot), named(UNMETERED, 1, hot=hot)
    return (
        Comparison(*pair, at_most=2.0, figure=Figure.P50, relation=Relation.BEYOND),
        Comparison(*pair, figure=Figure.P99, relation=Relation.BEYOND),
    )


AUTHORIZE = (
    tuple(
        comparison for clients in CLIENTS for hot in (False, True) for comparison in of_load(clients, hot=hot)
    )
    + tuple(comparison for clients in CLIENTS for comparison in of_frameworks(clients))
    + of_metering(hot=False)
    + of_metering(hot=True)
)
