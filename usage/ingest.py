"""Recording usage: 1 to 10 000 events in one transaction, each exactly once.

The order inside the transaction: the batch goes to a temporary table by COPY; event keys are claimed, the one
point at which two senders of the same event meet; replays leave the batch; what remains goes to the log and
is added to the totals. All of it is committed or nothing, and no row is touched one by one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import DataError, connection, transaction

from usage import moves, partitions, periods, surcharges, totals
from usage.core.errors import InvalidRequest, TrackingException
from usage.core.money import format_amount
from usage.core.surcharges import Surcharges
from usage.events import Outcome, UsageEvent
from usage.incoming import NO_SURCHARGES, Rejected, row_of
from usage.incoming_table import OF_A_FEW, OF_BATCHES, IncomingTable
from usage.models import Account
from usage.pricebook import PriceBook, book_at, current_book

MAX_EVENTS = 10_000

# No billable AI API is older; bounds the partitions a batch can ask for.
FIRST_INSTANT = datetime(2015, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)
LINES_AT_A_TIME = 100
# Up to so many events a saved round trip is worth more than the cheaper claim of many keys.
FEW_EVENTS = 20

# Rows that deleted themselves leave the table growing; a TRUNCATE now and then keeps it small.
FEW_EVENTS_BEFORE_EMPTYING = 500

_sessions_with_tables: WeakKeyDictionary["psycopg.Connection[Any]", int] = WeakKeyDictionary()

LOOK_UP_PAYERS = """
SELECT account.external_id, account.id, period.id,
       EXISTS (SELECT FROM account_surcharges surcharge WHERE surcharge.account_id = account.id),
       (SELECT COALESCE(max(price.id), 0) FROM api_provider_pricing price)
FROM accounts account
LEFT JOIN billing_periods period ON period.account_id = account.id
     AND period.period_start <= %(at)s AND period.period_end > %(at)s
WHERE account.external_id = ANY(%(subjects)s)
"""


@dataclass(frozen=True, slots=True)
class Payer:
    """Whom an event is counted for: the account, its billing period open at the time of recording, and what
    its terms add to the cost of calls.
    """

    account_id: int
    billing_period_id: int
    surcharges: Surcharges


@dataclass(frozen=True, slots=True)
class Replay:
    """An event id that was claimed before: whether with the same content, and what that event cost."""

    same_content: bool
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Written:
    """What the write found, by position: the replays, and the events beyond what was held for them."""

    replays: Mapping[int, Replay]
    overruns: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The times an event may carry: not before `earliest`, not after `latest`."""

    earliest: datetime = FIRST_INSTANT
    latest: datetime


def ingest(
    events: Sequence[UsageEvent],
    *,
    at: datetime,
    account: Account | None = None,
    window: Window | None = None,
) -> list[Outcome]:
    """Record `events` (1..10 000), each exactly once; returns one outcome per event, in order.

    `at` is the time of recording: it decides the billing period, and stands in for an event's missing time.
    With `account` given, events of other subjects are rejected as if those did not exist. Events outside
    `window` (default: from 2015 until five minutes after `at`) are rejected. An event that is rejected,
    replayed or in conflict never loses another one.

    Raises InvalidRequest for an empty or oversized batch, TrackingException when an event built in Python
    breaks the bounds of its own type; nothing is recorded then, and nothing when the connection is lost.
    """
    if not 1 <= len(events) <= MAX_EVENTS:
        raise InvalidRequest(f"A batch takes 1 to {MAX_EVENTS} events, not {len(events)}.")
    window = window or Window(latest=at + CLOCK_SKEW)
    payers, book = _look_up(events, at=at, account=account)
    times = {event.time or at for event in events}
    partitions.ensure(time for time in times if window.earliest <= time <= window.latest)
    batch = Batch(events, at=at, account=account, window=window, payers=payers, book=book)
    written = _write(batch, at=at)
    if len(written.replays) < len(batch.costs):
        moves.announce()
    return [batch.outcome(position, written) for position in range(len(events))]


class Batch:
    """The events of one call, turned into rows one after the other; remembers what became of each."""

    def __init__(
        self,
        events: Sequence[UsageEvent],
        *,
        at: datetime,
        account: Account | None,
        window: Window,
        payers: Mapping[str, Payer],
        book: PriceBook,
    ) -> None:
        self.events = events
        self.at = at
        self.own_subject = account.external_id if account else ""
        self.window = window
        self.payers = payers
        self.book = book
        self.costs: dict[int, Decimal] = {}
        self.rejections: dict[int, Rejected] = {}

    def lines(self) -> Iterator[str]:
        """COPY lines of the recordable events, made while PostgreSQL already reads the first ones."""
        lines = []
        for position, event in enumerate(self.events):
            try:
                payer = self._payer_of(event)
                self._check_time(event)
                row = row_of(
                    event,
                    position=position,
                    account_id=payer.account_id,
                    billing_period_id=payer.billing_period_id,
                    book=self.book,
                    at=self.at,
                    subject=event.subject or self.own_subject,
                    surcharges=payer.surcharges,
                )
            except Rejected as wrong:
                self.rejections[position] = wrong
                continue
            self.costs[position] = row.cost
            lines.append(row.line)
            if len(lines) == LINES_AT_A_TIME:
                yield "".join(lines)
                lines.clear()
        yield "".join(lines)

    def _payer_of(self, event: UsageEvent) -> Payer:
        subject = event.subject or self.own_subject
        payer = self.payers.get(subject)
        if payer is None:
            message = (
                f"There is no account {subject!r} that this credential reaches."
                if subject
                else "The event does not say whose usage it is: give the account's id as its subject."
            )
            raise Rejected("subject_unknown", "/subject", message)
        return payer

    def _check_time(self, event: UsageEvent) -> None:
        if event.time is None:
            return
        if event.time > self.window.latest:
            raise Rejected(
                "time_in_future",
                "/time",
                f"The event's time lies in the future: the latest accepted is {self.window.latest}.",
            )
        if event.time < self.window.earliest:
            raise Rejected(
                "time_too_old",
                "/time",
                f"The earliest time accepted is {self.window.earliest}: "
                "older usage is recorded with the import_usage command.",
            )

    def outcome(self, position: int, written: "Written") -> Outcome:
        """What became of the event at `position`."""
        event = self.events[position]
        replay = written.replays.get(position)
        wrong = self.rejections.get(position)
        if replay is not None and not replay.same_content:
            wrong = CONFLICT
        if wrong is not None:
            return Outcome(
                index=position,
                outcome="conflict" if wrong is CONFLICT else "rejected",
                source=event.source,
                id=event.id,
                code=wrong.code,
                pointer=wrong.pointer,
                message=wrong.message,
            )
        return Outcome(
            index=position,
            outcome="recorded" if replay is None else "replayed",
            source=event.source,
            id=event.id,
            cost=format_amount(self.costs[position] if replay is None else replay.cost),
            currency="USD",
            overrun=position in written.overruns,
        )


CONFLICT = Rejected(
    "event_conflict",
    "/id",
    "This id was recorded before with other content: send a correction under an id of its own.",
)


def _look_up(
    events: Sequence[UsageEvent], *, at: datetime, account: Account | None
) -> tuple[dict[str, Payer], PriceBook]:
    """The batch's accounts with their open periods, and the price book as it stands: one query."""
    # PostgreSQL knows no NUL, so no account's id holds one: such a subject is simply not found.
    named = {event.subject for event in events if "\x00" not in event.subject}
    subjects = [account.external_id] if account else list(named)
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        session: psycopg.Connection[Any] = connection.connection
        found = psycopg.Cursor(session).execute(LOOK_UP_PAYERS, {"at": at, "subjects": subjects}).fetchall()
    if not found:
        return {}, current_book()
    without_period = [account_id for _, account_id, period_id, _, _ in found if period_id is None]
    opened = periods.ensure(without_period, at=at) if without_period else {}
    surcharged = [account_id for _, account_id, _, has_any, _ in found if has_any]
    added = surcharges.by_account(surcharged) if surcharged else {}
    payers = {
        external_id: Payer(account_id, period_id or opened[account_id], added.get(account_id, NO_SURCHARGES))
        for external_id, account_id, period_id, _, _ in found
    }
    return payers, book_at(found[0][4])


def _write(batch: Batch, *, at: datetime) -> Written:
    """Record the batch in one transaction."""
    table = OF_A_FEW if len(batch.events) <= FEW_EVENTS else OF_BATCHES
    # What ends a transaction empties the table; inside a caller's one an earlier batch may still be there.
    leftovers = connection.in_atomic_block
    try:
        with transaction.atomic(), connection.wrap_database_errors, _session_cursor() as cursor:
            if leftovers:
                cursor.execute(table.empty)
            with cursor.copy(table.copy) as copy:
                for lines in batch.lines():
                    copy.write(lines)
            if not batch.costs:
                return Written({})
            if table is OF_A_FEW:
                return _claim_and_record(cursor, at=at)
            replays = _claim_keys(cursor, at=at)
            if len(replays) == len(batch.costs):
                return Written(replays)
            return Written(replays, _record_claimed(cursor, table, at=at))
    except (DataError, UnicodeError, ValueError) as broken:
        raise TrackingException(
            f"An event breaks the bounds of its own type, and none was recorded: {broken}",
            code="event_invalid",
        ) from broken


def _claim_and_record(cursor: "psycopg.Cursor[Any]", *, at: datetime) -> Written:
    """Claim and record in one round trip: what counts where a caller waits for a single call's settlement."""
    replayed = psycopg.Cursor(cursor.connection)
    with cursor.connection.pipeline():
        cursor.execute(OF_A_FEW.claim_new_keys, {"at": at}, prepare=True)
        replayed.execute(OF_A_FEW.take_out_replays, prepare=True)
        overruns = _record_claimed(cursor, OF_A_FEW, at=at)
        cursor.execute(OF_A_FEW.delete, prepare=True)
    return Written(_replays(replayed), overruns)


def _record_claimed(cursor: "psycopg.Cursor[Any]", table: IncomingTable, *, at: datetime) -> frozenset[int]:
    """Write the claimed rows to the log, the totals and the limits; returns those beyond their hold."""
    counting = psycopg.Cursor(cursor.connection)
    with cursor.connection.pipeline():
        cursor.execute(table.write_log, {"at": at}, prepare=True)
        cursor.execute(table.lock_accounts, {"at": at}, prepare=True)
        totals.add_from(table.name, cursor, at=at)
        counting.execute(table.count_in_limits, {"at": at}, prepare=True)
    return frozenset(position for (position,) in counting)


def _claim_keys(cursor: "psycopg.Cursor[Any]", *, at: datetime) -> dict[int, Replay]:
    """Claim the keys of the incoming rows; those claimed before leave the table and are returned.

    Nearly always all are new, and an INSERT that may fail is half the work of one that must look first.
    """
    try:
        with cursor.connection.transaction():
            cursor.execute(OF_BATCHES.claim_all_keys, {"at": at}, prepare=True)
        return {}
    except psycopg.errors.UniqueViolation:
        cursor.execute(OF_BATCHES.claim_new_keys, {"at": at}, prepare=True)
        cursor.execute(OF_BATCHES.take_out_replays, prepare=True)
        return _replays(cursor)


def _replays(cursor: "psycopg.Cursor[Any]") -> dict[int, Replay]:
    """What TAKE_OUT_REPLAYS found, by position."""
    return {position: Replay(same, cost) for position, same, cost in cursor}


def _session_cursor() -> "psycopg.Cursor[Any]":
    """A server-side binding cursor on Django's connection, with the session's incoming tables in place."""
    session: psycopg.Connection[Any] = connection.connection
    used = _sessions_with_tables.get(session)
    if used is None:
        for table in (OF_BATCHES, OF_A_FEW):
            session.execute(table.create)
            session.execute(table.empty)
        # Were the transaction that made them rolled back, the tables would be gone; and behind a pooler
        # (where prepared statements must be off) the next transaction may find itself in another session.
        if session.prepare_threshold is not None:
            transaction.on_commit(partial(_sessions_with_tables.__setitem__, session, 0))
    elif used < FEW_EVENTS_BEFORE_EMPTYING:
        _sessions_with_tables[session] = used + 1
    else:
        session.execute(OF_A_FEW.empty)
        _sessions_with_tables[session] = 0
    return psycopg.Cursor(session)
