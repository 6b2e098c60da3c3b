"""Importing usage: a file's rows recorded batch by batch, or rehearsed without writing anything."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Literal

from usage import surcharges
from usage.core.money import ZERO
from usage.events import Outcome, content_hash
from usage.import_files import ImportFile
from usage.import_rows import FIELD_AT, Entry, Fault, RowReader
from usage.ingest import CLOCK_SKEW, Batch, Payer, Replay, Window, Written, ingest
from usage.models import Account, EventKey
from usage.pricebook import current_book

# Rows of one transaction: enough to be fast, few enough that an interruption costs a second.
BATCH_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one row, with its `fault` when it is rejected or in conflict; `cost` in USD."""

    entry: Entry
    outcome: Literal["recorded", "replayed", "conflict", "rejected"]
    fault: Fault | None = None
    cost: Decimal = ZERO


@dataclass(slots=True)
class Tally:
    """Rows by what became of them; tokens and cost (USD) of those recorded; how many bad ones came last."""

    rows: int = 0
    recorded: int = 0
    replayed: int = 0
    conflicts: int = 0
    rejected: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = ZERO
    bad_in_a_row: int = 0
    longest_bad_run: int = 0

    @property
    def bad(self) -> int:
        return self.conflicts + self.rejected

    def add(self, verdicts: Iterable[Verdict]) -> None:
        for verdict in verdicts:
            self._add(verdict)

    def _add(self, verdict: Verdict) -> None:
        self.rows += 1
        self.bad_in_a_row = 0 if verdict.fault is None else self.bad_in_a_row + 1
        self.longest_bad_run = max(self.longest_bad_run, self.bad_in_a_row)
        match verdict.outcome:
            case "recorded":
                self._add_recorded(verdict)
            case "replayed":
                self.replayed += 1
            case "conflict":
                self.conflicts += 1
            case "rejected":
                self.rejected += 1

    def _add_recorded(self, verdict: Verdict) -> None:
        self.recorded += 1
        self.cost += verdict.cost
        if (event := verdict.entry.event) is not None:
            self.input_tokens += event.data.input_tokens or 0
            self.output_tokens += event.data.output_tokens or 0


def batches(file: ImportFile, reader: RowReader) -> Iterator[list[Entry]]:
    """The file's rows as entries, BATCH_ROWS at a time; raises InvalidRequest where the file is damaged."""
    entries = map(reader.entry, file.rows)
    while batch := list(islice(entries, BATCH_ROWS)):
        yield batch


def record(batch: Sequence[Entry], *, account: Account, at: datetime) -> list[Verdict]:
    """Record the batch in one transaction, `at` being now; returns what became of each row, in order."""
    events = [entry.event for entry in batch if entry.event is not None]
    return _verdicts(batch, ingest(events, at=at, account=account) if events else [])


def rehearse(batch: Sequence[Entry], *, account: Account, at: datetime) -> list[Verdict]:
    """What `record` would answer now, by the same checks and rating; writes nothing.

    `account` need not be stored yet. An id of the file's own that it holds twice is noticed within a batch.
    """
    rated = Batch(
        [entry.event for entry in batch if entry.event is not None],
        at=at,
        account=account,
        window=Window(latest=at + CLOCK_SKEW),
        payers={account.external_id: Payer(account.pk or 0, 0, surcharges.of_account(account))},
        book=current_book(),
    )
    for _ in rated.lines():
        pass
    written = Written(_replays(rated, account=account))
    return _verdicts(batch, [rated.outcome(position, written) for position in range(len(rated.events))])


def _replays(rated: Batch, *, account: Account) -> dict[int, Replay]:
    """The batch's events whose id was claimed before, in the database or in the batch, by position."""
    claimed = _claimed(rated, account=account)
    replays = {}
    for position, cost in rated.costs.items():
        event = rated.events[position]
        identity, digest = (event.source, event.id), content_hash(event, subject=account.external_id)
        if identity in claimed:
            first_digest, first_cost = claimed[identity]
            replays[position] = Replay(first_digest == digest, first_cost)
        else:
            claimed[identity] = (digest, cost)
    return replays


def _claimed(rated: Batch, *, account: Account) -> dict[tuple[str, str], tuple[str, Decimal]]:
    if not account.pk:
        return {}
    keys = EventKey.objects.filter(
        account=account,
        source__in={event.source for event in rated.events},
        event_id__in=[event.id for event in rated.events],
    )
    found = keys.values_list("source", "event_id", "content_hash", "cost")
    return {(source, event_id): (digest.hex, cost) for source, event_id, digest, cost in found}


def _verdicts(batch: Iterable[Entry], outcomes: Iterable[Outcome]) -> list[Verdict]:
    """A verdict a row: the next outcome for one that made an event, its fault for one that did not."""
    pending = iter(outcomes)
    return [
        Verdict(entry, "rejected", entry.fault) if entry.event is None else _verdict(entry, next(pending))
        for entry in batch
    ]


def _verdict(entry: Entry, outcome: Outcome) -> Verdict:
    if outcome.cost is not None:
        return Verdict(entry, outcome.outcome, cost=Decimal(outcome.cost))
    field = FIELD_AT.get(outcome.pointer or "", "")
    return Verdict(entry, outcome.outcome, Fault(outcome.code or "", field, outcome.message or ""))
