"""The official Anthropic client, metered."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import httpx2
import pytest
from anthropic import (
    Anthropic,
    AsyncAnthropic,
    InternalServerError,
    RateLimitError,
)
from anthropic.types import MessageParam

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
from tests.upstream import anthropic as shape
from tests.upstream.script import Script, Tokens
from tests.upstream.server import Upstream, running
from usage.metering.protocol import Meter
from usage.metering.refusals import find_refusal

MODEL = "claude-sonnet-4-6"
MESSAGES: list[MessageParam] = [{"role": "user", "content": "What is salt worth?"}]
WORDS = ["Salt", " is", " cheap", "."]
CONSUMED = Tokens(input=1000, cached=400, cache_write=100, output=120)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        server.script = Script(tokens=CONSUMED)
        yield server


def a_client(meter: Meter, upstream: Upstream, *, timeout: float = 5) -> Anthropic:
    return Anthropic(
        api_key="sk-ant-not-a-real-key",
        base_url=upstream.url,
        http_client=http2_client(meter, upstream, provider="anthropic"),
        timeout=timeout,
    )


def an_async_client(meter: Meter, upstream: Upstream) -> AsyncAnthropic:
    return AsyncAnthropic(
        api_key="sk-ant-not-a-real-key",
        base_url=upstream.url,
        http_client=async_http2_client(meter, upstream, provider="anthropic"),
    )


def test_input_is_metered_as_the_total_with_what_the_cache_read_and_wrote(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        answer = client.messages.create(model=MODEL, max_tokens=200, messages=MESSAGES)

    assert answer.usage.input_tokens == 1000 - 400 - 100
    assert tokens_of(the_usage(meter)) == CONSUMED


@pytest.mark.parametrize("gzip", [False, True])
def test_a_stream_is_metered_by_its_start_and_its_end(upstream: Upstream, gzip: bool) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, gzip=gzip)

    with (
        a_client(meter, upstream) as client,
        client.messages.stream(model=MODEL, max_tokens=200, messages=MESSAGES) as answer,
    ):
        assert list(answer.text_stream) == WORDS
        assert answer.get_final_message().usage.output_tokens == 120

    assert tokens_of(the_usage(meter)) == CONSUMED
    assert the_usage(meter).error_message == ""


def test_counting_tokens_is_no_metered_call(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        assert client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens == 4

    assert meter.intents == []


def test_the_requests_own_cap_is_held_and_sent_as_it_is(upstream: Upstream) -> None:
    meter = CappedMeter(cap=9)
    upstream.script = Script()

    with a_client(meter, upstream) as client:
        answer = client.messages.create(model=MODEL, max_tokens=2, messages=MESSAGES)

    assert answer.stop_reason == "max_tokens"
    assert meter.intents[0].operations[0].max_output_tokens == 2
    assert tokens_of(the_usage(meter)) == Tokens(input=4, output=2)


def test_a_refusal_is_the_clients_own_rate_limit_error_and_is_not_retried(upstream: Upstream) -> None:
    meter = refusing()

    with (
        a_client(meter, upstream) as client,
        pytest.raises(RateLimitError, match="10 calls a minute") as caught,
    ):
        client.messages.create(model=MODEL, max_tokens=200, messages=MESSAGES)

    assert find_refusal(caught.value) is meter.refusal
    assert len(meter.intents) == 1
    assert upstream.requests == []


def test_a_refused_stream_is_the_clients_own_rate_limit_error_too(upstream: Upstream) -> None:
    meter = refusing()

    with a_client(meter, upstream) as client, pytest.raises(RateLimitError):
        client.messages.create(model=MODEL, max_tokens=200, messages=MESSAGES, stream=True)

    assert len(meter.intents) == 1


def test_a_stream_left_by_the_caller_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        with client.messages.create(model=MODEL, max_tokens=9, messages=MESSAGES, stream=True) as events:
            next(iter(events))
        usage = the_usage(meter)

    assert usage.error_message == ABANDONED
    assert usage.input_tokens == 1000


def test_a_stream_cut_by_the_upstream_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, cut_after=5)

    with a_client(meter, upstream) as client:
        events = client.messages.create(model=MODEL, max_tokens=9, messages=MESSAGES, stream=True)
        with pytest.raises(httpx2.RemoteProtocolError):
            list(events)

    usage = the_usage(meter)
    assert usage.error_message == BROKEN
    assert (usage.input_tokens, usage.cached_input_tokens) == (1000, 400)


def test_a_stream_that_stalls_is_settled_from_what_was_seen(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, stall_after=5)

    with a_client(meter, upstream, timeout=0.5) as client:
        events = client.messages.create(model=MODEL, max_tokens=9, messages=MESSAGES, stream=True)
        with pytest.raises(httpx2.ReadTimeout):
            list(events)

    assert the_usage(meter).error_message == TIMED_OUT
    assert the_usage(meter).input_tokens == 1000


def test_an_error_of_the_provider_is_a_failed_call_without_quantities(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(status=529)

    with a_client(meter, upstream) as client, pytest.raises(InternalServerError):
        client.with_options(max_retries=0).messages.create(model=MODEL, max_tokens=9, messages=MESSAGES)

    assert the_usage(meter).status_code == 529
    assert tokens_of(the_usage(meter)) == Tokens()


def test_the_async_client_is_metered_alike(upstream: Upstream) -> None:
    meter = RecordingMeter()

    async def ask() -> list[str]:
        async with (
            an_async_client(meter, upstream) as client,
            client.messages.stream(model=MODEL, max_tokens=200, messages=MESSAGES) as answer,
        ):
            return [word async for word in answer.text_stream]

    assert asyncio.run(ask()) == WORDS
    assert tokens_of(the_usage(meter)) == CONSUMED


@pytest.mark.django_db(transaction=True)
def test_the_log_has_the_tokens_of_a_stream_and_what_they_cost(upstream: Upstream) -> None:
    with billing("anthropic", model=MODEL) as meter, a_client(meter, upstream) as client:
        list(client.messages.create(model=MODEL, max_tokens=200, messages=MESSAGES, stream=True))

    row = the_row()
    assert (row.input_tokens, row.cached_input_tokens, row.cache_write_tokens) == (1000, 400, 100)
    assert row.output_tokens == 120
    # 500 plain tokens at 3 USD a million, 400 read from the cache at 0.30, 100 written to it at 3.75,
    # 120 out at 15.
    parts = 500 * 3 + 400 * Decimal("0.30") + 100 * Decimal("3.75") + 120 * 15
    assert row.cost * 1_000_000 == parts
