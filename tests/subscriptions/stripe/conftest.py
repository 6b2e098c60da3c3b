"""A Stripe simulator for each test that wants one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from subscriptions.stripe.simulator.server import Simulator
from tests.support.stripe_simulator import Listener, v1


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """Serving, without any webhook endpoint."""
    running = Simulator(path=tmp_path / "stripe.sqlite3", retry_delay_s=0.05)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def api(simulator: Simulator) -> Any:
    """The official library, which does not retry by itself."""
    return v1(simulator)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """An endpoint for webhooks that accepts everything."""
    listening = Listener()
    yield listening
    listening.close()
