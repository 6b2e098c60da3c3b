"""One round: clients that race for the last calls, some of them killed, perhaps the server too."""

import random
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from django.utils import timezone

from tests.support.clients import AWAY, FAILED, Client, Tell, clients
from tests.support.invariants import broken_invariants
from tests.support.racing import Seen, wait_until_alone, watched
from tests.support.servers import OwnServer
from tests.torture.callers import Caller
from tests.torture.plan import Found, Scene
from tests.torture.world import CALLS, OPERATION, begin
from usage import authorization, limits
from usage.core.errors import UsageLimitExceededException
from usage.models import Account, APIUsageLog, Authorization

# Counted in answers that all clients together have had.
LATEST_KILL = CALLS
EARLIEST_CRASH, LATEST_CRASH = CALLS // 10, CALLS // 2
LONG_PAST = timedelta(hours=2)
LONGEST_S = 180
POLL_S = 0.02


def race(scene: Scene, *, count: int, server: OwnServer) -> Found:
    """Carry out `scene` with `count` clients."""
    accounts = begin(accounts=scene.accounts, limited_by=scene.limits)
    found = Found()
    # An observer cannot look while the server is away.
    observer: AbstractContextManager[Seen | None] = (
        nullcontext() if scene.crash else watched(clock=timezone.now)
    )
    with TemporaryDirectory(prefix="torture-") as folder:
        racing = clients(partial(call, scene.seed, accounts), count=count, folder=Path(folder))
        with racing as running, observer as seen:
            found.counts.update(disturb(scene, running, server))
        wait_until_alone()
        told = [line for client in running for line in client.told()]
    if seen is not None:
        found.counts["looks of the observer"] += seen.looks
        found.broken.extend(f"seen while they raced: {excess}" for excess in sorted(seen.excesses))
    check(told, accounts, found)
    return found


def call(seed: int, accounts: list[str], number: int, tell: Tell) -> None:
    Caller(seed, number, accounts, tell).work()


def disturb(scene: Scene, running: list[Client], server: OwnServer) -> Counter[str]:
    """Kill half of the clients, and perhaps the server, each at a moment of its own; until all have ended."""
    dice = random.Random(scene.seed)
    victims = dice.sample(running, len(running) // 2)
    kills = sorted((dice.randint(0, LATEST_KILL), victim.number) for victim in victims)
    crash_at = dice.randint(EARLIEST_CRASH, LATEST_CRASH) if scene.crash else None
    done = Counter[str]()
    deadline = time.monotonic() + LONGEST_S
    # The server restarts beside us: clients are killed while it is away and when it is just back.
    with ThreadPoolExecutor(1) as beside:
        crash: Future[None] | None = None
        while any(client.process.is_alive() for client in running):
            assert time.monotonic() < deadline, f"{scene}: the clients do not end"
            answers = sum(line != AWAY for client in running for line in client.told())
            while kills and kills[0][0] <= answers:
                victim = running[kills.pop(0)[1]]
                done["clients killed"] += victim.process.is_alive()
                victim.kill()
            if crash is None and crash_at is not None and crash_at <= answers:
                crash = beside.submit(restart, server)
            time.sleep(POLL_S)
    if crash:
        crash.result()
        done["crashes of the server"] += 1
    return done


def restart(server: OwnServer) -> None:
    server.stop_immediately()
    server.start()


def check(told: list[str], accounts: list[str], found: Found) -> None:
    """Whether what the clients were told is true, and the limits are full and no more than full."""
    found.broken.extend(line for line in told if line.startswith(FAILED))
    answers = [line.split() for line in told if not line.startswith(FAILED)]
    found.counts.update(f"told: {what}" for what, *_ in answers)
    missing = {rest[0] for what, *rest in answers if what == "granted"} - ids_of(Authorization, "id")
    lost = {rest[0] for what, *rest in answers if what == "settled"} - ids_of(APIUsageLog, "event_id")
    found.broken.extend(f"answered {line}" for line in told if line.endswith(("conflict", "rejected")))
    found.broken.extend(f"granted, and lost: {id_}" for id_ in sorted(missing))
    found.broken.extend(f"settled, and lost: {id_}" for id_ in sorted(lost))
    found.broken.extend(broken_invariants())
    for account in Account.objects.filter(external_id__in=accounts):
        found.broken.extend(not_full(account, CALLS // len(accounts)))
    found.broken.extend(broken_invariants())


def not_full(account: Account, amount: int) -> list[str]:
    """Ask for what must be left, at once and after all holds have expired: no more, and no less."""
    broken = []
    for at in (timezone.now(), timezone.now() + LONG_PAST):
        authorization.expire(at=at, limit=1_000)
        (calls,) = [each for each in limits.states(account, at=at) if each.name == "everything_calls_period"]
        granted = 0
        while granted <= amount and is_granted(account, at=at):
            granted += 1
        taken = calls.used + calls.held + granted
        if taken != amount:
            broken.append(f"{account}: {taken} of {amount} calls could be used or held at {at}")
    return broken


def is_granted(account: Account, *, at: datetime) -> bool:
    try:
        authorization.authorize([OPERATION], customer=account.external_id, at=at)
    except UsageLimitExceededException:
        return False
    return True


def ids_of(model: type[Authorization] | type[APIUsageLog], column: str) -> set[str]:
    return {str(value) for value in model.objects.values_list(column, flat=True)}
