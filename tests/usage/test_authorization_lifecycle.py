"""What becomes of an authorization: settled, released or expired, once; and asked for again by its key."""

from datetime import timedelta

import pytest

from tests.support.authorizing import (
    a_limit,
    an_operation,
    ask,
    counters,
    is_granted,
    limit,
    settle,
    the_authorization,
)
from tests.support.cast import NOW
from tests.support.recording import prepare
from usage import authorization
from usage.core.errors import Conflict, TrackingException

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


def test_a_released_hold_is_given_back_once() -> None:
    limit(a_limit(5), a_limit(5, window="minute"))
    granted = the_authorization(ask())

    assert authorization.release(granted, at=NOW).state == "released"
    assert authorization.release(granted, at=NOW).state == "released"

    assert counters("everything_calls_period") == counters("everything_calls_minute") == (0, 0)


def test_what_is_settled_cannot_be_released() -> None:
    granted = ask()
    settle(granted)

    with pytest.raises(Conflict, match="settled"):
        authorization.release(the_authorization(granted), at=NOW)


def test_the_rest_of_a_workflow_can_be_released() -> None:
    limit(a_limit(5))
    granted = ask(an_operation(calls=3))
    settle(granted)

    assert authorization.release(the_authorization(granted), at=NOW).state == "settled"
    assert counters("everything_calls_period") == (1, 0)


def test_an_expired_hold_is_reclaimed_by_the_next_authorization() -> None:
    limit(a_limit(1))
    first = ask(expires_in=timedelta(seconds=60))

    assert not is_granted(at=NOW + timedelta(seconds=59))
    assert is_granted(at=NOW + timedelta(seconds=60))

    assert the_authorization(first).state == "expired"


def test_an_expired_hold_is_reclaimed_by_the_sweep() -> None:
    limit(a_limit(1))
    ask(expires_in=timedelta(seconds=60))

    assert authorization.expire(at=NOW + timedelta(seconds=60), limit=10) == 1
    assert authorization.expire(at=NOW + timedelta(seconds=60), limit=10) == 0

    assert counters("everything_calls_period", at=NOW + timedelta(seconds=60)) == (0, 0)


def test_usage_settled_after_expiry_is_recorded_all_the_same() -> None:
    limit(a_limit(5))
    granted = ask(expires_in=timedelta(seconds=60))
    later = NOW + timedelta(seconds=61)
    authorization.expire(at=later, limit=10)

    assert settle(granted, at=later).overrun

    assert counters("everything_calls_period") == (1, 0)
    assert the_authorization(granted).state == "expired"


def test_an_extended_hold_lives_longer() -> None:
    limit(a_limit(1))
    granted = ask(expires_in=timedelta(seconds=60))

    authorization.extend(the_authorization(granted), expires_in=timedelta(seconds=120), at=NOW)

    assert not is_granted(at=NOW + timedelta(seconds=119))
    assert is_granted(at=NOW + timedelta(seconds=120))


def test_past_its_deadline_a_hold_is_not_extended() -> None:
    granted = ask(expires_in=timedelta(seconds=60))

    with pytest.raises(Conflict, match="expired"):
        authorization.extend(
            the_authorization(granted), expires_in=timedelta(seconds=9), at=NOW + timedelta(seconds=60)
        )


def test_the_same_key_holds_once_and_is_answered_alike() -> None:
    limit(a_limit(5))

    first, again = ask(key="k"), ask(key="k", at=NOW + timedelta(seconds=5))

    assert first == again
    assert counters("everything_calls_period") == (0, 1)


def test_the_same_key_with_another_request_is_refused() -> None:
    ask(key="k")

    with pytest.raises(TrackingException, match="Idempotency-Key"):
        ask(an_operation(input_tokens=1), key="k")


@pytest.mark.parametrize("ended", ["released", "expired", "past its deadline"])
def test_a_key_whose_hold_is_gone_is_no_permission_any_more(ended: str) -> None:
    limit(a_limit(1))
    granted = ask(key="k", expires_in=timedelta(seconds=60))
    later = NOW + timedelta(seconds=60)
    if ended == "released":
        authorization.release(the_authorization(granted), at=NOW)
    elif ended == "expired":
        authorization.expire(at=later, limit=10)

    with pytest.raises(Conflict, match="new key"):
        ask(key="k", expires_in=timedelta(seconds=60), at=later)


def test_like_operations_are_drawn_by_the_calls_they_were_held_for() -> None:
    limit(a_limit(120_000, "tokens"))
    granted = ask(an_operation(input_tokens=100), an_operation(input_tokens=100_000))

    outcome = settle(granted, "large", input_tokens=100_000)

    assert not outcome.overrun
    assert counters("everything_tokens_period") == (100_100, 200)
