"""Measure the forecasts against months that are known."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from usage import projections
from usage.core.backtesting import Method, Score, Series, Target, Trial, score, scores, trials
from usage.management.progress import progress_bar
from usage.management.seeded_year import SEED, SeededAccount, seeded_year
from usage.models import Account

USUAL_ACCOUNTS = 140
MOST_ACCOUNTS = 100_000
HISTORY = timedelta(days=366)
ACCOUNTS_AT_A_TIME = 500
WIDTH = 110


class Command(BaseCommand):
    help = (
        "Make forecasts as of past days, from what was known then, and compare them with what came; "
        "for a seeded year of accounts of every kind, or with --accounts for the database's own last year."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--accounts", action="store_true", help="the database's own accounts")
        parser.add_argument(
            "--number", type=int, default=USUAL_ACCOUNTS, help=f"of accounts (default: {USUAL_ACCOUNTS})"
        )
        parser.add_argument("--seed", default=SEED, help="of the seeded year: another one, other accounts")

    def handle(self, *args: Any, accounts: bool, number: int, seed: str, **options: Any) -> None:
        if not 1 <= number <= MOST_ACCOUNTS:
            raise CommandError(f"--number must be 1 to {MOST_ACCOUNTS}.")
        series = own_series(number) if accounts else map(seeded_series, seeded_year(number, seed=seed))
        made = tried(series, number=number)
        if not made:
            raise CommandError(
                "No account has the two weeks of history and the whole month that a trial takes."
            )
        console = Console(width=WIDTH)
        with console.capture() as printed:
            for target, found in by_target(made).items():
                console.print(table(target, found))
        self.stdout.write(printed.get())


def tried(series: Iterable[Series], *, number: int) -> list[Trial]:
    """All trials of `series`, of which there are about `number`."""
    made: list[Trial] = []
    with progress_bar("trials") as progress:
        bar = progress.add_task("Forecasting", total=number, done=0)
        for done, each in enumerate(series, start=1):
            made += trials(each)
            progress.update(bar, completed=done, done=len(made))
    return made


def by_target(made: Iterable[Trial]) -> dict[Target, list[Trial]]:
    """Those that were tried at all."""
    found: dict[Target, list[Trial]] = {}
    for trial in made:
        found.setdefault(trial.target, []).append(trial)
    return found


def seeded_series(account: SeededAccount) -> Series:
    return Series(kind=account.kind, start=account.start, costs=account.costs)


def own_series(number: int) -> Iterator[Series]:
    """The last year of up to `number` accounts that were ever used, the oldest accounts first."""
    end = timezone.now().date()
    ids = list(Account.objects.order_by("pk").values_list("pk", flat=True)[:number])
    for first in range(0, len(ids), ACCOUNTS_AT_A_TIME):
        some = ids[first : first + ACCOUNTS_AT_A_TIME]
        for costs in projections.daily_costs(some, start=end - HISTORY, end=end).values():
            yield Series(kind="own", start=end - timedelta(days=len(costs)), costs=costs)


def table(target: Target, made: list[Trial]) -> Table:
    """Each kind of account, and all of them together in the end."""
    found = Table(
        title=f"The {target}: median (mean) error of {len(made):,} trials, percent of what it came to",
        title_justify="left",
    )
    found.add_column("accounts")
    for name in (*Method, "range holds", "range width"):
        found.add_column(name, justify="right")
    by_kind = scores(made, by=lambda trial: trial.kind)
    for kind, each in by_kind.items():
        found.add_row(kind, *figures(each))
    found.add_section()
    found.add_row("all", *figures(score(made)))
    return found


def figures(found: Score) -> list[str]:
    errors = (f"{found.median_error[method]:.1f} ({found.mean_error[method]:.1f})" for method in Method)
    return [*errors, f"{found.coverage:.1f}", f"{found.width:.1f}"]
