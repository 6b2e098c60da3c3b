"""The broker made of folders, as a worker hears from it. That it survives: test_broker_death.py."""

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
