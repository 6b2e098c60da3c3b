"""Calls through the synchronous transports of httpx2 and httpx: what is held, sent, read and recorded."""

import gzip
import json
import zlib
from typing import Any

import pytest

from tests.support.metering import (
    ANSWER,
    DEFAULT_CAP,
    DONE,
    REPORT,
    WORDS,
    RecordingMeter,
    Reply,
    Upstream,
    a_stream,
    asking,
)
from tests.support.metering_transports import SECRET, Connect
from usage.core.errors import (
    InvalidRequest,
)
from usage.events import Tags
from usage.metering import transports
from usage.metering.context import attribute


def test_an_answer_reaches_the_caller_and_its_usage_the_meter(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    response = connect().post(upstream.url, json=asking())

    assert response.content == ANSWER
    event = meter.the_event()
    assert (event.source, event.subject) == ("metering", "acme")
    assert event.data.authorization == "grant-1"
    assert (event.data.provider, event.data.request_model) == ("openai", "toy-1")
    assert event.data.response_model == "toy-1-2026"
    assert event.data.operation == "chat"
    assert (event.data.input_tokens, event.data.output_tokens) == (11, 7)
    assert (event.data.method, event.data.endpoint) == ("POST", "/v1/answer")
    assert (event.data.status_code, event.data.error_message) == (200, "")
    assert event.data.request_size == len(upstream.the_request().body)
    assert event.data.response_size == len(ANSWER)
    assert event.data.response_time is not None
    assert event.data.cost is None


def test_the_worst_case_is_asked_for_before_the_call(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    meter.while_authorizing = lambda: upstream.received and pytest.fail("sent before it was authorized")
    connect().post(upstream.url, json=asking())

    [intent] = meter.intents
    [operation] = intent.operations
    assert intent.customer == "acme"
    assert (operation.provider, operation.model) == ("openai", "toy-1")
    assert (operation.input_tokens, operation.max_output_tokens) == (11, 100)


def test_a_request_that_needs_no_change_is_sent_byte_for_byte(connect: Connect, upstream: Upstream) -> None:
    body = json.dumps(asking(), indent=3).encode()
    connect().post(upstream.url, content=body)

    assert upstream.the_request().body == body


def test_a_request_without_a_cap_is_sent_with_the_one_that_is_held(
    connect: Connect, upstream: Upstream
) -> None:
    body = {"model": "toy-1", "prompt": "hi"}
    connect().post(upstream.url, json=body)

    assert upstream.the_body() == {**body, "max": DEFAULT_CAP}
    sent = upstream.the_request()
    assert sent.headers["content-length"] == str(len(sent.body))


def test_the_cap_of_a_call_is_shared_by_its_choices(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    client = connect()
    client.post(upstream.url, json=asking(n=3))
    client.post(upstream.url, json={"model": "toy-1", "n": 4})

    assert meter.intents[0].operations[0].max_output_tokens == 300
    assert json.loads(upstream.received[0].body)["max"] == 100
    assert json.loads(upstream.received[1].body)["max"] == DEFAULT_CAP // 4


def test_a_streamed_request_body_is_read_once_and_still_sent(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    body = json.dumps(asking()).encode()
    response = connect().post(upstream.url, content=iter([body[:10], body[10:]]))

    assert response.status_code == 200
    assert upstream.the_request().body == body
    assert upstream.the_request().headers["content-length"] == str(len(body))
    assert meter.the_event().data.output_tokens == 7


def test_a_streamed_body_that_is_not_metered_is_sent_as_it_was(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    connect().post(f"http://{upstream.host}/v1/files", content=iter([b"a", b"b"]))

    assert upstream.the_request().body == b"ab"
    assert upstream.the_request().headers["transfer-encoding"] == "chunked"
    assert meter.intents == []


def test_a_compressed_request_is_metered_and_sent_plain(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    body = gzip.compress(json.dumps(asking()).encode())
    connect().post(upstream.url, content=body, headers={"Content-Encoding": "gzip"})

    assert upstream.the_body() == asking()
    assert "content-encoding" not in upstream.the_request().headers
    assert meter.the_event().data.output_tokens == 7


def test_a_request_in_an_encoding_that_cannot_be_read_does_not_pass_unmetered(
    connect: Connect, upstream: Upstream
) -> None:
    with pytest.raises(InvalidRequest, match="Content-Encoding 'br'"):
        connect().post(upstream.url, content=b"?", headers={"Content-Encoding": "br"})

    assert upstream.received == []


def test_other_hosts_and_unmetered_paths_pass_untouched(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    connect(hosts={}).post(upstream.url, json=asking(), headers={"Accept-Encoding": "br"})
    connect().get(f"http://{upstream.host}/v1/models", headers={"Accept-Encoding": "br"})

    assert [one.headers["accept-encoding"] for one in upstream.received] == ["br", "br"]
    assert meter.intents == []


def test_a_call_of_nobody_is_not_made(connect: Connect, upstream: Upstream) -> None:
    with pytest.raises(InvalidRequest, match="customer="):
        connect(customer=None).post(upstream.url, json=asking())

    assert upstream.received == []


def test_the_context_says_whose_call_it_is(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    with attribute(
        customer="globex",
        end_user="u-7",
        endpoint="/blog",
        request_type="smart_inference",
        tags={"team": "search"},
        byok=True,
    ):
        connect().post(upstream.url, json=asking())

    [intent] = meter.intents
    event = meter.the_event()
    assert intent.customer == event.subject == "globex"
    assert intent.operations[0].byok
    assert event.data.byok
    assert (event.data.end_user, event.data.endpoint) == ("u-7", "/blog")
    assert (event.data.request_type, event.data.tags) == ("smart_inference", Tags(team="search"))


def test_the_retries_of_the_clients_library_are_told(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    connect().post(upstream.url, json=asking(), headers={"x-stainless-retry-count": "2"})

    assert meter.the_event().data.retry_count == 2


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br;q=1.0, gzip;q=0.8", "gzip;q=0.8"),
        ("br", "identity"),
        ("identity", "identity"),
    ],
)
def test_only_encodings_that_can_be_read_are_asked_for(
    connect: Connect, upstream: Upstream, accepted: str, sent: str
) -> None:
    connect().post(upstream.url, json=asking(), headers={"Accept-Encoding": accepted})

    assert upstream.the_request().headers["accept-encoding"] == sent


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", gzip.compress(ANSWER)), ("deflate", zlib.compress(ANSWER))],
    ids=["gzip", "deflate"],
)
def test_a_compressed_answer_passes_as_it_is_and_is_read(
    connect: Connect, upstream: Upstream, meter: RecordingMeter, encoding: str, body: bytes
) -> None:
    upstream.reply = Reply(pieces=[body[at : at + 5] for at in range(0, len(body), 5)], encoding=encoding)
    with connect().stream("POST", upstream.url, json=asking()) as response:
        raw = b"".join(response.iter_raw())

    assert raw == body
    assert response.headers["content-encoding"] == encoding
    assert meter.the_event().data.output_tokens == 7
    assert meter.the_event().data.response_size == len(body)


def test_a_stream_is_asked_to_report_and_the_caller_does_not_see_the_report(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream()
    with connect().stream("POST", upstream.url, json=asking(stream=True)) as response:
        received = b"".join(response.iter_raw())

    assert upstream.the_body()["report"] is True
    assert upstream.the_request().headers["accept-encoding"] == "identity"
    assert received == b"".join([*WORDS, DONE])
    assert (meter.the_event().data.input_tokens, meter.the_event().data.output_tokens) == (11, 7)
    assert meter.the_event().data.error_message == ""


def test_a_stream_that_was_not_changed_passes_byte_for_byte(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    body = gzip.compress(b"".join([*WORDS, REPORT, DONE]))
    upstream.reply = a_stream(body[:30], body[30:], encoding="gzip")
    asked = asking(stream=True, report=True)
    with connect().stream("POST", upstream.url, json=asked) as response:
        received = b"".join(response.iter_raw())

    assert received == body
    assert meter.the_event().data.output_tokens == 7


def test_a_stream_compressed_all_the_same_arrives_plain(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    upstream.reply = a_stream(gzip.compress(b"".join([*WORDS, REPORT, DONE])), encoding="gzip")
    response = connect().post(upstream.url, json=asking(stream=True))

    assert response.content == b"".join([*WORDS, DONE])
    assert "content-encoding" not in response.headers
    assert meter.the_event().data.output_tokens == 7


def test_an_event_reaches_the_caller_before_the_next_one_is_sent(
    connect: Connect, upstream: Upstream
) -> None:
    upstream.reply = a_stream(*WORDS, then="stall")
    with connect().stream("POST", upstream.url, json=asking(stream=True)) as response:
        first = next(response.iter_raw())

    assert first.startswith(WORDS[0])


def test_keys_prompts_and_answers_stay_out_of_events_and_logs(
    connect: Connect, upstream: Upstream, meter: RecordingMeter, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.reply = Reply(pieces=[b"not json: bonjour"])
    with caplog.at_level("DEBUG", logger="usage"):
        connect().post(f"{upstream.url}?key={SECRET}", json=asking(prompt="my prompt"))

    said = caplog.text + repr(meter.the_event()) + repr(meter.intents)
    assert "could not be read" in caplog.text
    assert [word for word in (SECRET, "my prompt", "bonjour") if word in said] == []


@pytest.mark.parametrize(
    "options", [{"hosts": {"example.com": "nobody"}}, {"refusals": "shrug"}], ids=["host", "refusals"]
)
def test_a_transport_that_makes_no_sense_is_not_made(meter: RecordingMeter, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        transports.MeteredTransport(meter, **options)
