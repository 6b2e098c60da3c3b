"""A run's result, as tables on the terminal and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.comparisons import MEGABYTE, Figure, Verdict
from benchmarks.databases import Storage
from benchmarks.sums import Check
from benchmarks.timing import Sample, Spread
from usage.core.money import format_amount

VERDICTS = {True: "[green]met[/]", False: "[bold red]NOT met[/]", None: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything one run found out. `sizes` is what it was measured on, and how much a sample is."""

    at: str
    surroundings: Mapping[str, str]
    sizes: Mapping[str, int]
    fill_rates: Mapping[str, float]
    samples: Mapping[str, Sequence[Sample]]
    verdicts: Sequence[Verdict]
    checks: Sequence[Check]
    storage: Mapping[str, Storage]

    @property
    def sums_agree(self) -> bool:
        """Whether the times may be believed."""
        return all(check.holds for check in self.checks)


def show(result: Result, console: Console) -> None:
    """Print `result`: the sums, and only when those agree, the times."""
    for name, value in result.surroundings.items():
        console.print(f"{name}: {value}", highlight=False)
    console.print(checks_table(result.checks))
    if not result.sums_agree:
        console.print("[bold red]The sums do not agree: no time is worth printing.[/]")
        return
    for table in tables(result):
        console.print(table)
    if not result.fill_rates:
        return
    filled = ", ".join(f"{name} log {rate:,.0f} events/s" for name, rate in result.fill_rates.items())
    console.print(f"Filled through ingest, all processors, batches of 10 000: {filled}", highlight=False)


def tables(result: Result) -> list[Table]:
    """The tables this run has something for."""
    pages = {name: taken for name, taken in result.samples.items() if taken[0].most_statements is not None}
    requests = {
        name: taken
        for name, taken in result.samples.items()
        if taken[0].latency is not None and name not in pages
    }
    accounts = {name: taken for name, taken in result.samples.items() if taken[0].growth is not None}
    counted = {name: taken for name, taken in result.samples.items() if taken[0].statements is not None}
    others = {*requests, *pages, *accounts, *counted}
    events = {name: taken for name, taken in result.samples.items() if name not in others}
    made = [
        rates_table(events) if events else None,
        requests_table(requests) if requests else None,
        pages_table(pages) if pages else None,
        accounts_table(accounts) if accounts else None,
        counted_table(counted) if counted else None,
        verdicts_table(result.verdicts),
        storage_table(result.storage) if result.storage else None,
    ]
    return [table for table in made if table is not None]


def checks_table(checks: Sequence[Check]) -> Table:
    table = a_table("Sums", "found", "")
    for check in checks:
        mark = "[green]agrees[/]" if check.holds else f"[bold red]NOT {spell(check.expected)}[/]"
        table.add_row(check.what, spell(check.found), mark)
    return table


def rates_table(samples: Mapping[str, Sequence[Sample]]) -> Table:
    table = a_table("Events a second", "median", "min", "max", "ms a thousand")
    for name, taken in samples.items():
        rate = Spread.of([sample.rate for sample in taken])
        figures = [f"{value:,.0f}" for value in (rate.median, rate.low, rate.high)]
        table.add_row(name, *figures, f"{1_000_000 / rate.median:,.1f}")
    return table


def requests_table(samples: Mapping[str, Sequence[Sample]]) -> Table:
    columns = ("median", "min", "max", "p50 ms", "p99 ms", "p99 min", "p99 max")
    table = a_table("Requests a second", *columns)
    for name, taken in samples.items():
        rate = Spread.of([sample.rate for sample in taken])
        latencies = [sample.latency for sample in taken if sample.latency is not None]
        p50 = Spread.of([latency.p50 for latency in latencies])
        p99 = Spread.of([latency.p99 for latency in latencies])
        rates = [f"{value:,.0f}" for value in (rate.median, rate.low, rate.high)]
        times = [f"{value * 1000:,.2f}" for value in (p50.median, p99.median, p99.low, p99.high)]
        table.add_row(name, *rates, *times)
    return table


def pages_table(samples: Mapping[str, Sequence[Sample]]) -> Table:
    columns = ("opened", "p50 ms", "p95 ms", "p95 min", "p95 max", "max ms", "statements at most")
    table = a_table("Pages", *columns)
    for name, taken in samples.items():
        latencies = [sample.latency for sample in taken if sample.latency is not None]
        p95 = Spread.of([latency.p95 for latency in latencies])
        times = (
            Spread.of([latency.p50 for latency in latencies]).median,
            *(p95.median, p95.low, p95.high),
            max(latency.longest for latency in latencies),
        )
        table.add_row(
            name,
            f"{sum(sample.count for sample in taken):,}",
            *(f"{value * 1000:,.1f}" for value in times),
            f"{max(sample.most_statements or 0 for sample in taken)}",
        )
    return table


def accounts_table(samples: Mapping[str, Sequence[Sample]]) -> Table:
    columns = ("median", "min", "max", "ms an account", "MB grown", "MB min", "MB max")
    table = a_table("Accounts a second", *columns)
    for name, taken in samples.items():
        rate = Spread.of([sample.rate for sample in taken])
        growth = Spread.of([(sample.growth or 0) / MEGABYTE for sample in taken])
        rates = [f"{value:,.0f}" for value in (rate.median, rate.low, rate.high)]
        sizes = [f"{value:,.1f}" for value in (growth.median, growth.low, growth.high)]
        table.add_row(name, *rates, f"{1_000 / rate.median:,.2f}", *sizes)
    return table


def counted_table(samples: Mapping[str, Sequence[Sample]]) -> Table:
    columns = ("median", "min", "max", "ms each", "statements each")
    table = a_table("Accounts or deliveries a second", *columns)
    for name, taken in samples.items():
        rate = Spread.of([sample.rate for sample in taken])
        each = Spread.of([Figure.STATEMENTS.of(sample) for sample in taken])
        rates = [f"{value:,.0f}" for value in (rate.median, rate.low, rate.high)]
        table.add_row(name, *rates, f"{1_000 / rate.median:,.2f}", f"{each.median:,.1f}")
    return table


def verdicts_table(verdicts: Sequence[Verdict]) -> Table:
    table = a_table("Within a round", "median", "min", "max", "aim", "")
    for verdict in verdicts:
        comparison, ratio = verdict.comparison, verdict.ratio
        table.add_row(
            comparison.name,
            *(f"{value:.2f}" for value in (ratio.median, ratio.low, ratio.high)),
            comparison.aim,
            VERDICTS[verdict.met],
        )
    return table


def storage_table(storage: Mapping[str, Storage]) -> Table:
    table = a_table("MB per million events", *storage)
    for part in next(iter(storage.values())).as_dict():
        sizes = [f"{stored.as_dict()[part] / MEGABYTE:,.1f}" for stored in storage.values()]
        table.add_row(part.replace("_", " "), *sizes)
    return table


def a_table(title: str, *columns: str) -> Table:
    table = Table(title, box=None, title_justify="left", padding=(0, 1))
    for column in columns:
        table.add_column(column, justify="right")
    return table


def spell(values: Sequence[Decimal]) -> str:
    return "  ".join(format_amount(value) for value in values)


def as_dict(result: Result) -> dict[str, Any]:
    """The result for a JSON file: every sample of every round, and what was made of them."""
    return {
        "at": result.at,
        "surroundings": dict(result.surroundings),
        "sizes": dict(result.sizes),
        "fill_rates": dict(result.fill_rates),
        "sums_agree": result.sums_agree,
        "checks": [
            {
                "what": check.what,
                "found": [*map(format_amount, check.found)],
                "expected": [*map(format_amount, check.expected)],
            }
            for check in result.checks
        ],
        "probes": {name: [asdict(sample) for sample in taken] for name, taken in result.samples.items()},
        "comparisons": [
            {**asdict(verdict.comparison), **asdict(verdict.ratio), "met": verdict.met}
            for verdict in result.verdicts
        ],
        "bytes_per_million_events": {name: stored.as_dict() for name, stored in result.storage.items()},
    }
