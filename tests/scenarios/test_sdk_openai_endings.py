"""How metered calls of the OpenAI client end when they do not go well, each in its named outcome."""

import asyncio
from collections.abc import Iterator

import pytest
from openai import APIConnectionError, APITimeoutError, InternalServerError

from tests.support.metering import RecordingMeter
from tests.support.sdk_metering import (
    ABANDONED,
    BROKEN,
    TIMED_OUT,
    the_usage,
    tokens_of,
)
from tests.support.sdk_openai import CONSUMED, MESSAGES, MODEL, a_client, an_async_client
from tests.upstream import openai as shape
from tests.upstream.script import Script, Tokens
from tests.upstream.server import Upstream, running
from usage.events import ReportedCost, UsageData
from usage.wire.tokens import estimate

# A chat's stream opens with the role, a response's with three events; what follows is a word each.
EVENTS_OF_TWO_WORDS = 1 + 2
EVENTS_OF_TWO_WORDS_OF_A_RESPONSE = 3 + 2
PATIENCE_S = 0.5


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        server.script = Script(tokens=CONSUMED)
        yield server


@pytest.fixture
def meter() -> RecordingMeter:
    return RecordingMeter()


def assert_settled_from(seen: str, usage: UsageData) -> None:
    """The output is what was seen of it, counted here, and the event says so."""
    assert usage.output_tokens == estimate(seen, model=MODEL)
    assert usage.input_tokens is not None
    assert usage.input_tokens >= estimate("What is salt worth?", model=MODEL)
    assert usage.cost == ReportedCost(source="estimated")
    assert usage.status_code == 200


def test_a_stream_left_by_the_caller_is_settled_from_what_was_seen(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(stall_after=EVENTS_OF_TWO_WORDS)

    with a_client(meter, upstream) as client:
        with client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as chunks:
            assert [next(chunks).choices[0].delta.content for _ in range(3)] == ["", "Salt", " is"]
        usage = the_usage(meter)

    assert usage.error_message == ABANDONED
    assert_settled_from("Salt is", usage)


def test_a_stream_cut_by_the_upstream_is_settled_from_what_was_seen(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(cut_after=EVENTS_OF_TWO_WORDS)

    with a_client(meter, upstream) as client:
        chunks = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        with pytest.raises(APIConnectionError):
            list(chunks)

    assert the_usage(meter).error_message == BROKEN
    assert_settled_from("Salt is", the_usage(meter))


def test_a_response_stream_cut_by_the_upstream_is_settled_from_what_was_seen(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(cut_after=EVENTS_OF_TWO_WORDS_OF_A_RESPONSE)

    with a_client(meter, upstream) as client:
        events = client.responses.create(model=MODEL, input="What is salt worth?", stream=True)
        with pytest.raises(APIConnectionError):
            list(events)

    assert the_usage(meter).error_message == BROKEN
    assert_settled_from("Salt is", the_usage(meter))


def test_a_stream_that_stalls_is_settled_from_what_was_seen(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(stall_after=EVENTS_OF_TWO_WORDS)

    with a_client(meter, upstream, timeout=PATIENCE_S) as client:
        chunks = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        with pytest.raises(APITimeoutError):
            list(chunks)

    assert the_usage(meter).error_message == TIMED_OUT
    assert_settled_from("Salt is", the_usage(meter))


def test_a_call_that_times_out_before_any_answer_is_recorded_without_quantities(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(stall_after=0)

    with a_client(meter, upstream, timeout=PATIENCE_S) as client, pytest.raises(APITimeoutError):
        client.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=MESSAGES)

    assert (the_usage(meter).status_code, the_usage(meter).error_message) == (504, TIMED_OUT)
    assert tokens_of(the_usage(meter)) == Tokens()


def test_a_call_cut_before_any_answer_is_recorded_without_quantities(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(cut_after=0)

    with a_client(meter, upstream) as client, pytest.raises(APIConnectionError):
        client.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=MESSAGES)

    assert (the_usage(meter).status_code, the_usage(meter).error_message) == (502, BROKEN)
    assert tokens_of(the_usage(meter)) == Tokens()


def test_an_error_of_the_provider_is_recorded_without_quantities(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(status=500)

    with a_client(meter, upstream) as client, pytest.raises(InternalServerError):
        client.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=MESSAGES)

    assert the_usage(meter).status_code == 500
    assert tokens_of(the_usage(meter)) == Tokens()


def test_each_try_of_a_client_that_tries_again_is_held_and_recorded(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(status=500)

    with a_client(meter, upstream) as client, pytest.raises(InternalServerError):
        client.with_options(max_retries=2).chat.completions.create(model=MODEL, messages=MESSAGES)

    assert [event.data.retry_count for event in meter.settled] == [0, 1, 2]
    assert [event.data.authorization for event in meter.settled] == ["grant-1", "grant-2", "grant-3"]


def test_a_call_that_reaches_nobody_gives_its_hold_back(meter: RecordingMeter, upstream: Upstream) -> None:
    upstream.stop()

    with a_client(meter, upstream) as client, pytest.raises(APIConnectionError):
        client.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=MESSAGES)

    assert meter.the_release() == "grant-1"


def test_an_async_stream_left_by_the_caller_is_settled_from_what_was_seen(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(stall_after=EVENTS_OF_TWO_WORDS)

    async def ask() -> None:
        async with an_async_client(meter, upstream) as client:
            chunks = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
            assert [(await anext(chunks)).choices[0].delta.content for _ in range(3)] == ["", "Salt", " is"]
            await chunks.close()

    asyncio.run(ask())
    assert the_usage(meter).error_message == ABANDONED
    assert_settled_from("Salt is", the_usage(meter))


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        (Script(cut_after=EVENTS_OF_TWO_WORDS), APIConnectionError, BROKEN),
        (Script(stall_after=EVENTS_OF_TWO_WORDS), APITimeoutError, TIMED_OUT),
    ],
)
def test_an_async_stream_that_breaks_or_stalls_is_settled_from_what_was_seen(
    meter: RecordingMeter, upstream: Upstream, script: Script, error: type[Exception], message: str
) -> None:
    upstream.script = script

    async def ask() -> None:
        async with an_async_client(meter, upstream, timeout=PATIENCE_S) as client:
            chunks = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
            with pytest.raises(error):
                _ = [chunk async for chunk in chunks]

    asyncio.run(ask())
    assert the_usage(meter).error_message == message
    assert_settled_from("Salt is", the_usage(meter))


def test_a_cancelled_task_settles_its_stream_from_what_was_seen(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(stall_after=EVENTS_OF_TWO_WORDS)

    async def ask() -> None:
        async with an_async_client(meter, upstream) as client, asyncio.timeout(PATIENCE_S):
            chunks = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
            _ = [chunk async for chunk in chunks]

    with pytest.raises(TimeoutError):
        asyncio.run(ask())
    assert the_usage(meter).error_message == ABANDONED
    assert_settled_from("Salt is", the_usage(meter))


def test_a_task_cancelled_before_any_answer_is_recorded_without_quantities(
    meter: RecordingMeter, upstream: Upstream
) -> None:
    upstream.script = Script(stall_after=0)

    async def ask() -> None:
        async with an_async_client(meter, upstream) as client, asyncio.timeout(PATIENCE_S):
            await client.chat.completions.create(model=MODEL, messages=MESSAGES)

    with pytest.raises(TimeoutError):
        asyncio.run(ask())
    assert (the_usage(meter).status_code, the_usage(meter).error_message) == (499, ABANDONED)
    assert tokens_of(the_usage(meter)) == Tokens()
