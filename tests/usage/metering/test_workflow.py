"""Several calls under one hold, and calls made without a metered transport."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import httpx2
import pytest

from tests.support.metering import TOY, RecordingMeter, Upstream, a_stream, asking
from usage.core.errors import InvalidRequest, UsageLimitExceededException
from usage.events import Units
from usage.metering.context import attribute
from usage.metering.transports import AsyncMeteredTransport, MeteredTransport
from usage.metering.workflow import metered_call, metered_workflow, workflow
from usage.operations import Operation

ANY_MODEL = Operation(provider="openai", max_output_tokens=40, calls=2)
TOY_1 = Operation(provider="openai", model="toy-1", max_output_tokens=60)


@pytest.fixture
def client(upstream: Upstream, meter: RecordingMeter) -> Iterator[httpx2.Client]:
    """A client whose transport knows no customer of its own."""
    with httpx2.Client(transport=MeteredTransport(meter, hosts={upstream.host: TOY})) as opened:
        yield opened


def authorizations(meter: RecordingMeter) -> list[str]:
    return [event.data.authorization for event in meter.settled]


def test_calls_inside_draw_from_the_one_grant(
    client: httpx2.Client, upstream: Upstream, meter: RecordingMeter
) -> None:
    with workflow(meter, customer="acme", operations=[ANY_MODEL]) as grant:
        client.post(upstream.url, json=asking())
        client.post(upstream.url, json={"model": "toy-2"})

    [intent] = meter.intents
    assert (intent.customer, intent.operations) == ("acme", (ANY_MODEL,))
    assert authorizations(meter) == [grant.authorization] * 2
    assert [event.subject for event in meter.settled] == ["acme", "acme"]
    assert meter.released == []


def test_a_call_beyond_what_is_held_is_authorized_by_itself(
    client: httpx2.Client, upstream: Upstream, meter: RecordingMeter
) -> None:
    with workflow(meter, customer="acme", operations=[TOY_1]):
        for _ in range(2):
            client.post(upstream.url, json=asking())

    assert authorizations(meter) == ["grant-1", "grant-2"]


def test_a_call_larger_than_what_was_planned_is_authorized_by_itself(
    client: httpx2.Client, upstream: Upstream, meter: RecordingMeter
) -> None:
    small = Operation(provider="openai", model="toy-1", input_tokens=1, max_output_tokens=60)

    with workflow(meter, customer="acme", operations=[small]):
        client.post(upstream.url, json=asking())

    assert authorizations(meter) == ["grant-2"]
    assert meter.released == ["grant-1"]


def test_what_was_not_drawn_is_released_only_after_the_calls_under_way(
    client: httpx2.Client, upstream: Upstream, meter: RecordingMeter
) -> None:
    with workflow(meter, customer="acme", operations=[ANY_MODEL]):
        request = client.build_request("POST", upstream.url, json=asking())
        under_way = client.send(request, stream=True)
    assert meter.released == []

    under_way.read()

    assert authorizations(meter) == meter.released == ["grant-1"]


def test_a_call_draws_from_the_operation_that_names_its_model(
    client: httpx2.Client, upstream: Upstream, meter: RecordingMeter
) -> None:
    with workflow(meter, customer="acme", operations=[ANY_MODEL, TOY_1]):
        for model in ("toy-1", "toy-1", "toy-2"):
            client.post(upstream.url, json={"model": model})

    caps = [60, 40, 40]
    assert [b'"max": %d' % cap in one.body for cap, one in zip(caps, upstream.received, strict=True)] == (
        [True] * 3
    )


@pytest.mark.parametrize(
    "operation",
    [
        Operation(provider="anthropic"),
        Operation(provider="openai", model="toy-9"),
        Operation(provider="openai", request_type="batch"),
        Operation(provider="openai", byok=True),
    ],
    ids=["provider", "model", "request type", "byok"],
)
def test_a_call_that_does_not_fit_leaves_the_hold_alone(
    client: httpx2.Client, upstream: Upstream, meter: RecordingMeter, operation: Operation
) -> None:
    with workflow(meter, customer="acme", operations=[operation]):
        client.post(upstream.url, json=asking())

    assert authorizations(meter) == ["grant-2"]
    assert meter.released == ["grant-1"]


def test_a_call_of_another_customer_does_not_draw(
    client: httpx2.Client, upstream: Upstream, meter: RecordingMeter
) -> None:
    with workflow(meter, customer="acme", operations=[TOY_1]), attribute(customer="globex"):
        client.post(upstream.url, json=asking())

    assert authorizations(meter) == ["grant-2"]


def test_what_is_not_used_is_released_also_after_an_exception(meter: RecordingMeter) -> None:
    with pytest.raises(KeyError), workflow(meter, customer="acme", operations=[ANY_MODEL]):
        raise KeyError

    assert meter.the_release() == "grant-1"


def test_a_call_that_reached_nobody_can_be_made_again(
    upstream: Upstream, meter: RecordingMeter, closed_port: int
) -> None:
    hosts = {upstream.host: TOY, f"127.0.0.1:{closed_port}": TOY}
    with (
        httpx2.Client(transport=MeteredTransport(meter, hosts=hosts)) as client,
        workflow(meter, customer="acme", operations=[TOY_1]),
    ):
        with pytest.raises(httpx2.ConnectError):
            client.post(f"http://127.0.0.1:{closed_port}/v1/answer", json=asking())
        client.post(upstream.url, json=asking())

    assert len(meter.intents) == 1
    assert meter.the_event().data.authorization == "grant-1"


def test_a_call_that_reached_nobody_after_the_end_releases_the_rest(meter: RecordingMeter) -> None:
    with workflow(meter, customer="acme", operations=[TOY_1]):
        call = metered_call(meter, operation=TOY_1)
        call.__enter__()
    assert meter.released == []
    call.__exit__(KeyError, KeyError(), None)

    assert meter.the_release() == "grant-1"


def test_a_stream_that_outlives_its_workflow_is_settled_on_its_grant(
    client: httpx2.Client, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream()
    with workflow(meter, customer="acme", operations=[TOY_1]):
        request = client.build_request("POST", upstream.url, json=asking(stream=True))
        response = client.send(request, stream=True)
    response.read()

    assert meter.the_event().data.authorization == "grant-1"


def test_threads_never_draw_more_than_is_held(
    client: httpx2.Client, upstream: Upstream, meter: RecordingMeter
) -> None:
    operation = Operation(provider="openai", calls=8)

    def call() -> None:
        client.post(upstream.url, json=asking())

    with workflow(meter, customer="acme", operations=[operation]), ThreadPoolExecutor(8) as pool:
        for running in [pool.submit(copy_context().run, call) for _ in range(20)]:
            running.result()

    assert authorizations(meter).count("grant-1") == 8
    assert len(set(authorizations(meter))) == 13


def test_an_inner_workflow_is_drawn_from_first_and_the_outer_after_it(
    client: httpx2.Client, upstream: Upstream, meter: RecordingMeter
) -> None:
    with (
        workflow(meter, customer="acme", operations=[ANY_MODEL]),
        workflow(meter, operations=[TOY_1]),
    ):
        for _ in range(2):
            client.post(upstream.url, json=asking())

    assert authorizations(meter) == ["grant-2", "grant-1"]
    assert meter.released == ["grant-1"]


def test_a_refused_workflow_is_not_begun(meter: RecordingMeter) -> None:
    meter.refusal = UsageLimitExceededException("The limit is reached.", details={})
    with (
        pytest.raises(UsageLimitExceededException),
        workflow(meter, customer="acme", operations=[TOY_1]),
    ):
        pytest.fail("it was begun")


def test_a_workflow_of_nobody_is_not_begun(meter: RecordingMeter) -> None:
    with pytest.raises(InvalidRequest, match="customer="), workflow(meter, operations=[TOY_1]):
        pytest.fail("it was begun")


def test_every_run_of_a_decorated_function_is_a_workflow(meter: RecordingMeter) -> None:
    @metered_workflow(meter, customer="acme", operations=[ANY_MODEL])
    def run() -> None:
        with metered_call(meter, operation=TOY_1) as call:
            call.used(output_tokens=1)

    run()
    run()

    assert authorizations(meter) == ["grant-1", "grant-2"]
    assert meter.released == ["grant-1", "grant-2"]


def test_a_workflow_holds_for_tasks_too(upstream: Upstream, meter: RecordingMeter) -> None:
    @metered_workflow(meter, customer="acme", operations=[ANY_MODEL])
    async def run() -> None:
        transport = AsyncMeteredTransport(meter, hosts={upstream.host: TOY})
        async with httpx2.AsyncClient(transport=transport) as client:
            await asyncio.gather(*(client.post(upstream.url, json=asking()) for _ in range(2)))

    asyncio.run(run())

    assert authorizations(meter) == ["grant-1"] * 2
    assert (len(meter.intents), meter.released) == (1, [])


def test_a_call_without_a_transport_settles_what_it_says_it_used(meter: RecordingMeter) -> None:
    search = Operation(provider="exa", units=Units(searches=5))
    whose = attribute(customer="acme", end_user="u1", tags={"team": "search"}, endpoint="/find")
    with whose, metered_call(meter, operation=search) as call:
        call.used(units=Units(searches=1))
        call.used(units=Units(searches=3), input_tokens=4, output_tokens=5, response_model="m")

    event = meter.the_event()
    assert (event.subject, event.data.authorization) == ("acme", "grant-1")
    assert (event.data.provider, event.data.units) == ("metaphor", Units(searches=3))
    assert (event.data.input_tokens, event.data.output_tokens, event.data.response_model) == (4, 5, "m")
    assert (event.data.end_user, event.data.tags.team, event.data.endpoint) == ("u1", "search", "/find")
    assert event.data.status_code == 200


def test_a_call_that_says_nothing_is_settled_as_one_call(meter: RecordingMeter) -> None:
    with metered_call(meter, operation=Operation(provider="tavily"), customer="acme"):
        pass

    assert meter.the_event().data.units == Units()


def test_a_call_that_fails_before_it_says_anything_is_released(meter: RecordingMeter) -> None:
    with pytest.raises(KeyError), metered_call(meter, operation=TOY_1, customer="acme"):
        raise KeyError

    assert meter.the_release() == "grant-1"


def test_a_call_that_fails_later_is_settled_as_far_as_it_said(meter: RecordingMeter) -> None:
    def fail_half_way() -> None:
        with metered_call(meter, operation=TOY_1, customer="acme") as call:
            call.used(input_tokens=9)
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()

    assert meter.the_event().data.input_tokens == 9
    assert meter.the_event().data.error_message == "The call ended with an error after what is recorded here."


def test_a_call_is_told_what_it_may_generate(meter: RecordingMeter) -> None:
    with metered_call(meter, operation=TOY_1, customer="acme") as call:
        assert call.output_cap == 60


def test_a_call_can_be_awaited(meter: RecordingMeter) -> None:
    async def main() -> None:
        async with metered_call(meter, operation=TOY_1, customer="acme") as call:
            call.used(output_tokens=2)

    asyncio.run(main())

    assert meter.the_event().data.output_tokens == 2


def test_a_call_to_nobody_we_know_is_not_made(meter: RecordingMeter) -> None:
    with pytest.raises(InvalidRequest, match="unknown provider"):
        metered_call(meter, operation=Operation(provider="nobody"), customer="acme")
    with pytest.raises(InvalidRequest, match="customer="), metered_call(meter, operation=TOY_1):
        pytest.fail("it was made")
