"""The upstream and the meter that the tests of metering share."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.metering import TOY, RecordingMeter, Upstream, running_upstream
from tests.support.metering_transports import LIBRARIES, SECRET, SYNC_TRANSPORTS, Connect
from tests.support.ports import free_port


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture
def meter() -> RecordingMeter:
    return RecordingMeter()


@pytest.fixture
def closed_port() -> int:
    """A port nobody listens on."""
    return free_port()


@pytest.fixture(params=SYNC_TRANSPORTS, ids=LIBRARIES)
def connect(request: pytest.FixtureRequest, upstream: Upstream, meter: RecordingMeter) -> Iterator[Connect]:
    """Makes clients of one library whose calls to the upstream are metered."""
    library, transport = request.param
    opened: list[Any] = []

    def client(*, timeout: float = 5.0, customer: str | None = "acme", **options: Any) -> Any:
        hosts = options.pop("hosts", {upstream.host: TOY})
        metered = transport(meter, customer=customer, hosts=hosts, **options)
        opened.append(library.Client(transport=metered, timeout=timeout, headers={"X-Api-Key": SECRET}))
        return opened[-1]

    yield client
    for one in opened:
        one.close()
