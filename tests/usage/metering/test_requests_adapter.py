"""Calls through the adapter for requests: every way they can end, over real sockets."""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

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
from usage.events import ReportedCost
from usage.metering.refusals import find_refusal
from usage.metering.requests_adapter import MeteredAdapter

Connect = Callable[..., requests.Session]


@pytest.fixture
def connect(upstream: Upstream, meter: RecordingMeter) -> Iterator[Connect]:
    """Makes sessions whose calls to the upstream are metered."""
    opened: list[requests.Session] = []

    def session(**options: Any) -> requests.Session:
        adapter = MeteredAdapter(meter, **{"customer": "acme", "hosts": {upstream.host: TOY}, **options})
        opened.append(requests.Session())
        opened[-1].mount("http://", adapter)
        return opened[-1]

    yield session
    for one in opened:
        one.close()


def test_an_answer_reaches_the_caller_and_its_usage_the_meter(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    response = connect().post(upstream.url, json=asking())

    assert response.json() == json.loads(ANSWER)
    assert response.request.body == json.dumps(asking()).encode()
    data = meter.the_event().data
    assert (data.input_tokens, data.output_tokens, data.authorization) == (11, 7, "grant-1")
    assert (data.method, data.endpoint, data.status_code) == ("POST", "/v1/answer", 200)


def test_a_request_without_a_cap_is_sent_with_the_one_that_is_held(
    connect: Connect, upstream: Upstream
) -> None:
    connect().post(upstream.url, json={"model": "toy-1", "prompt": "hi"})

    assert upstream.the_body()["max"] == 256
    assert upstream.the_request().headers["content-length"] == str(len(upstream.the_request().body))


BODY = json.dumps(asking()).encode()


@pytest.mark.parametrize(
    "body", [BODY.decode(), io.BytesIO(BODY), iter([BODY[:9], BODY[9:]])], ids=["text", "file", "iterator"]
)
def test_any_form_of_body_is_read_once_and_still_sent(
    connect: Connect, upstream: Upstream, meter: RecordingMeter, body: Any
) -> None:
    connect().post(upstream.url, data=body)

    assert upstream.the_request().body == BODY
    assert meter.the_event().data.output_tokens == 7


def test_what_is_not_metered_passes_untouched(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    connect().post(f"http://{upstream.host}/v1/files", data=iter([b"a", b"b"]))
    connect(hosts={}).post(upstream.url, json=asking())

    assert upstream.received[0].body == b"ab"
    assert upstream.received[0].headers["transfer-encoding"] == "chunked"
    assert meter.intents == []


def test_a_compressed_answer_arrives_decoded_and_is_read(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = Reply(pieces=[gzip.compress(ANSWER)], encoding="gzip")
    response = connect().post(upstream.url, json=asking(), headers={"Accept-Encoding": "gzip, br"})

    assert response.content == ANSWER
    assert upstream.the_request().headers["accept-encoding"] == "gzip"
    assert meter.the_event().data.output_tokens == 7


def test_a_compressed_answer_read_as_a_file_arrives_as_it_is_and_is_read(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = Reply(pieces=[gzip.compress(ANSWER)], encoding="gzip")
    response = connect().post(upstream.url, json=asking(), stream=True)

    assert gzip.decompress(response.raw.read()) == ANSWER
    assert meter.the_event().data.output_tokens == 7


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_stream_is_asked_to_report_and_the_caller_does_not_see_the_report(
    connect: Connect, upstream: Upstream, meter: RecordingMeter, encoding: str
) -> None:
    pieces = [*WORDS, REPORT, DONE]
    upstream.reply = (
        a_stream(gzip.compress(b"".join(pieces)), encoding="gzip") if encoding else a_stream(*pieces)
    )
    response = connect().post(upstream.url, json=asking(stream=True), stream=True)

    assert b"".join(response.iter_content(None)) == b"".join([*WORDS, DONE])
    assert meter.the_event().data.output_tokens == 7


def test_a_stream_read_as_a_file_does_not_show_the_report(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream()
    response = connect().post(upstream.url, json=asking(stream=True), stream=True)
    pieces = list(iter(lambda: response.raw.read(16), b""))

    assert b"".join(pieces) == b"".join([*WORDS, DONE])
    assert meter.the_event().data.output_tokens == 7


def test_an_event_reaches_the_caller_before_the_next_one_is_sent(
    connect: Connect, upstream: Upstream
) -> None:
    upstream.reply = a_stream(*WORDS, then="stall")
    response = connect().post(upstream.url, json=asking(stream=True), stream=True)

    assert next(response.iter_content(None)).startswith(WORDS[0])
    response.close()


def test_a_providers_error_is_recorded_without_quantities(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = Reply(status=500, pieces=[b"no"])
    response = connect().post(upstream.url, json=asking())

    assert (response.status_code, response.text) == (500, "no")
    assert (meter.the_event().data.status_code, meter.the_event().data.output_tokens) == (500, None)


def test_a_stream_the_caller_closes_is_settled_from_what_was_seen(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, then="stall")
    with connect().post(upstream.url, json=asking(stream=True), stream=True) as response:
        next(response.iter_content(None))

    data = meter.the_event().data
    assert data.error_message == "The call was abandoned by the caller."
    assert data.cost == ReportedCost(source="estimated")


def test_a_cut_stream_is_settled_from_what_was_seen(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, then="cut")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        connect().post(upstream.url, json=asking(stream=True))

    data = meter.the_event().data
    assert (data.error_message, data.output_tokens) == ("The call was broken off by the provider.", 2)


def test_a_stream_that_stalls_times_out_and_is_settled_from_what_was_seen(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(*WORDS, then="stall")
    with pytest.raises(requests.ConnectionError):
        connect().post(upstream.url, json=asking(stream=True), timeout=0.3)

    assert (meter.the_event().data.error_message, meter.the_event().data.output_tokens) == (
        "The call was timed out.",
        2,
    )


@pytest.mark.parametrize(("then", "status"), [("stall", 504), ("cut", 502)])
def test_no_answer_is_an_error_without_quantities(
    connect: Connect, upstream: Upstream, meter: RecordingMeter, then: str, status: int
) -> None:
    upstream.reply = Reply(is_silent=True, then=then)
    with pytest.raises(requests.RequestException):
        connect().post(upstream.url, json=asking(), timeout=0.3)

    assert (meter.the_event().data.status_code, meter.the_event().data.input_tokens) == (status, None)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_call_that_reaches_nobody_is_released(
    connect: Connect, meter: RecordingMeter, closed_port: int, method: str
) -> None:
    session = connect(hosts={f"127.0.0.1:{closed_port}": TOY})
    body = asking() if method == "POST" else None
    with pytest.raises(requests.ConnectionError):
        session.request(method, f"http://127.0.0.1:{closed_port}/v1/answer", json=body)

    assert meter.the_release() == "grant-1"


def test_a_redirect_is_given_back_and_metered_where_it_leads(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = Reply(status=307, pieces=[b"over there"], location="/v1/answer")
    connect().post(upstream.url, json=asking(), allow_redirects=False)

    assert meter.the_release() == "grant-1"


def test_a_refusal_comes_as_an_answer_and_is_found_behind_the_librarys_error(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    meter.refusal = UsageLimitExceededException("The limit is reached.", details={"retry_after": 3})
    response = connect().post(upstream.url, json=asking())

    assert (response.status_code, response.headers["Retry-After"]) == (429, "3")
    assert response.json()["error"]["message"] == "The limit is reached."
    with pytest.raises(requests.HTTPError) as raised:
        response.raise_for_status()
    assert find_refusal(raised.value) is meter.refusal
    assert upstream.received == []


def test_a_refusal_is_raised_where_that_is_wanted(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    meter.refusal = UsageLimitExceededException("The limit is reached.", details={})
    with pytest.raises(UsageLimitExceededException):
        connect(refusals="raise").post(upstream.url, json=asking())


def test_a_call_of_nobody_is_not_made(connect: Connect, upstream: Upstream) -> None:
    with pytest.raises(InvalidRequest, match="customer="):
        connect(customer=None).post(upstream.url, json=asking())

    assert upstream.received == []
