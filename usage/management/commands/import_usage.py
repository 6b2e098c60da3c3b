"""Import usage from a file."""

import time
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from django.utils import timezone

from usage import import_rejects, importing
from usage.core.columns import IGNORED, KNOWN, parse_overrides
from usage.core.errors import BillingError
from usage.core.money import format_amount
from usage.import_files import FORMATS, Format, opened
from usage.import_rows import CONTENT_SOURCE, OWN_IDS_SOURCE, RowIds, RowReader, Terms
from usage.importing import Tally, Verdict
from usage.management.progress import progress_bar
from usage.models import Account

MAX_BAD_ROWS_IN_A_ROW = 100
MAX_SHOWN = 20

EPILOG = f"""
Rows keep their identity: importing a file again, under another name, compressed, sorted, with rows added or
corrected, records only what is new. A time without an offset is UTC. The fields that columns can be mapped to
are {", ".join(KNOWN)}. More in docs/import.md.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What was asked for."""

    path: Path
    form: Format | None
    terms: Terms
    rejects: Path
    max_bad_rows: int
    dry_run: bool
    create_account: bool


class Command(BaseCommand):
    help = "Record the calls that a CSV or JSON Lines file lists, gzip or not, each exactly once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = EPILOG
        parser.add_argument("file", type=Path, help="the file; its form is told by its name, see --format")
        parser.add_argument("--account", required=True, help="external id of the account that made the calls")
        parser.add_argument(
            "--create-account", action="store_true", help="create the account if it is missing"
        )
        parser.add_argument("--provider", default="", help="provider of the rows that name none")
        parser.add_argument("--model", default="", help="model of the rows that name none")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLUMN=FIELD",
            help="read COLUMN as FIELD, or with FIELD left empty not at all (repeatable)",
        )
        parser.add_argument(
            "--source",
            default="",
            help=f"source of the events (default: {CONTENT_SOURCE}, or {OWN_IDS_SOURCE} for rows with an id)",
        )
        parser.add_argument(
            "--format", choices=sorted(set(FORMATS.values())), help="whatever the file's name says"
        )
        parser.add_argument(
            "--rejects", type=Path, help=f"where rejected rows go (default: FILE{import_rejects.SUFFIX})"
        )
        parser.add_argument(
            "--max-bad-rows",
            type=positive,
            default=MAX_BAD_ROWS_IN_A_ROW,
            help=f"stop after so many bad rows in a row (default: {MAX_BAD_ROWS_IN_A_ROW})",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="rate every row, report totals, write nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with told_as_sentences():
            job = job_from(options)
            tally = Tally()
            started = time.monotonic()
            try:
                self.work(job, tally)
            finally:
                self.report(tally, seconds=time.monotonic() - started, dry_run=job.dry_run)
        if tally.bad:
            where = "see above" if job.dry_run else f"see {job.rejects}"
            raise CommandError(f"{tally.bad:,} {'would not be' if job.dry_run else 'not'} recorded: {where}.")

    def work(self, job: Job, tally: Tally) -> None:
        """Record, or rehearse, the whole file, adding every row to `tally`."""
        account = find_account(job)
        step = importing.rehearse if job.dry_run else importing.record
        with opened(job.path, form=job.form) as file, RowIds() as ids, progress_bar("rows") as progress:
            reader = RowReader(job.terms, ids=ids)
            reader.check_columns(file)
            told = self.tell_columns(reader)
            self.tell_terms(job)
            if not (account.pk or job.dry_run):
                account.save()
            bar = progress.add_task(job.path.name, total=file.size, done=0)
            for batch in importing.batches(file, reader):
                at = timezone.now()
                verdicts = step(batch, account=account, at=at)
                tally.add(verdicts)
                told = self.tell_columns(reader, already=told)
                self.put_aside(verdicts, job=job, at=at, total=tally.bad)
                progress.update(bar, completed=file.position(), done=tally.rows)
                refuse_wrong_file(tally, verdicts, bound=job.max_bad_rows)

    def tell_columns(self, reader: RowReader, *, already: int = 0) -> int:
        """Say how columns are understood, but for those told `already`; returns how many are told now."""
        for column, field in list(reader.understood.items())[already:]:
            self.stdout.write(f"  {column:<24} {f'→ {field}' if field != IGNORED else 'not read'}")
        return len(reader.understood)

    def tell_terms(self, job: Job) -> None:
        terms = job.terms
        assumed = [
            f"{name} {text}" for name, text in (("provider", terms.provider), ("model", terms.model)) if text
        ]
        if assumed:
            self.stdout.write(f"Where a row says nothing: {', '.join(assumed)}.")
        if job.dry_run:
            self.stdout.write("Dry run: nothing is written.")

    def put_aside(self, verdicts: Sequence[Verdict], *, job: Job, at: datetime, total: int) -> None:
        """Keep the rows that were not recorded: in the rejects file, or in a dry run the first on screen.

        `total` counts such rows so far, those of `verdicts` included.
        """
        if not job.dry_run:
            import_rejects.append(job.rejects, verdicts, at=at)
            return
        bad = [verdict for verdict in verdicts if verdict.fault is not None]
        for verdict in bad[: max(0, MAX_SHOWN - (total - len(bad)))]:
            self.stdout.write(f"  {sentence(verdict)}")

    def report(self, tally: Tally, *, seconds: float, dry_run: bool) -> None:
        if not tally.rows:
            return
        recorded = "would be recorded" if dry_run else "recorded"
        self.stdout.write(
            f"{tally.rows:,} rows read in {seconds:.1f} s ({tally.rows / seconds:,.0f} rows/s)\n"
            f"{tally.recorded:,} {recorded}, {tally.replayed:,} replayed, "
            f"{tally.conflicts:,} in conflict, {tally.rejected:,} rejected\n"
            f"{tally.input_tokens:,} input and {tally.output_tokens:,} output tokens, "
            f"{format_amount(tally.cost)} USD {recorded}"
        )


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"takes a whole number from 1 on, not {text!r}")
    return int(text)


def job_from(options: Mapping[str, Any]) -> Job:
    """The parsed options as a job; raises InvalidRequest when --map cannot be read."""
    path: Path = options["file"]
    return Job(
        path=path,
        form=options["format"],
        terms=Terms(
            subject=options["account"],
            provider=options["provider"],
            model=options["model"],
            source=options["source"],
            overrides=parse_overrides(options["map"]),
        ),
        rejects=options["rejects"] or import_rejects.beside(path),
        max_bad_rows=options["max_bad_rows"],
        dry_run=options["dry_run"],
        create_account=options["create_account"],
    )


def find_account(job: Job) -> Account:
    """The account, not stored yet when it is missing and may be created; CommandError when it may not."""
    subject = job.terms.subject
    known = Account.objects.filter(external_id=subject).first()
    if known is not None:
        return known
    if not job.create_account:
        raise CommandError(
            f"There is no account {subject!r}: check the id, or add --create-account to create it."
        )
    account = Account(external_id=subject, name=subject)
    try:
        account.full_clean()
    except ValidationError as wrong:
        raise CommandError(f"--account: {' '.join(wrong.messages)}") from wrong
    return account


def refuse_wrong_file(tally: Tally, verdicts: Sequence[Verdict], *, bound: int) -> None:
    """Stop when as many rows in a row as `bound` were bad: the file is not what it was taken for."""
    if tally.longest_bad_run < bound:
        return
    last = [verdict for verdict in verdicts if verdict.fault is not None][-1]
    raise CommandError(
        f"Stopped: {tally.longest_bad_run:,} bad rows in a row, so the file may not be what it was taken for "
        f"(--max-bad-rows raises the bound of {bound:,}). The last one: {sentence(last)}"
    )


def sentence(verdict: Verdict) -> str:
    reason = "" if verdict.fault is None else verdict.fault.reason
    return f"line {verdict.entry.line}: {reason}"


@contextmanager
def told_as_sentences() -> Iterator[None]:
    """Whatever stops an import ends as one sentence that says how to go on."""
    try:
        yield
    except BillingError as refused:
        raise CommandError(refused.message) from refused
    except OperationalError as lost:
        raise CommandError(
            f"The database failed ({str(lost).strip()}). What was recorded stays: "
            "run the same command again to go on."
        ) from lost
