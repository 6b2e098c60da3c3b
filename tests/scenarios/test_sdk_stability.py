"""Stability by plain HTTP, metered by the images it makes."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.support.metering import RecordingMeter
from tests.support.recording import the_row
from tests.support.sdk_billing import billing
from tests.support.sdk_metering import (
    http2_client,
    refusing,
    requests_session,
    the_usage,
)
from tests.upstream import stability as shape
from tests.upstream.server import Upstream, running
from usage.events import Units

KEY = {"Authorization": "Bearer sk-not-a-real-key"}
CURRENT = "/v2beta/stable-image/generate/core"
FIRST = "/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"
FORM = {"prompt": (None, b"A bag of salt"), "output_format": (None, b"png")}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        yield server


@pytest.mark.parametrize("accept", ["image/*", "application/json"])
def test_an_image_is_one_image_however_it_comes(upstream: Upstream, accept: str) -> None:
    meter = RecordingMeter()

    with http2_client(meter, upstream, provider="stability") as http:
        answer = http.post(upstream.url + CURRENT, files=FORM, headers={**KEY, "Accept": accept})

    assert answer.status_code == 200
    assert the_usage(meter).units == Units(images=1)


def test_an_image_arrives_byte_by_byte_as_it_was_sent(upstream: Upstream) -> None:
    with http2_client(RecordingMeter(), upstream, provider="stability") as http:
        answer = http.post(upstream.url + CURRENT, files=FORM, headers={**KEY, "Accept": "image/*"})

    assert answer.content == shape.PNG
    assert b"A bag of salt" in upstream.requests[0].body


def test_samples_are_as_many_images(upstream: Upstream) -> None:
    meter = RecordingMeter()
    asked = {"text_prompts": [{"text": "A bag of salt"}], "samples": 3}

    with http2_client(meter, upstream, provider="stability") as http:
        http.post(upstream.url + FIRST, json=asked, headers={**KEY, "Accept": "application/json"})

    assert meter.intents[0].operations[0].units == Units(images=3)
    assert the_usage(meter).units == Units(images=3)


def test_an_image_through_requests_is_metered_alike(upstream: Upstream) -> None:
    meter = RecordingMeter()

    with requests_session(meter, upstream, provider="stability") as session:
        answer = session.post(upstream.url + CURRENT, files=FORM, headers={**KEY, "Accept": "image/*"})

    assert answer.content == shape.PNG
    assert the_usage(meter).units == Units(images=1)


def test_a_refused_image_is_not_asked_for(upstream: Upstream) -> None:
    with http2_client(refusing(status=402), upstream, provider="stability") as http:
        answer = http.post(upstream.url + CURRENT, files=FORM, headers=KEY)

    assert answer.status_code == 402
    assert upstream.requests == []


@pytest.mark.django_db(transaction=True)
def test_the_log_has_the_images_and_what_they_cost(upstream: Upstream) -> None:
    asked = {"text_prompts": [{"text": "A bag of salt"}], "samples": 3}

    with billing("stability") as meter, http2_client(meter, upstream, provider="stability") as http:
        http.post(upstream.url + FIRST, json=asked, headers={**KEY, "Accept": "application/json"})

    # Three images at 0.04 USD.
    assert (the_row().images, the_row().cost) == (3, 3 * Decimal("0.04"))
