"""What the racing clients of a round do, each by its own dice."""

import random
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import msgspec
from django.utils import timezone

from tests.support.cast import an_event
from tests.support.clients import Tell, reconnecting
from tests.torture.world import OPERATION
from usage import authorization
from usage.core.errors import UsageLimitExceededException
from usage.events import Outcome, UsageEvent
from usage.ingest import ingest
from usage.models import Authorization
from usage.operations import Authorized, Operation

ATTEMPTS = 200
# A client that was refused so many times in a row goes home.
REFUSALS = 4
MOST_CALLS = 3
LONGER = timedelta(minutes=20)


@dataclass(frozen=True)
class Caller:
    """A client with its dice; it can be killed at any moment, and tells what it was told."""

    seed: int
    number: int
    accounts: list[str]
    tell: Tell

    def work(self) -> None:
        """Ask until refused; settle some of what was granted, release some, forget the rest."""
        dice = random.Random(f"{self.seed}-{self.number}")
        refusals = 0
        for attempt in range(ATTEMPTS):
            customer = dice.choice(self.accounts)
            calls = dice.choice((1, 1, 1, MOST_CALLS))
            granted = self.ask(f"{self.seed}-{self.number}-{attempt}", customer, calls)
            refusals = 0 if granted else refusals + 1
            if refusals == REFUSALS:
                return
            if granted:
                self.end(granted, customer, calls, dice)

    def ask(self, key: str, customer: str, calls: int) -> Authorized | None:
        operation = msgspec.structs.replace(OPERATION, calls=calls)
        try:
            granted = reconnecting(partial(authorize, operation, customer=customer, key=key), self.tell)
        except UsageLimitExceededException:
            self.tell("refused")
            return None
        self.tell(f"granted {granted.id}")
        return granted

    def end(self, granted: Authorized, customer: str, calls: int, dice: random.Random) -> None:
        """One of the things that become of an authorization."""
        match dice.choice(("settle", "settle", "settle in part", "release", "extend", "forget", "forget")):
            case "settle":
                self.settle(granted, customer, calls)
            case "settle in part":
                self.settle(granted, customer, dice.randint(1, calls))
            case "release":
                reconnecting(partial(release, granted), self.tell)
                self.tell(f"released {granted.id}")
            case "extend":
                reconnecting(partial(extend, granted), self.tell)

    def settle(self, granted: Authorized, customer: str, calls: int) -> None:
        """One event for each call; sent again until it is answered, it is recorded once."""
        for call in range(calls):
            now = timezone.now()
            event = an_event(f"{granted.id}-{call}", subject=customer, at=now, authorization=granted.id)
            outcome = reconnecting(partial(record, event), self.tell)
            self.tell(f"settled {event.id} {outcome.outcome}")


def authorize(operation: Operation, *, customer: str, key: str) -> Authorized:
    return authorization.authorize([operation], customer=customer, at=timezone.now(), key=key)


def release(granted: Authorized) -> None:
    authorization.release(Authorization.objects.get(pk=granted.id), at=timezone.now())


def extend(granted: Authorized) -> None:
    authorization.extend(Authorization.objects.get(pk=granted.id), expires_in=LONGER, at=timezone.now())


def record(event: UsageEvent) -> Outcome:
    (outcome,) = ingest([event], at=timezone.now())
    return outcome
