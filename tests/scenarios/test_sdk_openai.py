"""The official OpenAI client, metered."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest
from openai import APIStatusError, RateLimitError

from tests.support.metering import RecordingMeter
from tests.support.recording import the_row
from tests.support.sdk_billing import billing
from tests.support.sdk_metering import (
    RETRY_AFTER_S,
    CappedMeter,
    refusing,
    the_usage,
    tokens_of,
)
from tests.support.sdk_openai import CONSUMED, MESSAGES, MODEL, WORDS, a_client, an_async_client
from tests.upstream import openai as shape
from tests.upstream.script import Script, Tokens
from tests.upstream.server import Upstream, running
from usage.metering.refusals import find_refusal

CALLS_AT_ONCE = 20


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        server.script = Script(tokens=CONSUMED)
        yield server


@pytest.mark.parametrize("gzip", [False, True])
def test_a_chat_completion_is_metered_as_its_usage_says(upstream: Upstream, gzip: bool) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, gzip=gzip)

    with a_client(meter, upstream) as client:
        answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)

    assert answer.choices[0].message.content == "Salt is cheap."
    usage = the_usage(meter)
    assert tokens_of(usage) == CONSUMED
    assert (usage.request_model, usage.response_model) == (MODEL, "gpt-4o-2024-08-06")


@pytest.mark.parametrize("gzip", [False, True])
def test_a_chat_stream_is_asked_for_its_usage_and_the_caller_does_not_see_it(
    upstream: Upstream, gzip: bool
) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=CONSUMED, gzip=gzip)

    with a_client(meter, upstream) as client:
        chunks = list(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))

    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", *WORDS, None]
    assert upstream.requests[0].json["stream_options"] == {"include_usage": True}
    assert tokens_of(the_usage(meter)) == CONSUMED


def test_a_caller_who_asks_for_the_usage_sees_it(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        *_, last = client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )

    assert last.usage is not None
    assert last.usage.completion_tokens == 120
    assert tokens_of(the_usage(meter)) == CONSUMED


def test_a_response_is_metered_as_its_usage_says(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        answer = client.responses.create(model=MODEL, input="What is salt worth?")

    assert answer.output_text == "Salt is cheap."
    assert tokens_of(the_usage(meter)) == CONSUMED


def test_a_response_stream_is_metered_as_its_last_event_says(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        events = client.responses.create(model=MODEL, input="What is salt worth?", stream=True)
        said = [event.delta for event in events if event.type == "response.output_text.delta"]

    assert said == WORDS
    assert tokens_of(the_usage(meter)) == CONSUMED


def test_embeddings_are_metered_by_their_input(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tokens=Tokens(input=9))

    with a_client(meter, upstream) as client:
        answer = client.embeddings.create(model="text-embedding-3-small", input=["salt", "pepper"])

    assert [row.embedding for row in answer.data] == [[0.25, -0.5], [0.25, -0.5]]
    assert tokens_of(the_usage(meter)) == Tokens(input=9)


def test_listing_models_is_no_metered_call(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with a_client(meter, upstream) as client:
        assert [model.id for model in client.models.list()] == [MODEL]

    assert meter.intents == []


def test_the_granted_cap_is_sent_upstream_and_kept_there(upstream: Upstream) -> None:
    meter = CappedMeter(cap=2)
    upstream.script = Script()

    with a_client(meter, upstream) as client:
        answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)

    assert answer.choices[0].message.content == "Salt is"
    assert answer.choices[0].finish_reason == "length"
    assert tokens_of(the_usage(meter)) == Tokens(input=4, output=2)


def test_the_granted_cap_holds_for_responses_too(upstream: Upstream) -> None:
    meter = CappedMeter(cap=2)

    with a_client(meter, upstream) as client:
        client.responses.create(model=MODEL, input="What is salt worth?")

    assert upstream.requests[0].json["max_output_tokens"] == 2


def test_the_requests_own_cap_is_held_and_sent_as_it_is(upstream: Upstream) -> None:
    meter = CappedMeter(cap=9)

    with a_client(meter, upstream) as client:
        client.chat.completions.create(model=MODEL, messages=MESSAGES, max_completion_tokens=3)

    assert meter.intents[0].operations[0].max_output_tokens == 3
    assert upstream.requests[0].json["max_completion_tokens"] == 3


def test_a_refusal_is_the_clients_own_rate_limit_error_and_is_not_retried(upstream: Upstream) -> None:
    meter = refusing()

    with (
        a_client(meter, upstream) as client,
        pytest.raises(RateLimitError, match="10 calls a minute") as caught,
    ):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)

    assert caught.value.response.headers["retry-after"] == str(RETRY_AFTER_S)
    assert find_refusal(caught.value) is meter.refusal
    assert len(meter.intents) == 1
    assert upstream.requests == []


def test_a_refusal_that_waiting_cannot_help_is_a_status_402(upstream: Upstream) -> None:
    with a_client(refusing(status=402), upstream) as client, pytest.raises(APIStatusError) as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)

    assert caught.value.status_code == 402


def test_metered_calls_share_a_connection(upstream: Upstream) -> None:
    with a_client(RecordingMeter(), upstream) as client:
        for _ in range(3):
            client.chat.completions.create(model=MODEL, messages=MESSAGES)

    assert len({request.connection for request in upstream.requests}) == 1


def test_the_async_client_is_metered_alike(upstream: Upstream) -> None:
    meter = RecordingMeter()

    async def ask() -> list[str | None]:
        async with an_async_client(meter, upstream) as client:
            chunks = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
            return [chunk.choices[0].delta.content async for chunk in chunks]

    assert asyncio.run(ask()) == ["", *WORDS, None]
    assert tokens_of(the_usage(meter)) == CONSUMED


def test_calls_at_once_are_each_metered_once(upstream: Upstream) -> None:
    meter = RecordingMeter()

    async def ask() -> None:
        async with an_async_client(meter, upstream) as client, asyncio.TaskGroup() as calls:
            for _ in range(CALLS_AT_ONCE):
                calls.create_task(client.chat.completions.create(model=MODEL, messages=MESSAGES))

    asyncio.run(ask())
    grants = {f"grant-{number}" for number in range(1, CALLS_AT_ONCE + 1)}
    assert {event.data.authorization for event in meter.settled} == grants
    assert [tokens_of(event.data) for event in meter.settled] == [CONSUMED] * CALLS_AT_ONCE


def test_an_async_refusal_is_the_clients_own_rate_limit_error(upstream: Upstream) -> None:
    meter = refusing()

    async def ask() -> None:
        async with an_async_client(meter, upstream) as client:
            await client.chat.completions.create(model=MODEL, messages=MESSAGES)

    with pytest.raises(RateLimitError):
        asyncio.run(ask())
    assert len(meter.intents) == 1
    assert upstream.requests == []


@pytest.mark.django_db(transaction=True)
def test_the_log_has_the_tokens_of_a_stream_and_what_they_cost(upstream: Upstream) -> None:
    with billing("openai", model=MODEL) as meter, a_client(meter, upstream) as client:
        list(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))

    row = the_row()
    assert (row.input_tokens, row.cached_input_tokens) == (1000, 400)
    assert (row.output_tokens, row.reasoning_tokens) == (120, 80)
    # 600 plain tokens at 2.50 USD a million, 400 cached at 1.25, 120 out at 10.
    assert row.cost * 1_000_000 == 600 * Decimal("2.50") + 400 * Decimal("1.25") + 120 * 10
