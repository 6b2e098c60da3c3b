"""The broker made of folders, as a worker hears from it. That it survives: test_broker_death.py."""

import threading
import time
from pathlib import Path

import pytest
from kombu import Connection, Consumer, Producer, Queue

from alwrity_billing import embedded
from alwrity_billing.celery import app

QUEUE = Queue("tests")


@pytest.fixture
def broker(tmp_path: Path) -> Connection:
    return app.connection_for_write(
        "filesystem://localhost", transport_options=embedded.broker_folders(tmp_path)
    )


def test_a_worker_looks_up_again_long_before_the_time_it_asked_for(broker: Connection) -> None:
    """So that it ends when it is told to stop, before it is killed."""
    asked_for_s = 20
    began = time.monotonic()
    with broker, Consumer(broker, [QUEUE]), pytest.raises(TimeoutError):
        broker.drain_events(timeout=asked_for_s)

    assert time.monotonic() - began < asked_for_s / 2


def test_a_message_is_heard(broker: Connection) -> None:
    heard: list[str] = []
    with broker:
        Producer(broker).publish("hello", routing_key=QUEUE.name, declare=[QUEUE])
        with Consumer(broker, [QUEUE], callbacks=[lambda body, message: heard.append(body)], no_ack=True):
            broker.drain_events(timeout=20)

    assert heard == ["hello"]


def test_nobody_finds_a_message_that_is_only_begun(broker: Connection, tmp_path: Path) -> None:
    """Long ones, which take a moment to write: whatever goes by a message's name is whole."""
    stop = threading.Event()
    found: list[bool] = []

    def look() -> None:
        while not stop.is_set():
            for path in (tmp_path / "broker" / "queue").iterdir():
                if path.name.partition(".")[2] == f"{QUEUE.name}.msg":
                    found.append(path.read_bytes().endswith(b"}"))

    with broker:
        producer = Producer(broker)
        looking = threading.Thread(target=look)
        looking.start()
        for _ in range(20):
            producer.publish("hello " * 500_000, routing_key=QUEUE.name, declare=[QUEUE])
        stop.set()
        looking.join()

    assert set(found) == {True}
