"""The queue on disk: order, durability, bounds, sharing."""

import sqlite3
import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.cast import NOW, an_event
from tests.support.processes import PROJECT
from usage.core.errors import InvalidRequest, TrackingException
from usage.events import UsageEvent
from usage.metering.spool import MIN_MAX_BYTES, Refused, Spool, SpoolFull

PATIENCE_S = 30
LEASE = timedelta(seconds=40)
SECOND = timedelta(seconds=1)
# Puts events named <prefix>0, <prefix>1 … and says the name of each once it is told to be safe.
PUTTER = """
import sys
from usage.events import UsageData, UsageEvent
from usage.metering.spool import Spool

path, prefix, times = sys.argv[1:]
spool = Spool(path)
for number in range(int(times)):
    name = f"{prefix}{number}"
    spool.put(UsageEvent(id=name, source="tests", data=UsageData(provider="openai")))
    sys.stdout.write(name + "\\n")
    sys.stdout.flush()
"""
# Forks children that put an event each, while a thread of the parent is busy putting.
FORKER = """
import os, sys, threading
from usage.events import UsageData, UsageEvent
from usage.metering.spool import Spool

def put(name):
    spool.put(UsageEvent(id=name, source="tests", data=UsageData(provider="openai")))

def keep_putting():
    while not enough.wait(0.001):
        put("parent")

spool, enough = Spool(sys.argv[1]), threading.Event()
busy = threading.Thread(target=keep_putting)
busy.start()
for number in range(int(sys.argv[2])):
    child = os.fork()
    if child == 0:
        put(f"child{number}")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
enough.set()
busy.join()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metering" / "spool.sqlite3"


def a_spool(path: Path, *, holding: int = 0, **options: int) -> Spool:
    """A spool in which the events e1, e2 … wait."""
    spool = Spool(path, **options)
    for number in range(1, holding + 1):
        spool.put(an_event(f"e{number}"))
    return spool


def ids_in(spool: Spool) -> list[str]:
    return [spooled.event.id for spooled in spool.oldest(100_000)]


def putter(path: Path, *, prefix: str = "e", times: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PUTTER, str(path), prefix, str(times)]
    return subprocess.Popen(arguments, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def fill(spool: Spool) -> list[str]:
    """Put events until no more fit; the ids of those that did."""
    kept: list[str] = []
    while True:
        try:
            spool.put(an_event(f"e{len(kept) + 1}", error_message="x" * 900))
        except SpoolFull:
            return kept
        kept.append(f"e{len(kept) + 1}")


def test_events_come_back_as_they_were_in_order_of_arrival(path: Path) -> None:
    events: list[UsageEvent] = [an_event("b", error_message="broken"), an_event("a")]
    spool = Spool(path)
    for event in events:
        spool.put(event)

    assert [spooled.event for spooled in spool.oldest(10)] == events
    spool.close()


def test_a_batch_is_no_longer_than_asked_for(path: Path) -> None:
    spool = a_spool(path, holding=3)

    assert [spooled.event.id for spooled in spool.oldest(2)] == ["e1", "e2"]
    spool.close()


def test_what_was_put_is_there_after_closing_and_opening(path: Path) -> None:
    a_spool(path, holding=2).close()
    spool = Spool(path)

    assert ids_in(spool) == ["e1", "e2"]
    spool.close()


@pytest.mark.parametrize("line", [1, 10, 100])
def test_what_was_put_survives_kill_9(path: Path, line: int) -> None:
    with putter(path, times=1_000_000) as process:
        assert process.stdout is not None
        safe = [process.stdout.readline().strip() for _ in range(line)]
        process.kill()
        safe += process.stdout.read().split()
    spool = Spool(path)
    found = ids_in(spool)

    # The one whose put was under way may have made it.
    assert found[: len(safe)] == safe
    assert len(found) <= len(safe) + 1
    spool.close()


def test_processes_share_a_file(path: Path) -> None:
    processes = [putter(path, prefix=prefix, times=40) for prefix in "abc"]
    told = [name for process in processes for name in process.communicate(timeout=PATIENCE_S)[0].split()]
    spool = Spool(path)

    assert len(told) == 120
    assert sorted(ids_in(spool)) == sorted(told)
    spool.close()


def test_a_new_file_is_waited_for_while_another_prepares_it(path: Path) -> None:
    """SQLite answers this with an error instead of waiting, unless it is tried again."""
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL)")
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, other.rollback)
    release.start()
    spool = a_spool(path, holding=1)

    assert ids_in(spool) == ["e1"]
    release.join()
    other.close()
    spool.close()


def test_threads_share_a_spool(path: Path) -> None:
    spool = Spool(path)
    threads = [
        threading.Thread(target=lambda name=name: [spool.put(an_event(f"{name}{n}")) for n in range(20)])
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ids_in(spool)) == sorted(f"{name}{n}" for name in "abcd" for n in range(20))
    spool.close()


def test_a_spool_in_use_survives_forks(path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", FORKER, str(path), "10"], cwd=PROJECT, timeout=PATIENCE_S, check=True
    )
    spool = Spool(path)

    assert {f"child{number}" for number in range(10)} <= set(ids_in(spool))
    spool.close()


def test_delivered_events_are_forgotten(path: Path) -> None:
    spool = a_spool(path, holding=3)
    first, second, _ = spool.oldest(3)
    spool.conclude(delivered=[first.number, second.number])

    assert ids_in(spool) == ["e3"]
    spool.close()


def test_a_refused_event_is_kept_with_the_reason(path: Path) -> None:
    spool = a_spool(path, holding=2)
    [first] = spool.oldest(1)
    spool.conclude(parked=[Refused(number=first.number, code="price_unknown", message="No price.")])
    [parked] = spool.parked()

    assert ids_in(spool) == ["e2"]
    assert (parked.code, parked.message) == ("price_unknown", "No price.")
    assert b'"id":"e1"' in parked.event
    assert (spool.counts().waiting, spool.counts().parked) == (1, 1)
    spool.close()


def test_parked_events_can_be_listed_page_by_page(path: Path) -> None:
    spool = a_spool(path, holding=3)
    spool.conclude(parked=[Refused(number=one.number, code="c", message="m") for one in spool.oldest(3)])
    first, second = spool.parked(limit=2)

    assert [one.number for one in spool.parked(after=second.number)] == [second.number + 1]
    assert first.number < second.number
    spool.close()


def test_parked_events_can_be_sent_again(path: Path) -> None:
    spool = a_spool(path, holding=2)
    [first] = spool.oldest(1)
    spool.conclude(parked=[Refused(number=first.number, code="price_unknown", message="No price.")])

    assert spool.resend() == 1
    assert ids_in(spool) == ["e2", "e1"]
    assert spool.parked() == []
    spool.close()


def test_a_deferred_event_waits_behind_the_others(path: Path) -> None:
    spool = a_spool(path, holding=3)
    spool.defer(spool.oldest(1)[0].number)

    assert ids_in(spool) == ["e2", "e3", "e1"]
    spool.close()


def test_an_event_that_cannot_be_read_any_more_is_parked(path: Path) -> None:
    spool = a_spool(path, holding=1)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE waiting SET event = '{}'")
    other.close()
    spool.put(an_event("good"))

    # With batches of one, the unreadable event is the whole batch.
    assert [spooled.event.id for spooled in spool.oldest(1)] == ["good"]
    assert [parked.code for parked in spool.parked()] == ["event_unreadable"]
    spool.close()


def test_a_full_spool_says_so_and_keeps_what_it_has(path: Path) -> None:
    spool = Spool(path, max_bytes=MIN_MAX_BYTES)
    kept = fill(spool)

    assert len(kept) > 10
    assert ids_in(spool) == kept
    spool.close()
    assert path.stat().st_size <= MIN_MAX_BYTES


def test_new_calls_are_turned_away_while_those_under_way_still_fit(path: Path) -> None:
    spool = Spool(path, max_bytes=MIN_MAX_BYTES)
    while spool.has_room():
        spool.put(an_event(error_message="x" * 900))

    spool.put(an_event(error_message="x" * 900))
    spool.close()


def test_delivery_makes_room_again(path: Path) -> None:
    spool = Spool(path, max_bytes=MIN_MAX_BYTES)
    fill(spool)
    spool.conclude(delivered=[spooled.number for spooled in spool.oldest(1_000)])

    assert spool.has_room()
    spool.put(an_event("next"))
    assert ids_in(spool) == ["next"]
    spool.close()


def test_a_bound_that_is_too_small_is_refused(path: Path) -> None:
    with pytest.raises(InvalidRequest, match="at least 65536 bytes"):
        Spool(path, max_bytes=MIN_MAX_BYTES - 1)


def test_nobody_else_may_read_the_files(path: Path) -> None:
    spool = a_spool(path, holding=1)
    files = sorted(path.parent.iterdir())

    assert [file.name for file in files] == ["spool.sqlite3", "spool.sqlite3-shm", "spool.sqlite3-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    spool.close()


def test_a_file_that_is_no_spool_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("no database at all, but long enough to be taken for the header of one" * 20)

    with pytest.raises(
        TrackingException, match=r"spool\.sqlite3 cannot be used: file is not a database"
    ) as told:
        Spool(path).put(an_event())
    assert told.value.error_code == "spool_failed"


def test_only_one_may_deliver_at_a_time(path: Path) -> None:
    spool = Spool(path)

    assert spool.lease("ann", at=NOW, duration=LEASE)
    assert not spool.lease("ben", at=NOW + LEASE - SECOND, duration=LEASE)
    spool.close()


def test_a_lease_can_be_renewed_and_given_back(path: Path) -> None:
    spool = Spool(path)
    spool.lease("ann", at=NOW, duration=LEASE)

    assert spool.lease("ann", at=NOW + SECOND, duration=LEASE)
    spool.return_lease("ben")
    assert not spool.lease("ben", at=NOW + LEASE, duration=LEASE)
    spool.return_lease("ann")
    assert spool.lease("ben", at=NOW + LEASE, duration=LEASE)
    spool.close()


def test_the_lease_of_one_who_died_runs_out(path: Path) -> None:
    spool = Spool(path)
    spool.lease("ann", at=NOW, duration=LEASE)

    assert spool.lease("ben", at=NOW + LEASE, duration=LEASE)
    spool.close()


def test_a_clock_that_was_set_back_does_not_keep_a_lease_alive(path: Path) -> None:
    spool = Spool(path)
    spool.lease("ann", at=NOW + timedelta(days=365), duration=LEASE)

    assert spool.lease("ben", at=NOW, duration=LEASE)
    spool.close()
