"""Calls that are refused before they are made."""

from typing import Any

import pytest

from tests.support.metering import (
    RecordingMeter,
    Upstream,
    asking,
)
from tests.support.metering_transports import Connect
from usage.core.errors import (
    EnforcementUnavailable,
    PricingException,
    UsageLimitExceededException,
)


def test_a_refusal_comes_as_an_answer_of_the_provider(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    meter.refusal = UsageLimitExceededException(
        "The limit is reached.", details={"retry_after": 12}, hint="Upgrade."
    )
    response = connect().post(upstream.url, json=asking())

    assert response.status_code == 429
    assert response.json()["error"]["message"] == "The limit is reached. Upgrade."
    assert (response.headers["retry-after"], response.headers["x-should-retry"]) == ("12", "false")
    assert response.extensions["refusal"] is meter.refusal
    assert upstream.received == []
    assert (meter.settled, meter.released) == ([], [])


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (UsageLimitExceededException("Not included.", status=402, details={}), 402),
        (PricingException("No price."), 422),
        (EnforcementUnavailable("Nobody knows."), 503),
    ],
)
def test_each_refusal_has_its_status(
    connect: Connect, upstream: Upstream, meter: RecordingMeter, refusal: Any, status: int
) -> None:
    meter.refusal = refusal

    assert connect().post(upstream.url, json=asking()).status_code == status


def test_a_refusal_is_raised_where_that_is_wanted(
    connect: Connect, upstream: Upstream, meter: RecordingMeter
) -> None:
    meter.refusal = UsageLimitExceededException("The limit is reached.", details={})
    with pytest.raises(UsageLimitExceededException):
        connect(refusals="raise").post(upstream.url, json=asking())

    assert upstream.received == []
