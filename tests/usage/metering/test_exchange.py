"""Calls whose own machinery fails: nothing stays held, and no caller loses an answer."""

from dataclasses import replace

import httpx2
import pytest

from tests.support.metering import ANSWER, TOY, RecordingMeter, ToyReader, ToyWire, Upstream, asking
from usage.events import ReportedCost
from usage.metering.exchange import hosts_of
from usage.metering.protocol import Grant
from usage.metering.transports import MeteredTransport
from usage.wire.base import Call, Reading, SentRequest


class WireThatCannotPrepare(ToyWire):
    def prepared(self, request: SentRequest, call: Call, *, output_cap: int | None) -> bytes:
        raise ValueError("a body of another form")


class ReaderThatCannotSum(ToyReader):
    def reading(self) -> Reading:
        raise ValueError("an answer of another form")


class WireThatCannotRead(ToyWire):
    def reader(self, call: Call) -> ToyReader:
        return ReaderThatCannotSum(call)


class MeterThatCannotRelease(RecordingMeter):
    def release(self, grant: Grant) -> None:
        raise RuntimeError("the disk is full")


def post(upstream: Upstream, meter: RecordingMeter, wire: ToyWire) -> httpx2.Response:
    hosts = {upstream.host: replace(TOY, wire=wire)}
    with httpx2.Client(transport=MeteredTransport(meter, customer="acme", hosts=hosts)) as client:
        return client.post(upstream.url, json=asking())


def test_a_request_that_cannot_be_prepared_is_not_sent_and_its_hold_released(
    upstream: Upstream, meter: RecordingMeter
) -> None:
    with pytest.raises(ValueError, match="another form"):
        post(upstream, meter, WireThatCannotPrepare())

    assert upstream.received == []
    assert meter.the_release() == "grant-1"


def test_an_answer_that_cannot_be_summed_up_is_settled_at_what_was_held_of_its_input(
    upstream: Upstream, meter: RecordingMeter
) -> None:
    assert post(upstream, meter, WireThatCannotRead()).content == ANSWER

    data = meter.the_event().data
    assert (data.input_tokens, data.output_tokens) == (11, None)
    assert data.cost == ReportedCost(source="estimated")


def test_a_hold_that_cannot_be_released_is_left_to_its_expiry(
    upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="another form"):
        post(upstream, MeterThatCannotRelease(), WireThatCannotPrepare())

    assert "could not be released" in caplog.text


@pytest.mark.parametrize(
    "host", ["gw.example.com", "GW.example.com:443", "gw.example.com:80", "gw.example.com."]
)
def test_a_host_is_known_however_its_address_is_written(host: str) -> None:
    assert list(hosts_of({host: "openai"})) == ["gw.example.com"]
