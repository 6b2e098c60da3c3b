"""The meter in the process that has the database: checks before each call, and records after it, at once."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import msgspec
from django.conf import settings
from uuid_utils import uuid7

from usage import authorization
from usage.core.errors import Conflict, EnforcementUnavailable, TrackingException
from usage.events import Outcome, UsageEvent
from usage.ingest import ingest
from usage.metering.database import DatabaseThreads
from usage.metering.policy import FailPolicy, fail_policy_of, without_answer
from usage.metering.protocol import UNENFORCED, Grant, Intent
from usage.metering.sender import ACCEPTED, Sender
from usage.metering.spool import Spool
from usage.models import Authorization
from usage.operations import Authorized

logger = logging.getLogger(__name__)

# More calls than this queue up for the meter; each is over in about two milliseconds.
THREADS = 4
# How long a caller waits for the database, and the background for a batch from the spool.
TIMEOUT_S = 5.0
DELIVERY_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0


class LocalMeter:
    """A `Meter` with the database of this process.

    While the database is away, or does not answer within `timeout_s`, settled events wait in the file `spool`
    and calls are treated as `fail` says: "closed" refuses them with EnforcementUnavailable, "open" lets them
    pass with a grant that says `UNENFORCED`. What is not given is taken from the settings METERING_SPOOL and
    METERING_FAIL ("closed" if that is missing too). Without any spool, `settle` raises what prevents it.

    Usage that is refused (no price, no such account) is logged as an error and kept apart in the spool. The
    caller's transaction is not taken part in: what it has not committed is not seen, and its rollback undoes
    nothing. Share one meter between the threads of a process; a forked one may go on with its copy.
    """

    def __init__(
        self,
        *,
        spool: Path | str | None = None,
        fail: FailPolicy | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._timeout_s = timeout_s
        self._fail = fail_policy_of(str(fail or getattr(settings, "METERING_FAIL", "closed")))
        self._database = DatabaseThreads(threads=getattr(settings, "METERING_THREADS", THREADS))
        path = spool or getattr(settings, "METERING_SPOOL", None)
        self._spool = None if path is None else Spool(path)
        self._sender = None if self._spool is None else Sender(self._spool, partial(_deliver, self._database))
        self._is_behind = False
        # What an earlier process left behind must not wait for the next outage.
        if self._spool is not None and self._sender is not None and not self._spool.is_empty():
            self._sender.wake()

    def __repr__(self) -> str:
        path = None if self._spool is None else str(self._spool.path)
        return f"LocalMeter(spool={path!r}, fail={self._fail!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def authorize(self, intent: Intent) -> Grant:
        """As the protocol says. Raises NotFound for an unknown customer and InvalidRequest for what is wrong
        with the intent.
        """
        # The same key for every try: a hold that was made as the connection died is found, not made twice.
        work = partial(_authorize, intent, key=str(uuid7()))
        try:
            return self._database.run(work, timeout_s=self._timeout_s, unclaimed=_release)
        except EnforcementUnavailable as outage:
            return without_answer(intent, outage, fail=self._fail)

    def settle(self, event: UsageEvent) -> None:
        """As the protocol says: `event` is recorded when this returns, or waits in the spool for that.

        Raises TrackingException when it can be neither recorded nor kept.
        """
        at = datetime.now(UTC)
        if event.time is None:
            # It may be recorded much later than it happened.
            event = msgspec.structs.replace(event, time=at)
        try:
            [outcome] = self._database.run(partial(ingest, [event], at=at), timeout_s=self._timeout_s)
        except Exception as failure:
            self._keep(event, failure)
            return
        self._catch_up()
        if outcome.outcome not in ACCEPTED:
            logger.error("Usage of event %s was refused: %s", event.id, outcome.code)
            self._keep(event, TrackingException(outcome.message or "", code=outcome.code or ""))

    def release(self, grant: Grant) -> None:
        """As the protocol says. Of a grant whose calls were settled nothing is left to give back."""
        if grant.authorization == UNENFORCED:
            return
        try:
            self._database.run(partial(_release, grant), timeout_s=self._timeout_s)
        except EnforcementUnavailable as outage:
            logger.info("The hold %s is left to expire: %s", grant.authorization, outage.message)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Record what waits as far as `timeout_s` allows; whether that was all. Ends threads and connections;
        what is left stays on disk for the next process.
        """
        is_empty = True
        if self._spool is not None and self._sender is not None:
            is_empty = self._sender.close(timeout_s)
            self._spool.close()
        self._database.close()
        return is_empty

    def _keep(self, event: UsageEvent, failure: Exception) -> None:
        """Leave `event` to the background, which records it, or puts it aside with the reason."""
        if self._spool is None or self._sender is None:
            raise failure
        level = logging.INFO if isinstance(failure, EnforcementUnavailable) else logging.ERROR
        # Not its text, which can quote what was written.
        logger.log(level, "Event %s waits in the spool: %s", event.id, type(failure).__name__)
        self._spool.put(event)
        self._sender.wake()
        self._is_behind = True

    def _catch_up(self) -> None:
        """The database answers again: what waits for it need not wait for the end of the sender's pause."""
        if self._is_behind and self._sender is not None:
            self._is_behind = False
            self._sender.hurry()


@cache
def shared() -> LocalMeter:
    """The one local meter of this process, made at its first use as the settings say."""
    return LocalMeter()


def _authorize(intent: Intent, *, key: str) -> Grant:
    authorized: Authorized = authorization.authorize(
        intent.operations,
        customer=intent.customer,
        at=datetime.now(UTC),
        expires_in=intent.expires_in,
        key=key,
    )
    return Grant(
        authorization=authorized.id,
        output_caps=tuple(estimate.max_output_tokens for estimate in authorized.decision.operations),
        decision=authorized.decision,
    )


def _release(grant: Grant) -> None:
    try:
        held = Authorization.objects.get(pk=UUID(grant.authorization))
        authorization.release(held, at=datetime.now(UTC))
    except (Authorization.DoesNotExist, Conflict):
        # Settled or swept away meanwhile: there is nothing left to give back.
        return


def _deliver(database: DatabaseThreads, events: Sequence[UsageEvent]) -> list[Outcome]:
    """What a `Sender` asks for: outcomes, or EnforcementUnavailable while the database is away."""
    return database.run(partial(ingest, events, at=datetime.now(UTC)), timeout_s=DELIVERY_TIMEOUT_S)
