"""The official Exa client, metered: it takes no session and no transport, so both go in from outside."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import httpx
import pytest
import requests
from exa_py import AsyncExa, Exa

from tests.support.metering import RecordingMeter
from tests.support.recording import the_row
from tests.support.sdk_billing import billing
from tests.support.sdk_metering import (
    ABANDONED,
    BROKEN,
    async_http_transport,
    metered_adapter,
    refusing,
    the_usage,
)
from tests.support.sdk_sessions import mounted_everywhere
from tests.upstream import exa as shape
from tests.upstream.script import Script
from tests.upstream.server import Upstream, running
from usage.core.errors import UsageLimitExceededException
from usage.events import ReportedCost
from usage.metering.exchange import Refusals
from usage.metering.protocol import Meter


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        server.script = Script(cost="0.0125")
        yield server


REPORTED = ReportedCost(source="provider", amount="0.0125")


@contextmanager
def a_client(meter: Meter, upstream: Upstream, *, refusals: Refusals = "response") -> Iterator[Exa]:
    with mounted_everywhere(metered_adapter(meter, upstream, provider="metaphor", refusals=refusals)):
        yield Exa(api_key="not-a-real-key", base_url=upstream.url)


def an_async_client(meter: Meter, upstream: Upstream) -> AsyncExa:
    """Its `client` is made on first use from what is set here ourselves, with the metering transport."""
    exa = AsyncExa(api_key="not-a-real-key", api_base=upstream.url)
    exa._client = httpx.AsyncClient(
        base_url=exa.base_url,
        headers=exa.headers,
        timeout=exa.timeout,
        transport=async_http_transport(meter, upstream, provider="metaphor"),
    )
    return exa


def test_a_search_costs_what_exa_says(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        assert client.search("salt").results[0].title == "Salt"

    assert the_usage(meter).cost == REPORTED


def test_a_search_that_tells_no_cost_is_one_search(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tells_usage=False)

    with a_client(meter, upstream) as client:
        client.search("salt")

    assert the_usage(meter).cost is None
    assert the_usage(meter).units.searches == 1


def test_a_streamed_answer_costs_what_its_last_event_says(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        answer = client.stream_answer("What is salt worth?")
        words = "".join(chunk.content or "" for chunk in answer)
        answer.close()

    assert words == "Salt is cheap."
    assert answer.cost_dollars is not None
    assert the_usage(meter).cost == REPORTED


def test_a_streamed_answer_left_by_the_caller_is_settled(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        answer = client.stream_answer("What is salt worth?")
        next(iter(answer))
        answer.close()

    assert the_usage(meter).error_message == ABANDONED


def test_a_streamed_answer_cut_by_the_upstream_is_settled(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(cut_after=2)

    with a_client(meter, upstream) as client:
        answer = client.stream_answer("What is salt worth?")
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            list(answer)
        answer.close()

    assert the_usage(meter).error_message == BROKEN


def test_a_refusal_is_the_clients_own_error(upstream: Upstream) -> None:
    meter = refusing()

    with a_client(meter, upstream) as client, pytest.raises(ValueError, match="status code 429"):
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


def test_the_async_client_is_metered_alike(upstream: Upstream) -> None:
    meter = RecordingMeter()

    async def ask() -> str | None:
        async with an_async_client(meter, upstream) as client:
            return (await client.search("salt")).results[0].title

    assert asyncio.run(ask()) == "Salt"
    assert the_usage(meter).cost == REPORTED


@pytest.mark.django_db(transaction=True)
def test_the_log_has_the_cost_that_exa_reported(upstream: Upstream) -> None:
    with billing("metaphor") as meter, a_client(meter, upstream) as client:
        client.search("salt")

    assert (the_row().cost, the_row().cost_source) == (Decimal("0.0125"), "provider")
