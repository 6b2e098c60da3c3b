"""Calls through the asynchronous transports: the same endings as synchronous ones, and cancellation."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from tests.support.metering import (
    ANSWER,
    DONE,
    REPORT,
    TOY,
    WORDS,
    RecordingMeter,
    Reply,
    Upstream,
    a_stream,
    asking,
)
from usage.core.errors import InvalidRequest, UsageLimitExceededException
from usage.metering import httpx_transports, transports
from usage.metering.context import attribute

# Runs a coroutine function with a client whose calls to the upstream are metered.
Connect = Callable[..., None]

BOTH: list[tuple[Any, Any]] = [
    (httpx2, transports.AsyncMeteredTransport),
    (httpx, httpx_transports.AsyncMeteredTransport),
]


@pytest.fixture(params=BOTH, ids=["httpx2", "httpx"])
def connect(request: pytest.FixtureRequest, upstream: Upstream, meter: RecordingMeter) -> Connect:
    library, transport = request.param

    @asynccontextmanager
    async def client(*, timeout: float = 5.0, **options: Any) -> AsyncIterator[Any]:
        metered = transport(meter, **{"customer": "acme", "hosts": {upstream.host: TOY}, **options})
        async with library.AsyncClient(transport=metered, timeout=timeout) as opened:
            yield opened

    def run(use: Callable[[Any], Awaitable[None]], **options: Any) -> None:
        async def main() -> None:
            async with client(**options) as opened:
                await use(opened)

        asyncio.run(main())

    return run


async def first_event(client: Any, upstream: Upstream, seen: asyncio.Event | None = None) -> None:
    """Reads a stream of words without end, and says when the first has come."""
    async with client.stream("POST", upstream.url, json=asking(stream=True)) as response:
        async for _ in response.aiter_raw():
            if seen is None:
                return
            seen.set()


def test_an_answer_reaches_the_caller_and_its_usage_the_meter(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    async def use(client: Any) -> None:
        response = await client.post(upstream.url, json=asking())
        assert response.content == ANSWER

    connect(use)

    event = meter.the_event()
    assert (event.subject, event.data.authorization) == ("acme", "grant-1")
    assert (event.data.input_tokens, event.data.output_tokens) == (11, 7)


def test_a_stream_is_asked_to_report_and_the_caller_does_not_see_the_report(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, REPORT, DONE)

    async def use(client: Any) -> None:
        async with client.stream("POST", upstream.url, json=asking(stream=True)) as response:
            assert b"".join([chunk async for chunk in response.aiter_raw()]) == b"".join([*WORDS, DONE])

    connect(use)

    assert (meter.the_event().data.output_tokens, meter.the_event().data.error_message) == (7, "")


def test_a_streamed_request_body_is_read_once_and_still_sent(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    body = json.dumps(asking()).encode()

    async def parts() -> AsyncIterator[bytes]:
        yield body[:10]
        yield body[10:]

    async def use(client: Any) -> None:
        await client.post(upstream.url, content=parts())

    connect(use)

    assert upstream.the_request().body == body
    assert meter.the_event().data.output_tokens == 7


def test_tasks_keep_their_own_customers(connect: Connect, upstream: Upstream, meter: RecordingMeter) -> None:
    customers = [f"customer-{number}" for number in range(20)]

    async def use(client: Any) -> None:
        async def call(customer: str) -> None:
            with attribute(customer=customer):
                await client.post(upstream.url, json=asking())

        await asyncio.gather(*map(call, customers))

    connect(use)

    assert sorted(event.subject for event in meter.settled) == sorted(customers)


def test_the_event_loop_goes_on_while_the_meter_works(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    loop_went_on = threading.Event()
    meter.while_authorizing = lambda: loop_went_on.wait(5) or pytest.fail("the loop was blocked")

    async def use(client: Any) -> None:
        asyncio.get_running_loop().call_later(0.05, loop_went_on.set)
        await client.post(upstream.url, json=asking())

    connect(use)

    assert meter.the_event().data.output_tokens == 7


def test_a_refusal_comes_as_an_answer_of_the_provider(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    meter.refusal = UsageLimitExceededException("The limit is reached.", details={})

    async def use(client: Any) -> None:
        response = await client.post(upstream.url, json=asking())
        assert response.status_code == 429
        assert response.extensions["refusal"] is meter.refusal

    connect(use)

    assert upstream.received == []


def test_a_call_of_nobody_is_not_made(connect: Connect, upstream: Upstream) -> None:
    async def use(client: Any) -> None:
        with pytest.raises(InvalidRequest, match="customer="):
            await client.post(upstream.url, json=asking())

    connect(use, customer=None)

    assert upstream.received == []


def test_a_stream_the_caller_closes_is_settled_from_what_was_seen(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, then="stall")
    connect(lambda client: first_event(client, upstream))

    assert meter.the_event().data.error_message == "The call was abandoned by the caller."
    assert meter.the_event().data.output_tokens in (1, 2)


def test_a_cut_stream_is_settled_from_what_was_seen(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, then="cut")

    async def use(client: Any) -> None:
        with pytest.raises((httpx.RemoteProtocolError, httpx2.RemoteProtocolError)):
            await client.post(upstream.url, json=asking(stream=True))

    connect(use)

    assert meter.the_event().data.error_message == "The call was broken off by the provider."
    assert meter.the_event().data.output_tokens == 2


@pytest.mark.parametrize("silent", [True, False])
def test_a_provider_too_slow_times_out(
    connect: Connect, upstream: Upstream, meter: RecordingMeter, silent: bool
) -> None:
    upstream.reply = Reply(is_silent=True, then="stall") if silent else a_stream(*WORDS, then="stall")

    async def use(client: Any) -> None:
        with pytest.raises((httpx.ReadTimeout, httpx2.ReadTimeout)):
            await client.post(upstream.url, json=asking(stream=True))

    connect(use, timeout=0.3)

    data = meter.the_event().data
    assert data.error_message == "The call was timed out."
    assert (data.status_code, data.output_tokens) == ((504, None) if silent else (200, 2))


def test_a_call_that_reaches_nobody_is_released(
    connect: Connect, meter: RecordingMeter, closed_port: int
) -> None:
    async def use(client: Any) -> None:
        with pytest.raises((httpx.ConnectError, httpx2.ConnectError)):
            await client.post(f"http://127.0.0.1:{closed_port}/v1/answer", json=asking())

    connect(use, hosts={f"127.0.0.1:{closed_port}": TOY})

    assert meter.the_release() == "grant-1"


def test_a_task_cancelled_in_a_stream_settles_what_was_seen(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, then="stall")

    async def use(client: Any) -> None:
        seen = asyncio.Event()
        task = asyncio.create_task(first_event(client, upstream, seen))
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(meter.settled) == 1

    connect(use)

    assert meter.the_event().data.error_message == "The call was abandoned by the caller."
    assert meter.the_event().data.output_tokens in (1, 2)


def test_a_cancel_scope_in_a_stream_settles_what_was_seen(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, then="stall")

    async def use(client: Any) -> None:
        with anyio.move_on_after(0.3) as scope:
            await first_event(client, upstream, asyncio.Event())
        assert scope.cancelled_caught
        assert len(meter.settled) == 1

    connect(use)

    assert meter.the_event().data.output_tokens == 2


def test_a_task_cancelled_before_an_answer_is_an_error_without_quantities(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = Reply(is_silent=True, then="stall")

    async def use(client: Any) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.post(upstream.url, json=asking()), 0.3)

    connect(use)

    data = meter.the_event().data
    assert (data.status_code, data.input_tokens) == (499, None)
    assert data.error_message == "The call was abandoned by the caller."


def test_a_task_cancelled_while_it_is_authorized_releases_what_it_is_granted(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    asked, answering = threading.Event(), threading.Event()

    def slowly() -> None:
        asked.set()
        answering.wait(5)

    meter.while_authorizing = slowly

    async def use(client: Any) -> None:
        task = asyncio.create_task(client.post(upstream.url, json=asking()))
        await asyncio.to_thread(asked.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answering.set()
        assert await asyncio.to_thread(meter.the_release) == "grant-1"

    connect(use)

    assert upstream.received == []


def test_a_task_cancelled_again_while_it_settles_still_settles(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    settling, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        settling.set()
        go_on.wait(5)

    meter.while_settling = slowly

    async def use(client: Any) -> None:
        task = asyncio.create_task(client.post(upstream.url, json=asking()))
        await asyncio.to_thread(settling.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await asyncio.to_thread(meter.the_event)

    connect(use)

    assert meter.the_event().data.output_tokens == 7
