"""The official Tavily client, metered: a `requests` session, or an httpx client where it is asynchronous."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest
from tavily import AsyncTavilyClient, TavilyClient  # type: ignore[import-untyped]
from tavily.errors import (  # type: ignore[import-untyped]
    ForbiddenError,
    UsageLimitExceededError,
)

from tests.support.metering import RecordingMeter
from tests.support.recording import the_row
from tests.support.sdk_billing import billing
from tests.support.sdk_metering import (
    async_http_transport,
    refusing,
    requests_session,
    the_usage,
)
from tests.upstream import tavily as shape
from tests.upstream.script import Script
from tests.upstream.server import Upstream, running
from usage.core.errors import UsageLimitExceededException
from usage.events import Units
from usage.metering.exchange import Refusals
from usage.metering.protocol import Meter


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        yield server


def a_client(meter: Meter, upstream: Upstream, *, refusals: Refusals = "response") -> TavilyClient:
    session = requests_session(meter, upstream, provider="tavily", refusals=refusals)
    return TavilyClient(api_key="tvly-not-a-real-key", api_base_url=upstream.url, session=session)


def test_a_basic_search_is_one_search(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        assert client.search("salt")["results"][0]["title"] == "Salt"

    assert the_usage(meter).units == Units(searches=1)


def test_an_advanced_search_is_two_searches(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        client.search("salt", search_depth="advanced")

    assert the_usage(meter).units == Units(searches=2)


def test_five_extracted_pages_begun_are_a_search(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        client.extract([f"https://example.com/{number}" for number in range(6)])

    assert the_usage(meter).units == Units(searches=2)


def test_credits_that_the_answer_tells_are_what_is_metered(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(units=3)

    with a_client(meter, upstream) as client:
        assert client.search("salt", include_usage=True)["usage"] == {"credits": 3}

    assert the_usage(meter).units == Units(searches=3)


def test_a_refusal_is_the_clients_own_limit_error(upstream: Upstream) -> None:
    meter = refusing()

    with (
        a_client(meter, upstream) as client,
        pytest.raises(UsageLimitExceededError, match="10 calls a minute"),
    ):
        client.search("salt")

    assert len(meter.intents) == 1
    assert upstream.requests == []


def test_a_refusal_that_is_raised_comes_through_the_client_as_it_is(upstream: Upstream) -> None:
    meter = refusing()

    with (
        a_client(meter, upstream, refusals="raise") as client,
        pytest.raises(UsageLimitExceededException) as caught,
    ):
        client.search("salt")

    assert caught.value is meter.refusal


def test_an_error_of_the_provider_is_a_failed_call_without_quantities(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(status=403)

    with a_client(meter, upstream) as client, pytest.raises(ForbiddenError):
        client.search("salt")

    assert the_usage(meter).status_code == 403
    assert the_usage(meter).units == Units()


def test_the_async_client_is_metered_alike(upstream: Upstream) -> None:
    meter = RecordingMeter()

    async def ask() -> str:
        transport = async_http_transport(meter, upstream, provider="tavily")
        async with httpx.AsyncClient(transport=transport) as http:
            client = AsyncTavilyClient(api_key="tvly-not-a-real-key", api_base_url=upstream.url, client=http)
            found = await client.search("salt")
            return str(found["results"][0]["title"])

    assert asyncio.run(ask()) == "Salt"
    assert the_usage(meter).units == Units(searches=1)


def test_an_async_refusal_is_the_clients_own_limit_error(upstream: Upstream) -> None:
    meter = refusing()

    async def ask() -> None:
        transport = async_http_transport(meter, upstream, provider="tavily")
        async with httpx.AsyncClient(transport=transport) as http:
            client = AsyncTavilyClient(api_key="tvly-not-a-real-key", api_base_url=upstream.url, client=http)
            await client.search("salt")

    with pytest.raises(UsageLimitExceededError):
        asyncio.run(ask())
    assert len(meter.intents) == 1


@pytest.mark.django_db(transaction=True)
def test_the_log_has_the_searches_and_what_they_cost(upstream: Upstream) -> None:
    with billing("tavily") as meter, a_client(meter, upstream) as client:
        client.search("salt", search_depth="advanced")

    # Two credits at 0.001 USD.
    assert (the_row().searches, the_row().cost) == (2, 2 * Decimal("0.001"))
