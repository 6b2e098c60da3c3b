"""What was settled reaches the billing server exactly once, whatever happens in between."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cast import an_event
from tests.support.concurrency import at_once
from tests.support.metering_server import EVENTS, MeteringServer
from tests.support.processes import wait_until
from tests.support.remote_meters import (
    PATIENCE_S,
    a_host,
    a_meter,
    grants,
    has_all,
    is_empty,
    kill,
    parked_in,
    wait_until_settled,
)
from usage.metering.remote import RemoteMeter


@pytest.fixture
def server() -> Iterator[MeteringServer]:
    with MeteringServer() as server:
        yield server


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite3"


@pytest.fixture
def meter(server: MeteringServer, spool_path: Path) -> Iterator[RemoteMeter]:
    with a_meter(server, spool_path) as meter:
        yield meter


def test_a_settled_event_arrives_as_a_cloud_event(server: MeteringServer, meter: RemoteMeter) -> None:
    meter.settle(an_event("e1", authorization="a1"))

    assert has_all(server, "e1")
    event = server.events["tests", "e1"]
    assert (event["specversion"], event["type"], event["subject"]) == ("1.0", "ai.usage", "acme")
    assert event["data"]["authorization"] == "a1"
    assert server.received[0].headers["content-type"] == "application/cloudevents-batch+json"


def test_an_event_without_a_time_happened_when_it_was_settled(
    server: MeteringServer, meter: RemoteMeter
) -> None:
    meter.settle(an_event("e1", at=None))

    assert has_all(server, "e1")
    assert "time" in server.events["tests", "e1"]


def test_an_outage_loses_and_doubles_nothing(
    server: MeteringServer, meter: RemoteMeter, spool_path: Path
) -> None:
    meter.settle(an_event("before"))
    assert wait_until(lambda: is_empty(spool_path), seconds=PATIENCE_S)
    server.stop()
    at_once(lambda number: meter.settle(an_event(f"e{number}")), times=20)
    server.start()

    names = ["before", *(f"e{number}" for number in range(20))]
    assert has_all(server, *names)
    assert server.deliveries == dict.fromkeys(names, 1)


def test_an_answer_lost_after_recording_is_replayed_without_harm(
    server: MeteringServer, meter: RemoteMeter, spool_path: Path
) -> None:
    server.cut_answers = 1
    meter.settle(an_event("e1"))

    assert wait_until(lambda: server.deliveries["e1"] == 2, seconds=PATIENCE_S)
    meter.close()
    assert server.event_ids == ["e1"]
    assert parked_in(spool_path) == {}


def test_a_bad_event_is_parked_and_the_others_arrive(server: MeteringServer, spool_path: Path) -> None:
    server.rejected = {"bad": "price_unknown"}
    with a_meter(server, spool_path) as meter:
        for name in ("a", "bad", "b"):
            meter.settle(an_event(name))
        assert has_all(server, "a", "b")
        assert meter.close()

    assert parked_in(spool_path) == {"price_unknown": "tests/bad: There is no price for this model."}


def test_an_event_that_spoils_whole_batches_is_parked_and_the_others_arrive(
    server: MeteringServer, spool_path: Path
) -> None:
    server.stop()
    server.indigestible = {"e4"}
    names = [f"e{number}" for number in range(9)]
    with a_meter(server, spool_path) as meter:
        for name in names:
            meter.settle(an_event(name))
        server.start()
        assert has_all(server, *(name for name in names if name != "e4"))
        assert wait_until(lambda: is_empty(spool_path), seconds=PATIENCE_S)

    assert parked_in(spool_path) == {"json_invalid": "tests/e4: The body is not JSON."}


def test_a_wrong_key_keeps_everything_for_the_right_one(server: MeteringServer, spool_path: Path) -> None:
    with a_meter(server, spool_path, key="expired") as meter:
        meter.settle(an_event("e1"))
        assert not meter.close()
    with a_meter(server, spool_path):
        assert has_all(server, "e1")


def test_an_answer_to_a_call_ends_the_wait_of_what_was_settled(
    server: MeteringServer, meter: RemoteMeter
) -> None:
    server.broken_with = 503
    assert not grants(meter)
    meter.settle(an_event("e1"))
    # By now the pause between deliveries is longer than the wait below.
    assert wait_until(lambda: server.requests(EVENTS) >= 4, seconds=PATIENCE_S)
    server.broken_with = None

    assert grants(meter)
    assert wait_until(lambda: server.event_ids == ["e1"], seconds=1.5)


def test_what_a_killed_process_settled_is_sent_by_the_next(server: MeteringServer, spool_path: Path) -> None:
    server.stop()
    process = a_host(server, spool_path, "a", "b", "c", ending="wait")
    wait_until_settled(process, "a", "b", "c")
    kill(process)
    server.start()

    # It does not even have to make a call.
    with a_meter(server, spool_path):
        assert has_all(server, "a", "b", "c")
    assert server.deliveries == {"a": 1, "b": 1, "c": 1}


def test_a_process_that_ends_sends_what_it_settled(server: MeteringServer, spool_path: Path) -> None:
    process = a_host(server, spool_path, "a", "b", ending="at once")
    process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0
    assert server.event_ids == ["a", "b"]


def test_a_process_that_forks_sends_what_both_sides_settled(server: MeteringServer, spool_path: Path) -> None:
    process = a_host(server, spool_path, "a", ending="fork")
    process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0
    assert sorted(server.event_ids) == ["a", "in the child", "in the parent"]


def test_processes_that_share_a_spool_send_everything_once(server: MeteringServer, spool_path: Path) -> None:
    server.stop()
    names = {prefix: [f"{prefix}{number}" for number in range(10)] for prefix in "ab"}
    processes = [a_host(server, spool_path, *those, ending="wait") for those in names.values()]
    for process, those in zip(processes, names.values(), strict=True):
        wait_until_settled(process, *those)
    server.start()

    assert has_all(server, *names["a"], *names["b"])
    for process in processes:
        kill(process)
    assert set(server.deliveries.values()) == {1}
