"""Serper by plain HTTP, metered: it has no client of its own."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.support.metering import RecordingMeter
from tests.support.recording import the_row
from tests.support.sdk_billing import billing
from tests.support.sdk_metering import (
    RETRY_AFTER_S,
    http2_client,
    refusing,
    requests_session,
    the_usage,
)
from tests.upstream import serper as shape
from tests.upstream.script import Script
from tests.upstream.server import Upstream, running
from usage.events import Units

HEADERS = {"X-API-KEY": "not-a-real-key"}
QUESTION = {"q": "salt"}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        yield server


@pytest.mark.parametrize("credits", [1, 2])
def test_a_search_is_metered_by_its_credits(upstream: Upstream, credits: int) -> None:
    meter = RecordingMeter()
    upstream.script = Script(units=credits)

    with http2_client(meter, upstream, provider="serper") as http:
        answer = http.post(f"{upstream.url}/search", json=QUESTION, headers=HEADERS)

    assert answer.json()["organic"][0]["title"] == "Salt"
    assert the_usage(meter).units == Units(searches=credits)


def test_a_search_without_told_credits_is_one_search(upstream: Upstream) -> None:
    meter = RecordingMeter()
    upstream.script = Script(tells_usage=False)

    with http2_client(meter, upstream, provider="serper") as http:
        http.post(f"{upstream.url}/news", json=QUESTION, headers=HEADERS)

    assert the_usage(meter).units == Units(searches=1)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("gzip", [False, True])
def test_a_search_through_requests_is_metered_alike(upstream: Upstream, chunked: bool, gzip: bool) -> None:
    meter = RecordingMeter()
    upstream.script = Script(units=2, chunked=chunked, gzip=gzip)

    with requests_session(meter, upstream, provider="serper") as session:
        answer = session.post(f"{upstream.url}/search", json=QUESTION, headers=HEADERS)

    assert answer.json()["credits"] == 2
    assert the_usage(meter).units == Units(searches=2)


def test_a_refusal_is_an_answer_that_says_when_to_come_back(upstream: Upstream) -> None:
    with http2_client(refusing(), upstream, provider="serper") as http:
        answer = http.post(f"{upstream.url}/search", json=QUESTION, headers=HEADERS)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, str(RETRY_AFTER_S))
    assert upstream.requests == []


@pytest.mark.django_db(transaction=True)
def test_the_log_has_the_searches_and_what_they_cost(upstream: Upstream) -> None:
    upstream.script = Script(units=2)

    with billing("serper") as meter, http2_client(meter, upstream, provider="serper") as http:
        http.post(f"{upstream.url}/search", json=QUESTION, headers=HEADERS)

    # Two credits at 0.001 USD.
    assert (the_row().searches, the_row().cost) == (2, 2 * Decimal("0.001"))
