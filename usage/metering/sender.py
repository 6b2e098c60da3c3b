"""Delivering what waits in a spool, from a thread in the background.

Several processes may share a spool, each with a sender: a lease lets one of them deliver at a time. Where a
lease runs out during a slow delivery an event is delivered twice, which changes nothing where it arrives.
"""

import atexit
import logging
import math
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import SystemRandom

from uuid_utils import uuid7

from usage.core.errors import (
    AccessDenied,
    BillingError,
    EnforcementUnavailable,
    InvalidRequest,
    NotAuthenticated,
    TooLarge,
    TrackingException,
)
from usage.events import Outcome, UsageEvent
from usage.metering import forks
from usage.metering.spool import Refused, Spool, Spooled

logger = logging.getLogger(__name__)

# Takes events and answers with an outcome for each, in their order. Raises InvalidRequest, TooLarge or
# TrackingException when it refuses them as they are; one of OUTAGES when no events are taken at all just now;
# anything else is a fault that one of these events may be the cause of.
Deliver = Callable[[Sequence[UsageEvent]], Sequence[Outcome]]
Errand = Callable[[], None]

MAX_BATCH = 1_000
MAX_ERRANDS = 1_000
# Longer than one delivery may take.
LEASE = timedelta(seconds=40)
# How soon another process's lease is looked at again, and a spool in which nobody told of an event.
LEASE_POLL_S = 1.0
IDLE_POLL_S = 5.0
EXIT_DRAIN_S = 5.0
# A key that is wrong today is put right tomorrow.
OUTAGES = (EnforcementUnavailable, NotAuthenticated, AccessDenied)
REFUSALS = (InvalidRequest, TooLarge, TrackingException)
ACCEPTED = ("recorded", "replayed")

_random = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses between tries: doubling from `first_s` up to `longest_s`, by chance up to half shorter."""

    first_s: float
    longest_s: float

    def pause_s(self, failures: int) -> float:
        """The pause after so many failures in a row, at least one."""
        doublings = min(failures - 1, 32)
        whole_s: float = min(self.longest_s, self.first_s * 2**doublings)
        return whole_s * _random.uniform(0.5, 1.0)


DELIVERY_BACKOFF = Backoff(first_s=0.5, longest_s=30.0)


class Sender:
    """Delivers the events of `spool` through `deliver` in batches, in order of arrival.

    What is accepted leaves the spool, what is refused is parked there. An outage delays all of it; an event
    that is refused, or makes the delivery fail, holds up no other one.
    """

    def __init__(
        self,
        spool: Spool,
        deliver: Deliver,
        *,
        backoff: Backoff = DELIVERY_BACKOFF,
        lease: timedelta = LEASE,
    ) -> None:
        self._spool = spool
        self._deliver = deliver
        self._backoff = backoff
        self._lease = lease
        self._start_afresh()
        forks.watch(self)

    def wake(self) -> None:
        """Look into the spool now, unless a pause after a failed delivery is on; starts the thread."""
        self._awake.set()
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def hurry(self) -> None:
        """Cut the pause after a failed delivery short: there is reason to believe that it works again."""
        self._hurried.set()

    def later(self, errand: Errand) -> None:
        """Run `errand` once in the background, after what waits now was delivered.

        At best: it is dropped when too many wait, when it fails, and when the process ends.
        """
        self._errands.append(errand)
        self.wake()

    def close(self, timeout_s: float) -> bool:
        """Deliver what can be delivered within `timeout_s` and stop for good; whether the spool is empty."""
        self._deadline = time.monotonic() + timeout_s
        with self._starting:
            self._closing.set()
        self._awake.set()
        self._hurried.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout_s)
        atexit.unregister(self._close_at_exit)
        return self._spool.is_empty()

    def before_fork(self) -> None:
        """Nothing: what the thread does goes on in this process."""

    def after_fork(self, *, in_child: bool) -> None:
        if in_child:
            self._start_afresh()

    def _start_afresh(self) -> None:
        """Everything that belongs to one process."""
        self._name = f"{socket.gethostname()}/{os.getpid()}/{uuid7()}"
        self._awake, self._hurried, self._closing = threading.Event(), threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._errands: deque[Errand] = deque(maxlen=MAX_ERRANDS)
        self._batch_size = MAX_BATCH
        self._failures = 0
        self._deadline = math.inf

    def _start(self) -> None:
        with self._starting:
            if self._closing.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._run, name="usage-sender", daemon=True)
            # No thread starts while the interpreter ends; the events are on disk for the next process.
            with suppress(RuntimeError):
                atexit.register(self._close_at_exit)
                self._thread.start()

    def _close_at_exit(self) -> None:
        self.close(EXIT_DRAIN_S)

    def _run(self) -> None:
        while True:
            is_last = self._closing.is_set()
            pause_s = self._deliver_what_waits()
            if is_last:
                return
            self._rest(pause_s)

    def _rest(self, pause_s: float) -> None:
        (self._hurried if self._failures else self._awake).wait(pause_s)
        self._awake.clear()
        self._hurried.clear()

    def _deliver_what_waits(self) -> float:
        """Empty the spool as far as it goes; how many seconds to rest then."""
        try:
            pause_s = self._drain()
        except Exception as failure:
            return self._failed(failure)
        self._failures = 0
        self._run_errands()
        return pause_s

    def _drain(self) -> float:
        if self._spool.is_empty():
            return IDLE_POLL_S
        try:
            while time.monotonic() < self._deadline:
                if not self._has_lease():
                    return LEASE_POLL_S
                if not (batch := self._spool.oldest(self._batch_size)):
                    return IDLE_POLL_S
                self._send(batch)
        finally:
            self._spool.return_lease(self._name)
        return IDLE_POLL_S

    def _has_lease(self) -> bool:
        """Take the lease or renew it; one that a killed process left behind is not waited for."""
        if self._spool.lease(self._name, at=datetime.now(UTC), duration=self._lease):
            return True
        owner = self._spool.leased_to()
        if not has_died(owner):
            return False
        self._spool.return_lease(owner)
        return self._spool.lease(self._name, at=datetime.now(UTC), duration=self._lease)

    def _send(self, batch: Sequence[Spooled]) -> None:
        """Deliver `batch`; what fails is tried again in halves, down to the one event at fault."""
        size_now, self._batch_size = self._batch_size, max(1, len(batch) // 2)
        try:
            outcomes = self._deliver([spooled.event for spooled in batch])
        except REFUSALS as refusal:
            if len(batch) == 1:
                self._park([refusal_of(batch[0], code=refusal.error_code, message=refusal.message)])
        except OUTAGES:
            raise
        except Exception:
            if len(batch) == 1:
                self._spool.defer(batch[0].number)
            raise
        else:
            if self._failures:
                logger.info("Usage of %s is delivered again.", self._spool.path)
                self._failures = 0
            self._conclude(batch, outcomes)
            self._batch_size = min(MAX_BATCH, size_now * 2)

    def _conclude(self, batch: Sequence[Spooled], outcomes: Sequence[Outcome]) -> None:
        answered = list(zip(batch, outcomes, strict=True))
        self._park(
            [
                refusal_of(spooled, code=outcome.code or outcome.outcome, message=outcome.message or "")
                for spooled, outcome in answered
                if outcome.outcome not in ACCEPTED
            ],
            delivered=[spooled.number for spooled, outcome in answered if outcome.outcome in ACCEPTED],
        )

    def _park(self, refused: Sequence[Refused], *, delivered: Sequence[int] = ()) -> None:
        for one in refused:
            logger.error("Usage was refused and is parked in %s: %s", self._spool.path, one)
        self._spool.conclude(delivered=delivered, parked=refused)

    def _failed(self, failure: Exception) -> float:
        self._failures += 1
        if self._failures == 1:
            reason = failure.message if isinstance(failure, BillingError) else type(failure).__name__
            logger.warning("Usage waits in %s: %s", self._spool.path, reason)
        return self._backoff.pause_s(self._failures)

    def _run_errands(self) -> None:
        while self._errands and time.monotonic() < self._deadline:
            errand = self._errands.popleft()
            try:
                errand()
            except Exception as failure:
                logger.info("An errand failed: %s", type(failure).__name__)


def has_died(owner: str) -> bool:
    """Whether the sender of this name ran on this machine in a process that is gone."""
    host, _, process = owner.partition("/")
    number = process.partition("/")[0]
    # Elsewhere there is no harmless signal to ask with.
    if os.name != "posix" or host != socket.gethostname() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        # It is there, and another user's.
        return False
    return False


def refusal_of(spooled: Spooled, *, code: str, message: str) -> Refused:
    """Why `spooled` was not taken, its identity in front so that it can be found."""
    event = spooled.event
    return Refused(number=spooled.number, code=code, message=f"{event.source}/{event.id}: {message}")
