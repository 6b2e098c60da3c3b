"""Close the billing periods that are over, or compute a month again beside what was issued."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from subscriptions import dry_run, month_close
from usage.core.calendar import month_of
from usage.core.money import ZERO, format_amount
from usage.management.progress import progress_bar

PERIODS_A_RUN = 200


class Command(BaseCommand):
    help = (
        "Close every billing period that is over and finalize its invoice, as the scheduled task does; with "
        "--dry-run write nothing, and compute a month's invoices again beside what was issued (exits with 1 "
        "when an issued one differs)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="change nothing")
        parser.add_argument(
            "--month",
            type=month,
            help="with --dry-run: periods that end in it, YYYY-MM (default: this)",
        )
        parser.add_argument("--all", action="store_true", help="with --dry-run: show what agrees as well")

    def handle(self, *args: Any, dry_run: bool, month: datetime | None, all: bool, **options: Any) -> None:
        at = timezone.now()
        if dry_run:
            self._compare(month or at, show_all=all, at=at)
        elif month or all:
            raise CommandError("--month and --all go with --dry-run: closing takes whatever is over.")
        else:
            self._close(at)

    def _close(self, at: datetime) -> None:
        waiting, closed = month_close.progress(at=at).waiting, 0
        with progress_bar("periods") as bar:
            task = bar.add_task("Closing", total=waiting, done=0)
            month_close.finalize_drafts(at=at, limit=PERIODS_A_RUN)
            while done := month_close.close_due(at=at, limit=PERIODS_A_RUN):
                closed += done
                bar.update(task, completed=closed, done=closed)
        left = month_close.progress(at=at)
        self.stdout.write(f"{closed} billing periods closed, {left.waiting} left.")
        if left.failed:
            raise CommandError(f"{left.failed} could not be closed: see them in the admin under Month close.")

    def _compare(self, within: datetime, *, show_all: bool, at: datetime) -> None:
        start, end = month_of(within)
        counted = differing = 0
        issued = computed = ZERO
        for each in dry_run.compare(start=start, end=end, at=at):
            counted += 1
            differing += each.differs
            issued += each.issued or ZERO
            computed += each.computed
            if each.differs or show_all:
                self.stdout.write(sentence(each))
        self.stdout.write(
            f"{counted} periods that end in {start:%B %Y}: {format_amount(issued)} USD issued, "
            f"{format_amount(computed)} USD computed."
        )
        if differing:
            raise CommandError(f"{differing} differ.")


def month(text: str) -> datetime:
    """The start of the month `text` names, in UTC; raises ValueError for anything but YYYY-MM."""
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)


def sentence(each: dry_run.Comparison) -> str:
    issued = "not issued" if each.issued is None else f"{each.number} {format_amount(each.issued)} USD"
    told = each.problem or f"computed {format_amount(each.computed)} USD"
    return f"{each.account} ({each.account.external_id}), {each.period}: {issued}, {told}"
