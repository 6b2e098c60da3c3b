"""Every way in which a call through a transport can end, over real sockets."""

import gc
import os
from typing import Any

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
    event,
)
from tests.support.metering_transports import LIBRARIES, SYNC_TRANSPORTS, Connect
from usage.events import NO_UNITS, ReportedCost


def test_a_client_that_stops_at_the_last_event_has_read_all(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, REPORT, DONE, then="stall")
    with connect().stream("POST", upstream.url, json=asking(stream=True)) as response:
        for line in response.iter_lines():
            if "[DONE]" in line:
                break

    assert (meter.the_event().data.output_tokens, meter.the_event().data.error_message) == (7, "")


def test_an_answer_that_says_no_usage_is_estimated(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, DONE)
    connect().post(upstream.url, json=asking(stream=True))

    data = meter.the_event().data
    assert (data.input_tokens, data.output_tokens) == (11, 2)
    assert data.cost == ReportedCost(source="estimated")


def test_an_answer_that_cannot_be_read_reaches_the_caller_and_is_estimated(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = Reply(pieces=[b"<html>secret words"], content_type="text/html")
    response = connect().post(upstream.url, json=asking())

    assert response.text == "<html>secret words"
    data = meter.the_event().data
    assert data.cost == ReportedCost(source="estimated")
    assert data.error_message == ""


@pytest.mark.parametrize("status", [400, 429, 500, 529])
def test_a_providers_error_is_recorded_without_quantities(
    connect: Connect, upstream: Upstream, meter: RecordingMeter, status: int
) -> None:
    upstream.reply = Reply(status=status, pieces=[b'{"error": "no"}'])
    response = connect().post(upstream.url, json=asking())

    assert (response.status_code, response.json()) == (status, {"error": "no"})
    data = meter.the_event().data
    assert data.status_code == status
    assert (data.input_tokens, data.output_tokens, data.units) == (None, None, NO_UNITS)
    assert data.error_message == "The call was answered with an error by the provider."


def test_a_redirect_is_given_back_and_metered_where_it_leads(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = Reply(status=307, pieces=[b"over there"], location="/v1/answer")
    connect().post(upstream.url, json=asking())

    assert meter.the_release() == "grant-1"


def test_a_stream_the_caller_closes_is_settled_from_what_was_seen(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, then="stall")
    with connect().stream("POST", upstream.url, json=asking(stream=True)) as response:
        next(response.iter_raw())

    data = meter.the_event().data
    assert data.error_message == "The call was abandoned by the caller."
    assert data.status_code == 200
    assert data.output_tokens in (1, 2)
    assert data.cost == ReportedCost(source="estimated")


def test_an_answer_that_is_closed_unread_is_settled(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    client = connect()
    response = client.send(client.build_request("POST", upstream.url, json=asking()), stream=True)
    response.close()

    assert meter.the_event().data.error_message == "The call was abandoned by the caller."


def test_an_answer_that_is_dropped_is_settled_with_the_next_call(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    client = connect()
    client.send(client.build_request("POST", upstream.url, json=asking()), stream=True)
    gc.collect()
    assert meter.settled == []
    client.post(upstream.url, json=asking())

    assert [event.data.authorization for event in meter.settled] == ["grant-1", "grant-2"]
    assert meter.settled[0].data.error_message == "The call was abandoned by the caller."


def test_an_answer_that_is_read_twice_is_settled_once(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    response = connect().post(upstream.url, json=asking())
    response.read()
    response.close()

    assert response.content == ANSWER
    assert meter.the_event().data.output_tokens == 7


@pytest.mark.parametrize("streams", [True, False])
def test_a_cut_answer_is_settled_from_what_was_seen(
    connect: Connect, upstream: Upstream, meter: RecordingMeter, streams: bool
) -> None:
    upstream.reply = a_stream(*WORDS, then="cut") if streams else Reply(pieces=[ANSWER[:9]], then="cut")
    with pytest.raises((httpx.RemoteProtocolError, httpx2.RemoteProtocolError)):
        connect().post(upstream.url, json=asking(stream=streams))

    data = meter.the_event().data
    assert data.error_message == "The call was broken off by the provider."
    assert (data.status_code, data.input_tokens) == (200, 11)
    assert data.output_tokens == (2 if streams else 0)


def test_a_stream_cut_after_its_last_event_has_said_all(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, REPORT, DONE, then="cut")
    with pytest.raises((httpx.RemoteProtocolError, httpx2.RemoteProtocolError)):
        connect().post(upstream.url, json=asking(stream=True))

    assert (meter.the_event().data.output_tokens, meter.the_event().data.error_message) == (7, "")


def test_a_stream_that_cannot_be_read_reaches_the_caller_and_is_estimated(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(event("not json"))
    response = connect().post(upstream.url, json=asking(stream=True))

    assert response.content == event("not json")
    assert meter.the_event().data.cost == ReportedCost(source="estimated")
    assert meter.the_event().data.error_message == ""


def test_a_stream_that_ends_before_its_last_event_was_broken_off(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS)
    connect().post(upstream.url, json=asking(stream=True))

    assert meter.the_event().data.error_message == "The call was broken off by the provider."


def test_a_stream_that_stalls_times_out_and_is_settled_from_what_was_seen(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, then="stall")
    with pytest.raises((httpx.ReadTimeout, httpx2.ReadTimeout)):
        connect(timeout=0.3).post(upstream.url, json=asking(stream=True))

    data = meter.the_event().data
    assert data.error_message == "The call was timed out."
    assert (data.status_code, data.output_tokens) == (200, 2)


def test_no_answer_in_time_is_an_error_without_quantities(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = Reply(is_silent=True, then="stall")
    with pytest.raises((httpx.ReadTimeout, httpx2.ReadTimeout)):
        connect(timeout=0.3).post(upstream.url, json=asking())

    data = meter.the_event().data
    assert (data.status_code, data.input_tokens, data.output_tokens) == (504, None, None)


def test_a_connection_cut_before_an_answer_is_an_error_without_quantities(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = Reply(is_silent=True)
    with pytest.raises((httpx.RemoteProtocolError, httpx2.RemoteProtocolError)):
        connect().post(upstream.url, json=asking())

    data = meter.the_event().data
    assert (data.status_code, data.input_tokens) == (502, None)
    assert data.error_message == "The call was broken off by the provider."


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_call_that_reaches_nobody_is_released(
    connect: Connect, meter: RecordingMeter, closed_port: int, method: str
) -> None:
    client = connect(hosts={f"127.0.0.1:{closed_port}": TOY})
    body = {"json": asking()} if method == "POST" else {}
    with pytest.raises((httpx.ConnectError, httpx2.ConnectError)):
        client.request(method, f"http://127.0.0.1:{closed_port}/v1/answer", **body)

    assert meter.the_release() == "grant-1"


@pytest.mark.parametrize(("library", "transport"), SYNC_TRANSPORTS, ids=LIBRARIES)
def test_a_call_that_gets_no_connection_from_the_pool_is_released(
    library: Any, transport: Any, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, then="stall")
    inner = library.HTTPTransport(limits=library.Limits(max_connections=1))
    metered = transport(meter, customer="acme", inner=inner, hosts={upstream.host: TOY})
    with (
        library.Client(transport=metered, timeout=library.Timeout(5, pool=0.1)) as client,
        client.stream("POST", upstream.url, json=asking(stream=True)),
    ):
        with pytest.raises(library.PoolTimeout):
            client.post(upstream.url, json=asking())

        assert meter.the_release() == "grant-2"


def test_an_answer_survives_a_meter_that_fails(
    connect: Connect, upstream: Upstream, meter: RecordingMeter, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("the disk is full")

    meter.while_settling = fail
    response = connect().post(upstream.url, json=asking())

    assert response.content == ANSWER
    assert "could not be settled" in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_leaves_its_parents_calls_alone(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    client = connect()
    response = client.send(client.build_request("POST", upstream.url, json=asking()), stream=True)
    child = os.fork()
    if not child:
        response.close()
        os._exit(len(meter.settled))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    response.read()

    assert status == 0
    assert meter.the_event().data.output_tokens == 7
