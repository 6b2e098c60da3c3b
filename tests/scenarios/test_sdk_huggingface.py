"""Hugging Face's official client, metered on its way to the router."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import _http as hub

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
from tests.upstream import huggingface as shape
from tests.upstream.script import Script, Tokens
from tests.upstream.server import Upstream, running
from usage.metering.protocol import Meter
from usage.metering.refusals import find_refusal

MODEL = "openai/gpt-oss-120b:groq"
MESSAGES = [{"role": "user", "content": "What is salt worth?"}]
WORDS = ["Salt", " is", " cheap", "."]
CONSUMED = Tokens(input=1000, cached=400, output=120, reasoning=80)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        server.script = Script(tokens=CONSUMED)
        yield server


@contextmanager
def a_client(meter: Meter, upstream: Upstream, *, timeout: float = 5) -> Iterator[InferenceClient]:
    """The library makes its HTTP client itself, with a factory that can be set for the whole process."""
    huggingface_hub.set_client_factory(lambda: http2_client(meter, upstream, provider="huggingface"))
    try:
        yield InferenceClient(base_url=f"{upstream.url}/v1", token="hf_not_a_real_token", timeout=timeout)
    finally:
        huggingface_hub.set_client_factory(hub.default_client_factory)


def test_a_chat_completion_is_metered_as_its_usage_says(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        answer = client.chat_completion(messages=MESSAGES, model=MODEL)

    assert answer.choices[0].message.content == "Salt is cheap."
    assert tokens_of(the_usage(meter)) == CONSUMED
    assert the_usage(meter).request_model == MODEL


def test_a_chat_stream_is_asked_for_its_usage_and_the_caller_does_not_see_it(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        chunks = list(client.chat_completion(messages=MESSAGES, model=MODEL, stream=True))

    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", *WORDS, None]
    assert upstream.requests[0].json["stream_options"] == {"include_usage": True}
    assert tokens_of(the_usage(meter)) == CONSUMED


def test_the_granted_cap_is_sent_upstream_and_kept_there(upstream: Upstream) -> None:
    meter = CappedMeter(cap=2)
    upstream.script = Script()

    with a_client(meter, upstream) as client:
        answer = client.chat_completion(messages=MESSAGES, model=MODEL)

    assert answer.choices[0].finish_reason == "length"
    assert tokens_of(the_usage(meter)) == Tokens(input=4, output=2)


@pytest.mark.parametrize("status", [429, 402])
def test_a_refusal_is_the_clients_own_error_and_is_not_retried(upstream: Upstream, status: int) -> None:
    meter = refusing(status=status)

    with a_client(meter, upstream) as client, pytest.raises(HfHubHTTPError) as caught:
        client.chat_completion(messages=MESSAGES, model=MODEL)

    assert caught.value.response.status_code == status
    assert find_refusal(caught.value) is meter.refusal
    assert len(meter.intents) == 1
    assert upstream.requests == []


def test_a_stream_left_by_the_caller_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client, client:
        chunks = client.chat_completion(messages=MESSAGES, model=MODEL, stream=True)
        next(iter(chunks))

    assert the_usage(meter).error_message == ABANDONED


def test_a_stream_cut_by_the_upstream_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, cut_after=3)

    with a_client(meter, upstream) as client, pytest.raises(httpx2.RemoteProtocolError):
        list(client.chat_completion(messages=MESSAGES, model=MODEL, stream=True))

    assert the_usage(meter).error_message == BROKEN


def test_a_stream_that_stalls_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, stall_after=3)

    with a_client(meter, upstream, timeout=0.5) as client, pytest.raises(httpx2.ReadTimeout):
        list(client.chat_completion(messages=MESSAGES, model=MODEL, stream=True))

    assert the_usage(meter).error_message == TIMED_OUT


def test_the_async_client_is_metered_alike(upstream: Upstream) -> None:
    meter = RecordingMeter()
    factory = huggingface_hub.set_async_client_factory

    async def ask() -> list[str | None]:
        async with AsyncInferenceClient(base_url=f"{upstream.url}/v1", token="hf_not_a_real_token") as client:
            chunks = await client.chat_completion(messages=MESSAGES, model=MODEL, stream=True)
            return [chunk.choices[0].delta.content async for chunk in chunks]

    factory(lambda: async_http2_client(meter, upstream, provider="huggingface"))
    try:
        assert asyncio.run(ask()) == ["", *WORDS, None]
    finally:
        factory(hub.default_async_client_factory)
    assert tokens_of(the_usage(meter)) == CONSUMED


@pytest.mark.django_db(transaction=True)
def test_the_log_has_the_tokens_of_a_stream_and_what_they_cost(upstream: Upstream) -> None:
    with billing("huggingface", model=MODEL) as meter, a_client(meter, upstream) as client:
        list(client.chat_completion(messages=MESSAGES, model=MODEL, stream=True))

    row = the_row()
    assert (row.input_tokens, row.output_tokens, row.reasoning_tokens) == (1000, 120, 80)
    # Groq's price: 1 USD a million in, cached or not, and 3 out.
    assert row.cost * 1_000_000 == 1000 * 1 + 120 * 3
