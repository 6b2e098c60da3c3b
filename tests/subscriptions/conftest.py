"""A Stripe that the project talks to, over HTTP and through Stripe's own library."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from subscriptions.stripe.simulator.server import Simulator


@pytest.fixture
def at_stripe(tmp_path: Path, settings: Any) -> Iterator[Simulator]:
    """The test's own; calls to it are not tried again by themselves."""
    running = Simulator(path=tmp_path / "at_stripe.sqlite3", webhook_secret=settings.STRIPE_WEBHOOK_SECRET)
    running.start()
    settings.STRIPE_API_BASE = running.url
    settings.STRIPE_NETWORK_RETRIES = 0
    yield running
    running.stop()
