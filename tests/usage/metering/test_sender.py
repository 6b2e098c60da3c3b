"""Delivery from a spool in the background: batches, outages, refusals, faults, and one sender at a time."""

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.cast import an_event
from tests.support.processes import wait_until
from usage.core.errors import EnforcementUnavailable, InvalidRequest, NotAuthenticated, TooLarge
from usage.events import Outcome, UsageEvent
from usage.metering.sender import LEASE, MAX_BATCH, Backoff, Sender
from usage.metering.spool import Spool

PATIENCE_S = 10
AT_ONCE = Backoff(first_s=0.01, longest_s=0.02)
IN_AN_HOUR = Backoff(first_s=3600, longest_s=3600)


class Destination:
    """Takes events, each once; `refuse` may raise, or name the outcome of an event instead."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.tries = 0
        self.taken: list[str] = []
        self.refuse: Callable[[Sequence[UsageEvent]], dict[str, Outcome] | None] = lambda events: None

    def deliver(self, events: Sequence[UsageEvent]) -> list[Outcome]:
        self.tries += 1
        outcomes = self.refuse(events) or {}
        self.batches.append([event.id for event in events])
        return [outcomes.get(event.id) or self._take(index, event.id) for index, event in enumerate(events)]

    def _take(self, index: int, event_id: str) -> Outcome:
        if event_id in self.taken:
            return Outcome(index=index, outcome="replayed", id=event_id)
        self.taken.append(event_id)
        return Outcome(index=index, outcome="recorded", id=event_id)


def refusing(event_id: str, error: Exception) -> Callable[[Sequence[UsageEvent]], None]:
    """Raise `error` for every batch that has the event."""

    def refuse(events: Sequence[UsageEvent]) -> None:
        if any(event.id == event_id for event in events):
            raise error

    return refuse


def refusing_all(error: Exception) -> Callable[[Sequence[UsageEvent]], None]:
    def refuse(events: Sequence[UsageEvent]) -> None:
        raise error

    return refuse


def waiting_for(event: threading.Event) -> Callable[[Sequence[UsageEvent]], None]:
    def wait(events: Sequence[UsageEvent]) -> None:
        event.wait(PATIENCE_S)

    return wait


@pytest.fixture
def destination() -> Destination:
    return Destination()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.sqlite3")
    yield spool
    spool.close()


def a_sender(spool: Spool, destination: Destination, *, backoff: Backoff = AT_ONCE) -> Sender:
    return Sender(spool, destination.deliver, backoff=backoff)


def put(spool: Spool, *event_ids: str) -> None:
    for event_id in event_ids:
        spool.put(an_event(event_id))


def test_what_waits_is_delivered_in_one_batch_in_order(spool: Spool, destination: Destination) -> None:
    put(spool, "a", "b", "c")
    sender = a_sender(spool, destination)
    sender.wake()

    assert sender.close(PATIENCE_S)
    assert destination.batches == [["a", "b", "c"]]


def test_a_batch_has_a_bound(spool: Spool, destination: Destination) -> None:
    put(spool, *(f"e{number}" for number in range(MAX_BATCH + 1)))
    sender = a_sender(spool, destination)
    sender.wake()

    assert sender.close(PATIENCE_S)
    assert [len(batch) for batch in destination.batches] == [MAX_BATCH, 1]


def test_a_sender_that_rests_wakes_when_told(spool: Spool, destination: Destination) -> None:
    sender = a_sender(spool, destination)
    sender.wake()
    put(spool, "a")
    sender.wake()
    # Well before it would look by itself.
    assert wait_until(lambda: destination.taken == ["a"], seconds=2)
    put(spool, "b")
    sender.wake()

    assert wait_until(lambda: destination.taken == ["a", "b"], seconds=2)
    sender.close(PATIENCE_S)


def test_an_outage_only_delays(spool: Spool, destination: Destination) -> None:
    destination.refuse = refusing_all(EnforcementUnavailable("Away."))
    put(spool, "a", "b")
    sender = a_sender(spool, destination)
    sender.wake()
    assert wait_until(lambda: destination.tries >= 3, seconds=PATIENCE_S)
    assert spool.counts().waiting == 2
    destination.refuse = lambda events: None

    assert wait_until(spool.is_empty, seconds=PATIENCE_S)
    sender.close(PATIENCE_S)
    assert destination.taken == ["a", "b"]


def test_a_key_that_is_wrong_parks_nothing(spool: Spool, destination: Destination) -> None:
    destination.refuse = refusing_all(NotAuthenticated("Not this key."))
    put(spool, "a")
    sender = a_sender(spool, destination)
    sender.wake()

    assert not sender.close(PATIENCE_S)
    assert (spool.counts().waiting, spool.counts().parked) == (1, 0)


def test_after_an_outage_a_hint_ends_the_pause(spool: Spool, destination: Destination) -> None:
    destination.refuse = refusing_all(EnforcementUnavailable("Away."))
    put(spool, "a")
    sender = a_sender(spool, destination, backoff=IN_AN_HOUR)
    sender.wake()
    assert wait_until(lambda: destination.tries == 1, seconds=PATIENCE_S)
    destination.refuse = lambda events: None
    sender.wake()
    assert not wait_until(lambda: destination.tries > 1, seconds=0.3)
    sender.hurry()

    assert wait_until(lambda: destination.taken == ["a"], seconds=PATIENCE_S)
    sender.close(PATIENCE_S)


def test_the_pauses_grow_up_to_a_bound() -> None:
    backoff = Backoff(first_s=1, longest_s=8)

    for failures, whole_s in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (10_000, 8)]:
        assert whole_s / 2 <= backoff.pause_s(failures) <= whole_s


def test_a_rejected_event_is_parked_and_the_others_delivered(
    spool: Spool, destination: Destination, caplog: pytest.LogCaptureFixture
) -> None:
    bad = Outcome(index=1, outcome="rejected", code="price_unknown", message="There is no price for it.")
    destination.refuse = lambda events: {"bad": bad}
    put(spool, "a", "bad", "b")
    sender = a_sender(spool, destination)
    sender.wake()

    assert sender.close(PATIENCE_S)
    assert destination.taken == ["a", "b"]
    [parked] = spool.parked()
    assert (parked.code, parked.message) == ("price_unknown", "tests/bad: There is no price for it.")
    assert "price_unknown" in caplog.text


def test_a_conflicting_event_is_parked(spool: Spool, destination: Destination) -> None:
    destination.refuse = lambda events: {"twin": Outcome(index=0, outcome="conflict")}
    put(spool, "twin")
    sender = a_sender(spool, destination)
    sender.wake()

    assert sender.close(PATIENCE_S)
    assert [parked.code for parked in spool.parked()] == ["conflict"]


@pytest.mark.parametrize("refusal", [InvalidRequest("Not JSON."), TooLarge("Too long.")])
def test_one_event_for_which_whole_batches_are_refused_is_found(
    spool: Spool, destination: Destination, refusal: InvalidRequest | TooLarge
) -> None:
    destination.refuse = refusing("e6", refusal)
    put(spool, *(f"e{number}" for number in range(20)))
    sender = a_sender(spool, destination, backoff=IN_AN_HOUR)
    sender.wake()

    assert sender.close(PATIENCE_S)
    assert destination.taken == [f"e{number}" for number in range(20) if number != 6]
    assert [(parked.code, parked.message) for parked in spool.parked()] == [
        (refusal.code, f"tests/e6: {refusal.message}")
    ]


def test_an_event_over_which_the_other_side_falls_holds_up_no_other(
    spool: Spool, destination: Destination
) -> None:
    destination.refuse = refusing("e6", RuntimeError("fell over"))
    put(spool, *(f"e{number}" for number in range(20)))
    sender = a_sender(spool, destination)
    sender.wake()

    assert wait_until(lambda: len(destination.taken) == 19, seconds=PATIENCE_S)
    sender.close(PATIENCE_S)
    # It stays: what fell over may be put right.
    assert [spooled.event.id for spooled in spool.oldest(10)] == ["e6"]


def test_an_outage_is_logged_once_without_the_words_of_a_strange_error(
    spool: Spool, destination: Destination, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    destination.refuse = refusing_all(RuntimeError("a secret"))
    put(spool, "a")
    sender = a_sender(spool, destination)
    sender.wake()
    assert wait_until(lambda: destination.tries >= 4, seconds=PATIENCE_S)
    destination.refuse = lambda events: None
    assert wait_until(spool.is_empty, seconds=PATIENCE_S)
    sender.close(PATIENCE_S)

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_a_second_sender_stands_back_while_the_first_delivers(spool: Spool, destination: Destination) -> None:
    go_on = threading.Event()
    destination.refuse = waiting_for(go_on)
    second_destination = Destination()
    put(spool, "a")
    first, second = a_sender(spool, destination), a_sender(spool, second_destination)
    first.wake()
    assert wait_until(lambda: destination.tries == 1, seconds=PATIENCE_S)
    second.wake()
    second.close(PATIENCE_S)
    go_on.set()
    first.close(PATIENCE_S)

    assert (destination.taken, second_destination.tries) == (["a"], 0)


def test_a_sender_takes_over_when_the_lease_of_a_dead_one_ends(
    spool: Spool, destination: Destination
) -> None:
    put(spool, "a")
    assert spool.lease("dead", at=datetime.now(UTC), duration=timedelta(seconds=0.5))
    sender = a_sender(spool, destination)
    sender.wake()

    assert wait_until(spool.is_empty, seconds=PATIENCE_S)
    sender.close(PATIENCE_S)
    assert destination.taken == ["a"]


def test_a_sender_does_not_wait_for_the_lease_of_a_killed_process(
    spool: Spool, destination: Destination
) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    put(spool, "a")
    name = f"{socket.gethostname()}/{process.pid}/1"
    assert spool.lease(name, at=datetime.now(UTC), duration=LEASE)
    sender = a_sender(spool, destination)
    sender.wake()
    assert not wait_until(spool.is_empty, seconds=1.5)
    process.kill()
    process.wait()

    assert wait_until(spool.is_empty, seconds=PATIENCE_S)
    sender.close(PATIENCE_S)


def test_errands_come_after_what_waited(spool: Spool, destination: Destination) -> None:
    seen: list[list[str]] = []
    put(spool, "a")
    sender = a_sender(spool, destination)
    sender.later(lambda: seen.append(list(destination.taken)))

    assert wait_until(lambda: bool(seen), seconds=PATIENCE_S)
    sender.close(PATIENCE_S)
    assert seen == [["a"]]


def test_an_errand_that_fails_stops_nothing(spool: Spool, destination: Destination) -> None:
    done = threading.Event()
    sender = a_sender(spool, destination)
    sender.later(lambda: refusing_all(RuntimeError("no"))([]))
    sender.later(done.set)

    assert done.wait(PATIENCE_S)
    sender.close(PATIENCE_S)


def test_closing_gives_up_in_time(spool: Spool, destination: Destination) -> None:
    go_on = threading.Event()
    destination.refuse = waiting_for(go_on)
    put(spool, "a")
    sender = a_sender(spool, destination)
    sender.wake()

    assert not sender.close(0.2)
    go_on.set()
    assert sender.close(PATIENCE_S)


def test_a_closed_sender_leaves_new_events_to_the_next(spool: Spool, destination: Destination) -> None:
    sender = a_sender(spool, destination)
    sender.close(PATIENCE_S)
    put(spool, "a")
    sender.wake()
    assert not sender.close(PATIENCE_S)
    following = a_sender(spool, destination)
    following.wake()

    assert following.close(PATIENCE_S)
    assert destination.taken == ["a"]
