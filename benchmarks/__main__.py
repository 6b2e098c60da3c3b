"""`make bench`: measure recording usage, authorizing calls, looking at the log, closing months, alerting,
and the dashboard's pages.

See docs/benchmarks.md.
"""

import argparse
import json
import signal
import sys

from django.conf import settings
from django.utils import timezone
from rich.console import Console

from benchmarks import report
from benchmarks.databases import NotMeasurable
from benchmarks.plan import Plan
from benchmarks.run import GROUPS, USUAL, run

DEFAULT_EVENTS = 1_000_000
LARGE_EVENTS = 10_000_000
DEFAULT_SAMPLE = 10_000
DEFAULT_REQUESTS = 4_000
DEFAULT_ACCOUNTS = 10_000
DEFAULT_LOG_ROWS = 2_000_000
DEFAULT_CLOSING = 1_000
DEFAULT_CLOSING_ROWS = 500_000
DEFAULT_ALERTING = 1_000
DEFAULT_MOVED = 100
DEFAULT_PAGE_ACCOUNTS = 1_000
DEFAULT_PAGE_ROWS = 1_000_000
DEFAULT_PAGE_SAMPLE = 10
BATCH = 1_000
NARROWEST_TABLE = 140
INTERRUPTED = 130


def main() -> int:
    """Run the benchmark; 0 when the sums agree, whatever the times are, otherwise 1."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    arguments = parser().parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=NARROWEST_TABLE)
    plan = Plan(
        database=arguments.database,
        template=arguments.template,
        groups=(arguments.only,) if arguments.only else USUAL,
        rounds=arguments.rounds,
        events=LARGE_EVENTS if arguments.large else arguments.n,
        sample=arguments.sample,
        random_ids=arguments.random_ids,
        requests=arguments.requests,
        accounts=arguments.accounts,
        log_rows=arguments.log_rows,
        closing=arguments.closing,
        closing_rows=arguments.closing_rows,
        alerting=arguments.alerting,
        moved=arguments.moved,
        page_accounts=arguments.page_accounts,
        page_rows=arguments.page_rows,
        page_sample=arguments.page_sample,
        any_server=arguments.any_server,
    )
    try:
        result = run(plan, at=timezone.now(), console=console)
    except NotMeasurable as reason:
        console.print(str(reason), style="bold red", markup=False)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    report.show(result, console)
    if arguments.json:
        console.print(f"Written to {write_json(result)}", soft_wrap=True)
    return 0 if result.sums_agree else 1


def write_json(result: report.Result) -> str:
    """Write `result` below the data folder; returns where."""
    folder = settings.DATA_DIR / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.at.replace(':', '').replace('+0000', 'Z')}.json"
    path.write_text(json.dumps(report.as_dict(result), indent=2) + "\n", encoding="utf-8")
    return str(path)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    options.add_argument(
        "--only", choices=sorted(GROUPS), help=f"one of the groups of probes; otherwise {', '.join(USUAL)}"
    )
    options.add_argument(
        "--n",
        type=positive,
        default=DEFAULT_EVENTS,
        help="events in the large log; the others get a tenth",
    )
    options.add_argument("--large", action="store_true", help=f"the same as --n {LARGE_EVENTS}")
    options.add_argument("--rounds", type=positive, default=5, help="samples of each probe")
    options.add_argument(
        "--sample", type=thousands, default=DEFAULT_SAMPLE, help="events of one sample, a multiple of 1000"
    )
    options.add_argument(
        "--random-ids", action="store_true", help="also a log as large whose events have random ids"
    )
    options.add_argument(
        "--requests", type=positive, default=DEFAULT_REQUESTS, help="requests of one sample of authorizing"
    )
    options.add_argument(
        "--accounts", type=positive, default=DEFAULT_ACCOUNTS, help="accounts that are authorized for"
    )
    options.add_argument(
        "--log-rows",
        type=positive,
        default=DEFAULT_LOG_ROWS,
        help="rows of the log that is looked at in the admin; a small one gets a hundredth",
    )
    options.add_argument(
        "--closing",
        type=positive,
        default=DEFAULT_CLOSING,
        help="accounts whose month is closed; beside them a tenth",
    )
    options.add_argument(
        "--closing-rows", type=positive, default=DEFAULT_CLOSING_ROWS, help="rows of the log in that month"
    )
    options.add_argument(
        "--alerting", type=positive, default=DEFAULT_ALERTING, help="accounts that alerts are about"
    )
    options.add_argument(
        "--moved",
        type=positive,
        default=DEFAULT_MOVED,
        help="of these, how many moved and are looked at; beside them ten times as many",
    )
    add_page_options(options)
    options.add_argument(
        "--any-server",
        action="store_true",
        help="also one that does not wait for its disk: checks the sums, says nothing about production",
    )
    options.add_argument("--json", action="store_true", help="write all samples to DATA_DIR/bench/")
    options.add_argument("--database", default="bench_alwrity", help="name of the database made and dropped")
    options.add_argument(
        "--template", default="", help="an empty, migrated database to copy, which saves the migrations"
    )
    return options


def add_page_options(options: argparse.ArgumentParser) -> None:
    options.add_argument(
        "--page-accounts", type=positive, default=DEFAULT_PAGE_ACCOUNTS, help="accounts with a year of usage"
    )
    options.add_argument(
        "--page-rows",
        type=positive,
        default=DEFAULT_PAGE_ROWS,
        help="calls of theirs in that year; beside them a twentieth",
    )
    options.add_argument(
        "--page-sample",
        type=positive,
        default=DEFAULT_PAGE_SAMPLE,
        help="of these accounts, whose pages are opened, beside the largest and the middle one",
    )


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def thousands(text: str) -> int:
    number = positive(text)
    if number % BATCH:
        raise argparse.ArgumentTypeError(f"must be a multiple of {BATCH}")
    return number


if __name__ == "__main__":
    sys.exit(main())
