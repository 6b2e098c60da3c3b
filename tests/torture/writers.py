"""Writers of the same accounts at the same time, for a while: none of them may ever hear of a deadlock."""

import random
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection
from django.utils import timezone

from tests.support.cast import an_event
from tests.support.clients import END_PATIENCE_S, FAILED, Tell, clients, wait_for_the_end
from tests.support.invariants import broken_invariants
from tests.support.racing import wait_until_alone
from tests.torture.plan import Found
from tests.torture.world import MANY, OPERATION, begin, terms_for
from usage import authorization, drift, limits
from usage.core.errors import Conflict, UsageLimitExceededException
from usage.ingest import ingest
from usage.models import Account, Authorization, LimitSource

BATCH = 60
# Of the batches, how many are made of events that others send as well.
SHARING = 0.2
SHORT = timedelta(seconds=2)
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def write_for(seconds: float, *, count: int) -> Found:
    """Let `count` writers do everything there is to do, on the same accounts, for `seconds`."""
    accounts = begin(accounts=MANY, limited_by=6)
    found, before = Found(), deadlocks()
    until = time.monotonic() + seconds
    with TemporaryDirectory(prefix="torture-") as folder:
        with clients(partial(write, until, accounts), count=count, folder=Path(folder)) as running:
            wait_for_the_end(running, seconds=seconds + END_PATIENCE_S)
        told = [line for client in running for line in client.told()]
    wait_until_alone()
    found.counts.update(line for line in told if not line.startswith(FAILED))
    found.broken.extend(line for line in told if line.startswith(FAILED))
    if deadlocks() != before:
        found.broken.append(f"the server resolved {deadlocks() - before} deadlocks")
    # Batches report what nobody had asked for.
    found.broken.extend(broken_invariants(only_authorized=False))
    return found


def write(until: float, accounts: list[str], number: int, tell: Tell) -> None:
    Writer(number, accounts, tell).work(until)


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(DEADLOCKS)
        return int(cursor.fetchone()[0])


@dataclass(frozen=True)
class Writer:
    """One writer with its dice."""

    number: int
    accounts: list[str]
    tell: Tell

    def work(self, until: float) -> None:
        """Take one turn after the other until the time is over, and tell of each that was finished."""
        dice = random.Random(self.number)
        turns = {
            self.report: 10,
            self.call: 8,
            self.release: 2,
            self.sweep: 1,
            self.change: 1,
            self.check: 1,
        }
        while time.monotonic() < until:
            (turn,) = dice.choices(list(turns), list(turns.values()))
            turn(dice)
            self.tell(f"turns: {turn.__name__}")

    def report(self, dice: random.Random) -> None:
        """A batch of all accounts in any order. Some share events with others, which then wait for each other
        at the first of them; most meet at the accounts and totals alone.
        """
        now = timezone.now()
        minute = now.replace(second=0, microsecond=0)
        shares = dice.random() < SHARING
        sender = "shared" if shares else f"{self.number}-{now.timestamp()}"
        numbers = dice.sample(range(4 * BATCH), BATCH)
        ingest(
            [
                an_event(
                    f"{sender}-{minute:%d%H%M}-{number}", subject=self.accounts[number % MANY], at=minute
                )
                for number in numbers
            ],
            at=now,
        )

    def call(self, dice: random.Random) -> None:
        """Ask, and mostly settle."""
        customer = dice.choice(self.accounts)
        try:
            granted = authorization.authorize(
                [OPERATION], customer=customer, at=timezone.now(), expires_in=SHORT
            )
        except UsageLimitExceededException:
            self.tell("told: refused")
            return
        if dice.random() < 0.8:
            now = timezone.now()
            ingest([an_event(granted.id, subject=customer, at=now, authorization=granted.id)], at=now)

    def release(self, dice: random.Random) -> None:
        """Release or extend somebody's authorization, who may be settling it just now."""
        some = Authorization.objects.filter(state="open").order_by("-created_at").first()
        if some is None:
            return
        try:
            if dice.random() < 0.5:
                authorization.release(some, at=timezone.now())
            else:
                authorization.extend(some, expires_in=SHORT, at=timezone.now())
        except Conflict:
            self.tell("told: closed before")

    def sweep(self, dice: random.Random) -> None:
        authorization.expire(at=timezone.now(), limit=MANY)

    def change(self, dice: random.Random) -> None:
        """New terms: the calls stay limited, the others come and go."""
        account = Account.objects.get(external_id=dice.choice(self.accounts))
        first, *others = terms_for(dice.randint(1_000, 100_000))
        chosen = dice.sample(others, dice.randint(0, len(others)))
        limits.put(account, source=LimitSource.PLAN, limits=[first, *chosen], at=timezone.now())

    def check(self, dice: random.Random) -> None:
        """Look for drift while the others write: it is never there, not even for a moment."""
        end = timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        account = Account.objects.get(external_id=dice.choice(self.accounts))
        drifted = drift.check(start=end - timedelta(hours=2), end=end, account_id=account.pk)
        if drifted:
            self.tell(f"{FAILED}drift seen while others write: {drifted}")
