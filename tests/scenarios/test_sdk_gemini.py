"""The official Google client, metered."""

import asyncio
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from decimal import Decimal

import httpx2
import pytest
from google import genai
from google.genai.errors import ClientError, ServerError
from google.genai.types import GenerateContentConfig, HttpOptions

from tests.support.metering import RecordingMeter
from tests.support.recording import the_row
from tests.support.sdk_billing import billing
from tests.support.sdk_metering import (
    ABANDONED,
    BROKEN,
    TIMED_OUT,
    CappedMeter,
    async_http2_client,
    http2_client,
    refusing,
    the_usage,
    tokens_of,
)
from tests.upstream import gemini as shape
from tests.upstream.script import Script, Tokens
from tests.upstream.server import Upstream, running
from usage.events import ReportedCost
from usage.metering.protocol import Meter
from usage.metering.refusals import find_refusal
from usage.wire.tokens import estimate

MODEL = "gemini-2.5-pro"
QUESTION = "What is salt worth?"
WORDS = ["Salt", " is", " cheap", "."]
CONSUMED = Tokens(input=1000, cached=400, output=120, reasoning=80)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        server.script = Script(tokens=CONSUMED)
        yield server


@contextmanager
def a_client(meter: Meter, upstream: Upstream, *, timeout: int = 5_000) -> Iterator[genai.Client]:
    """The client's own timeout is in milliseconds."""
    with http2_client(meter, upstream, provider="gemini") as http:
        options = HttpOptions(base_url=upstream.url, httpx_client=http, timeout=timeout)
        yield genai.Client(api_key="not-a-real-key", http_options=options)


def test_thoughts_are_metered_as_part_of_the_output(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        answer = client.models.generate_content(model=MODEL, contents=QUESTION)

    assert answer.text == "Salt is cheap."
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.candidates_token_count == 120 - 80
    assert tokens_of(the_usage(meter)) == CONSUMED
    assert the_usage(meter).request_model == MODEL


@pytest.mark.parametrize("gzip", [False, True])
def test_a_stream_is_metered_by_its_last_counts(upstream: Upstream, gzip: bool) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, gzip=gzip)

    with a_client(meter, upstream) as client:
        chunks = client.models.generate_content_stream(model=MODEL, contents=QUESTION)
        assert [chunk.text for chunk in chunks] == WORDS

    assert tokens_of(the_usage(meter)) == CONSUMED


def test_embeddings_whose_answer_tells_nothing_are_estimated(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        client.models.embed_content(model="gemini-embedding-001", contents=QUESTION)

    usage = the_usage(meter)
    assert usage.cost == ReportedCost(source="estimated")
    assert usage.input_tokens is not None
    assert usage.input_tokens >= estimate(QUESTION)
    assert usage.output_tokens is None


def test_counting_tokens_is_no_metered_call(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        assert client.models.count_tokens(model=MODEL, contents=QUESTION).total_tokens == 4

    assert meter.intents == []


def test_the_granted_cap_is_sent_upstream_and_kept_there(upstream: Upstream) -> None:
    meter = CappedMeter(cap=2)
    upstream.script = Script()

    with a_client(meter, upstream) as client:
        answer = client.models.generate_content(model=MODEL, contents=QUESTION)

    assert answer.text == "Salt is"
    assert upstream.requests[0].json["generationConfig"]["maxOutputTokens"] == 2
    assert tokens_of(the_usage(meter)) == Tokens(input=4, output=2)


def test_the_requests_own_cap_is_held_and_sent_as_it_is(upstream: Upstream) -> None:
    meter = CappedMeter(cap=9)

    with a_client(meter, upstream) as client:
        config = GenerateContentConfig(max_output_tokens=3)
        client.models.generate_content(model=MODEL, contents=QUESTION, config=config)

    assert meter.intents[0].operations[0].max_output_tokens == 3
    assert upstream.requests[0].json["generationConfig"]["maxOutputTokens"] == 3


@pytest.mark.parametrize("status", [429, 402])
def test_a_refusal_is_the_clients_own_error_and_is_not_retried(upstream: Upstream, status: int) -> None:
    meter = refusing(status=status)

    with a_client(meter, upstream) as client, pytest.raises(ClientError, match="10 calls a minute") as caught:
        client.models.generate_content(model=MODEL, contents=QUESTION)

    assert caught.value.code == status
    assert find_refusal(caught.value) is meter.refusal
    assert len(meter.intents) == 1
    assert upstream.requests == []


def test_a_stream_left_by_the_caller_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        chunks = client.models.generate_content_stream(model=MODEL, contents=QUESTION)
        next(chunks)
        assert isinstance(chunks, Generator)
        chunks.close()

    assert the_usage(meter).error_message == ABANDONED
    assert the_usage(meter).input_tokens == 1000


def test_a_stream_cut_by_the_upstream_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, cut_after=2)

    with a_client(meter, upstream) as client, pytest.raises(httpx2.RemoteProtocolError):
        list(client.models.generate_content_stream(model=MODEL, contents=QUESTION))

    assert the_usage(meter).error_message == BROKEN
    assert tokens_of(the_usage(meter)) == Tokens(input=1000, output=2)


def test_a_stream_that_stalls_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, stall_after=2)

    with a_client(meter, upstream, timeout=500) as client, pytest.raises(httpx2.ReadTimeout):
        list(client.models.generate_content_stream(model=MODEL, contents=QUESTION))

    assert the_usage(meter).error_message == TIMED_OUT
    assert tokens_of(the_usage(meter)) == Tokens(input=1000, output=2)


def test_an_error_of_the_provider_is_a_failed_call_without_quantities(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(status=503)

    with a_client(meter, upstream) as client, pytest.raises(ServerError):
        client.models.generate_content(model=MODEL, contents=QUESTION)

    assert the_usage(meter).status_code == 503
    assert tokens_of(the_usage(meter)) == Tokens()


def test_the_async_client_is_metered_alike(upstream: Upstream) -> None:
    meter = RecordingMeter()

    async def ask() -> list[str | None]:
        async with async_http2_client(meter, upstream, provider="gemini") as http:
            options = HttpOptions(base_url=upstream.url, httpx_async_client=http)
            client = genai.Client(api_key="not-a-real-key", http_options=options)
            chunks = await client.aio.models.generate_content_stream(model=MODEL, contents=QUESTION)
            return [chunk.text async for chunk in chunks]

    assert asyncio.run(ask()) == WORDS
    assert tokens_of(the_usage(meter)) == CONSUMED


@pytest.mark.django_db(transaction=True)
def test_the_log_has_the_tokens_of_a_long_prompt_and_what_they_cost(upstream: Upstream) -> None:
    upstream.script = Script(tokens=Tokens(input=250_000, cached=50_000, output=1_000, reasoning=800))

    with billing("gemini", model=MODEL) as meter, a_client(meter, upstream) as client:
        list(client.models.generate_content_stream(model=MODEL, contents=QUESTION))

    row = the_row()
    assert (row.input_tokens, row.cached_input_tokens) == (250_000, 50_000)
    assert (row.output_tokens, row.reasoning_tokens) == (1_000, 800)
    # Above 200 000 tokens: 200 000 plain at 2.50 USD a million, 50 000 cached at 0.25, 1 000 out at 15.
    parts = 200_000 * Decimal("2.50") + 50_000 * Decimal("0.25") + 1_000 * 15
    assert row.cost * 1_000_000 == parts
