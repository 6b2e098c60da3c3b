"""The official Mistral client, metered."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import httpx2
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from mistralai.client.models import UserMessage

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
from tests.upstream import mistral as shape
from tests.upstream.script import Script, Tokens
from tests.upstream.server import Upstream, running
from usage.metering.protocol import Meter
from usage.metering.refusals import find_refusal

MODEL = "mistral-small-latest"
MESSAGES = [UserMessage(content="What is salt worth?")]
CONSUMED = Tokens(input=1000, cached=400, output=120)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        server.script = Script(tokens=CONSUMED)
        yield server


@contextmanager
def a_client(meter: Meter, upstream: Upstream, *, timeout: int = 5_000) -> Iterator[Mistral]:
    """The client's own timeout is in milliseconds."""
    with (
        http2_client(meter, upstream, provider="mistral") as http,
        Mistral(api_key="not-a-real-key", server_url=upstream.url, client=http, timeout_ms=timeout) as client,
    ):
        yield client


def test_a_chat_completion_is_metered_as_its_usage_says(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        answer = client.chat.complete(model=MODEL, messages=MESSAGES)

    assert answer.choices[0].message is not None
    assert answer.choices[0].message.content == "Salt is cheap."
    assert tokens_of(the_usage(meter)) == CONSUMED


@pytest.mark.parametrize("gzip", [False, True])
def test_a_stream_is_metered_by_the_chunk_that_ends_it(upstream: Upstream, gzip: bool) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, gzip=gzip)

    with a_client(meter, upstream) as client, client.chat.stream(model=MODEL, messages=MESSAGES) as events:
        chunks = [event.data for event in events]

    assert "".join(str(chunk.choices[0].delta.content) for chunk in chunks) == "Salt is cheap."
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 120
    assert tokens_of(the_usage(meter)) == CONSUMED


def test_a_stream_is_sent_as_the_client_wrote_it(upstream: Upstream) -> None:
    with (
        a_client(RecordingMeter(), upstream) as client,
        client.chat.stream(model=MODEL, messages=MESSAGES) as events,
    ):
        list(events)

    assert "stream_options" not in upstream.requests[0].json


def test_embeddings_are_metered_by_their_input(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=Tokens(input=9))

    with a_client(meter, upstream) as client:
        client.embeddings.create(model="mistral-embed", inputs=["salt", "pepper"])

    assert tokens_of(the_usage(meter)) == Tokens(input=9)


def test_the_granted_cap_is_sent_upstream_and_kept_there(upstream: Upstream) -> None:
    meter = CappedMeter(cap=2)
    upstream.script = Script()

    with a_client(meter, upstream) as client:
        answer = client.chat.complete(model=MODEL, messages=MESSAGES)

    assert answer.choices[0].finish_reason == "length"
    assert upstream.requests[0].json["max_tokens"] == 2
    assert tokens_of(the_usage(meter)) == Tokens(input=4, output=2)


@pytest.mark.parametrize("status", [429, 402])
def test_a_refusal_is_the_clients_own_error_and_is_not_retried(upstream: Upstream, status: int) -> None:
    meter = refusing(status=status)

    with a_client(meter, upstream) as client, pytest.raises(SDKError, match="10 calls a minute") as caught:
        client.chat.complete(model=MODEL, messages=MESSAGES)

    assert caught.value.status_code == status
    assert find_refusal(caught.value) is meter.refusal
    assert len(meter.intents) == 1
    assert upstream.requests == []


def test_a_stream_left_by_the_caller_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        with client.chat.stream(model=MODEL, messages=MESSAGES) as events:
            next(iter(events))
        usage = the_usage(meter)

    assert usage.error_message == ABANDONED
    assert usage.cost is not None
    assert usage.cost.source == "estimated"


def test_a_stream_cut_by_the_upstream_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, cut_after=3)

    with (
        a_client(meter, upstream) as client,
        client.chat.stream(model=MODEL, messages=MESSAGES) as events,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        list(events)

    assert the_usage(meter).error_message == BROKEN


def test_a_stream_that_stalls_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, stall_after=3)

    with (
        a_client(meter, upstream, timeout=500) as client,
        client.chat.stream(model=MODEL, messages=MESSAGES) as events,
        pytest.raises(httpx2.ReadTimeout),
    ):
        list(events)

    assert the_usage(meter).error_message == TIMED_OUT


def test_the_async_client_is_metered_alike(upstream: Upstream) -> None:
    meter = RecordingMeter()

    async def ask() -> str:
        async with (
            async_http2_client(meter, upstream, provider="mistral") as http,
            Mistral(api_key="not-a-real-key", server_url=upstream.url, async_client=http) as client,
        ):
            events = await client.chat.stream_async(model=MODEL, messages=MESSAGES)
            return "".join([str(event.data.choices[0].delta.content) async for event in events])

    assert asyncio.run(ask()) == "Salt is cheap."
    assert tokens_of(the_usage(meter)) == CONSUMED


@pytest.mark.django_db(transaction=True)
def test_the_log_has_the_tokens_of_a_stream_and_what_they_cost(upstream: Upstream) -> None:
    with (
        billing("mistral", model=MODEL) as meter,
        a_client(meter, upstream) as client,
        client.chat.stream(model=MODEL, messages=MESSAGES) as events,
    ):
        list(events)

    row = the_row()
    assert (row.input_tokens, row.cached_input_tokens, row.output_tokens) == (1000, 400, 120)
    # 600 plain tokens at 0.15 USD a million, 400 cached at 0.015, 120 out at 0.60.
    parts = 600 * Decimal("0.15") + 400 * Decimal("0.015") + 120 * Decimal("0.60")
    assert row.cost * 1_000_000 == parts
