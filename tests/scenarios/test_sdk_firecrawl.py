"""The official Firecrawl client, metered: it takes no session or transport, so both go in from outside."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import httpx
import pytest
from firecrawl import AsyncFirecrawl, Firecrawl  # type: ignore[import-untyped]
from firecrawl.v2.utils.error_handler import (  # type: ignore[import-untyped]
    PaymentRequiredError,
    RateLimitError,
)

from tests.support.metering import RecordingMeter
from tests.support.recording import the_row
from tests.support.sdk_billing import billing
from tests.support.sdk_metering import (
    async_http_transport,
    metered_adapter,
    refusing,
    the_usage,
)
from tests.support.sdk_sessions import mounted_everywhere
from tests.upstream import firecrawl as shape
from tests.upstream.script import Script
from tests.upstream.server import Upstream, running
from usage.events import Units
from usage.metering.protocol import Meter
from usage.metering.refusals import find_refusal

PAGE = "https://example.com/salt"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        yield server


@contextmanager
def a_client(meter: Meter, upstream: Upstream) -> Iterator[Firecrawl]:
    with mounted_everywhere(metered_adapter(meter, upstream, provider="firecrawl")):
        yield Firecrawl(api_key="fc-not-a-real-key", api_url=upstream.url)


def test_a_scrape_is_one_page(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        assert client.scrape(PAGE, formats=["markdown"]).markdown == "# Salt\n\nSalt is cheap."

    assert the_usage(meter).units == Units(pages=1)


def test_a_search_is_the_pages_its_credits_say(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(units=2)

    with a_client(meter, upstream) as client:
        client.search("salt", limit=5)

    assert the_usage(meter).units == Units(pages=2)


def test_a_crawl_is_held_at_its_limit_and_asking_after_it_is_not_metered(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(units=3)

    with a_client(meter, upstream) as client:
        assert client.crawl(PAGE, limit=4).credits_used == 3

    assert [request.method for request in upstream.requests] == ["POST", "GET"]
    assert meter.intents[0].operations[0].units == Units(pages=4)
    assert the_usage(meter).units == Units(pages=1)


@pytest.mark.parametrize(("status", "error"), [(429, RateLimitError), (402, PaymentRequiredError)])
def test_a_refusal_is_the_clients_own_error(upstream: Upstream, status: int, error: type[Exception]) -> None:
    meter = refusing(status=status)

    with a_client(meter, upstream) as client, pytest.raises(error, match="10 calls a minute") as caught:
        client.scrape(PAGE)

    assert find_refusal(caught.value) is meter.refusal
    assert len(meter.intents) == 1
    assert upstream.requests == []


def test_the_async_client_is_metered_alike(upstream: Upstream) -> None:
    meter = RecordingMeter()

    async def ask() -> str:
        client = AsyncFirecrawl(api_key="fc-not-a-real-key", api_url=upstream.url)
        inside = client._v2_client.async_http_client
        usual = inside._client
        transport = async_http_transport(meter, upstream, provider="firecrawl")
        inside._client = httpx.AsyncClient(
            base_url=usual.base_url, headers=usual.headers, transport=transport
        )
        async with usual, inside._client:
            return str((await client.scrape(PAGE)).markdown)

    assert asyncio.run(ask()) == "# Salt\n\nSalt is cheap."
    assert the_usage(meter).units == Units(pages=1)


@pytest.mark.django_db(transaction=True)
def test_the_log_has_the_pages_and_what_they_cost(upstream: Upstream) -> None:
    with billing("firecrawl") as meter, a_client(meter, upstream) as client:
        client.scrape(PAGE)

    # One page at 0.002 USD.
    assert (the_row().pages, the_row().cost) == (1, Decimal("0.002"))
