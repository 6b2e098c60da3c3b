"""Asking a billing server that comes, goes and misbehaves before each call, and giving back after it."""

import json
import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.cast import an_event
from tests.support.metering_server import (
    API_KEY,
    AUTHORIZATIONS,
    DEFAULT_CAP,
    MeteringServer,
    a_decision,
    a_problem,
)
from tests.support.processes import wait_until
from tests.support.remote_meters import (
    CAPPED,
    PATIENCE_S,
    UNCAPPED,
    a_meter,
    an_intent,
    grants,
)
from usage.core.errors import (
    AccessDenied,
    BillingError,
    EnforcementUnavailable,
    InvalidRequest,
    NotAuthenticated,
    PricingException,
    SubscriptionException,
    TrackingException,
    UsageLimitExceededException,
)
from usage.events import UsageEvent
from usage.metering.circuit import PAUSE_S
from usage.metering.protocol import UNENFORCED, Grant, Intent
from usage.metering.remote import FailPolicy, RemoteMeter
from usage.metering.sender import LEASE
from usage.metering.spool import MIN_MAX_BYTES, Spool


@pytest.fixture
def server() -> Iterator[MeteringServer]:
    with MeteringServer() as server:
        yield server


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite3"


@pytest.fixture
def meter(server: MeteringServer, spool_path: Path) -> Iterator[RemoteMeter]:
    with a_meter(server, spool_path) as meter:
        yield meter


def test_a_grant_names_the_authorization_and_each_output_cap(meter: RemoteMeter) -> None:
    grant = meter.authorize(an_intent(CAPPED, UNCAPPED))

    assert (grant.authorization, grant.output_caps) == ("a1", (50, DEFAULT_CAP))
    assert grant.decision is not None
    assert grant.decision.allowed


def test_the_customer_the_operations_and_the_expiry_are_sent(
    server: MeteringServer, meter: RemoteMeter
) -> None:
    meter.authorize(Intent(customer="acme", operations=(CAPPED,), expires_in=timedelta(seconds=1.5)))

    operation = {"provider": "openai", "model": "gpt-4o", "input_tokens": 10, "max_output_tokens": 50}
    assert json.loads(server.received[0].body) == {
        "customer": "acme",
        "operations": [operation],
        "expires_in": 2,
    }


@pytest.mark.parametrize(("status", "retry_after"), [(429, 30), (402, None)])
def test_a_refusal_carries_the_decision(
    server: MeteringServer, meter: RemoteMeter, status: int, retry_after: int | None
) -> None:
    decision = a_decision([{"provider": "openai"}], allowed=False)
    waiting = {} if retry_after is None else {"retry_after": retry_after}
    server.refusal = a_problem(
        status,
        code="limit_exceeded",
        detail="The limit of 10 calls is used up.",
        hint="Upgrade to Pro.",
        decision=decision,
        **waiting,
    )
    with pytest.raises(UsageLimitExceededException) as refused:
        meter.authorize(an_intent())

    assert (refused.value.status, refused.value.error_code) == (status, "limit_exceeded")
    assert refused.value.message == "The limit of 10 calls is used up."
    assert refused.value.details == {"decision": decision, **waiting}
    assert refused.value.hint == "Upgrade to Pro."


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (422, "price_unknown", PricingException),
        (422, "key_reused", InvalidRequest),
        (400, "invalid_request", InvalidRequest),
        (401, "not_authenticated", NotAuthenticated),
        (402, "subscription_inactive", SubscriptionException),
        (403, "access_denied", AccessDenied),
    ],
)
@pytest.mark.parametrize("fail", ["closed", "open"])
def test_an_answer_is_never_taken_for_an_outage(
    server: MeteringServer,
    spool_path: Path,
    status: int,
    code: str,
    error: type[BillingError],
    fail: FailPolicy,
) -> None:
    server.refusal = a_problem(status, code=code, detail="A sentence.")
    with (
        a_meter(server, spool_path, fail=fail) as meter,
        pytest.raises(error, match="A sentence") as told,
    ):
        meter.authorize(an_intent())

    assert told.value.error_code == code
    assert server.requests(AUTHORIZATIONS) == 1


def test_a_redirect_is_told_and_not_followed(server: MeteringServer, meter: RemoteMeter) -> None:
    server.broken_with = 301

    with pytest.raises(BillingError, match="check the base URL") as told:
        meter.authorize(an_intent())
    assert told.value.error_code == "unexpected_answer"
    assert server.requests(AUTHORIZATIONS) == 1


def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    server: MeteringServer, meter: RemoteMeter
) -> None:
    server.cut_answers = 2
    grant = meter.authorize(an_intent())

    assert grant.authorization == "a1"
    assert (server.requests(AUTHORIZATIONS), len(server.authorizations)) == (3, 1)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_busy_server_is_asked_a_bounded_number_of_times(
    server: MeteringServer, meter: RemoteMeter, status: int
) -> None:
    server.broken_with = status

    with pytest.raises(EnforcementUnavailable, match=rf"cannot be reached \(status {status}\)"):
        meter.authorize(an_intent())
    assert server.requests(AUTHORIZATIONS) == 3


def test_every_intent_has_a_key_of_its_own(server: MeteringServer, meter: RemoteMeter) -> None:
    meter.authorize(an_intent())
    meter.authorize(an_intent())

    assert len(server.authorizations) == 2


def test_closed_refuses_while_nobody_answers(server: MeteringServer, meter: RemoteMeter) -> None:
    server.stop()

    with pytest.raises(EnforcementUnavailable, match="cannot be reached") as told:
        meter.authorize(an_intent())
    assert told.value.status == 503


def test_closed_refuses_when_the_server_falls_over(server: MeteringServer, meter: RemoteMeter) -> None:
    server.broken_with = 500

    with pytest.raises(EnforcementUnavailable, match=r"failed \(status 500\)"):
        meter.authorize(an_intent())
    assert server.requests(AUTHORIZATIONS) == 1


def test_open_lets_pass_with_the_request_s_own_caps(server: MeteringServer, spool_path: Path) -> None:
    server.stop()
    with a_meter(server, spool_path, fail="open") as meter:
        grant = meter.authorize(an_intent(CAPPED, UNCAPPED))

    assert grant == Grant(authorization=UNENFORCED, output_caps=(50, None))


def test_a_slow_server_is_not_waited_for_beyond_the_timeout(server: MeteringServer, spool_path: Path) -> None:
    server.delay_s = 5
    impatient = a_meter(server, spool_path, timeout_s=0.1, retries=1)
    with impatient as meter, pytest.raises(EnforcementUnavailable, match="ReadTimeout"):
        meter.authorize(an_intent())


def test_an_outage_is_not_waited_for_by_each_call(server: MeteringServer, meter: RemoteMeter) -> None:
    server.stop()
    with pytest.raises(EnforcementUnavailable, match="cannot be reached"):
        meter.authorize(an_intent())
    server.start()

    # The server would answer, but is not asked.
    with pytest.raises(EnforcementUnavailable, match="did not answer a moment ago"):
        meter.authorize(an_intent())
    assert server.requests(AUTHORIZATIONS) == 0
    assert wait_until(lambda: grants(meter), seconds=PAUSE_S * 2)


@pytest.mark.parametrize("wrong", [{"fail": "ajar"}, {"retries": -1}])
def test_settings_that_make_no_sense_are_refused(
    server: MeteringServer, spool_path: Path, wrong: dict[str, int]
) -> None:
    with pytest.raises(InvalidRequest, match="it takes"):
        RemoteMeter(server.url, API_KEY, spool=spool_path, **wrong)  # type: ignore[arg-type]


def a_long_event(name: str) -> UsageEvent:
    return an_event(name, error_message="x" * 900)


def full_meter(server: MeteringServer, spool_path: Path, *, fail: FailPolicy) -> RemoteMeter:
    """A meter whose spool is past the room for new calls, of which another process is to deliver."""
    server.broken_with = 503
    meter = a_meter(server, spool_path, fail=fail, spool_bytes=MIN_MAX_BYTES)
    spool = Spool(spool_path, max_bytes=MIN_MAX_BYTES)
    assert spool.lease("another", at=datetime.now(UTC), duration=LEASE)
    while spool.has_room():
        spool.put(a_long_event("earlier"))
    spool.close()
    return meter


def test_closed_begins_no_calls_and_keeps_those_under_way(server: MeteringServer, spool_path: Path) -> None:
    with full_meter(server, spool_path, fail="closed") as meter:
        with pytest.raises(EnforcementUnavailable, match="nearly full") as told:
            meter.authorize(an_intent())
        assert told.value.error_code == "spool_full"
        assert server.requests(AUTHORIZATIONS) == 0
        meter.settle(an_event("under way"))


def test_open_goes_on(server: MeteringServer, spool_path: Path) -> None:
    with full_meter(server, spool_path, fail="open") as meter:
        assert meter.authorize(an_intent()).authorization == UNENFORCED


def test_what_can_be_neither_kept_nor_sent_is_told(server: MeteringServer, spool_path: Path) -> None:
    with (
        full_meter(server, spool_path, fail="open") as meter,
        pytest.raises(TrackingException, match="is full") as told,
    ):
        settle_until_refused(meter)

    assert told.value.error_code == "spool_full"


def test_what_does_not_fit_is_sent_past_the_spool(server: MeteringServer, spool_path: Path) -> None:
    with full_meter(server, spool_path, fail="open") as meter:
        with pytest.raises(TrackingException):
            settle_until_refused(meter)
        server.broken_with = None
        meter.settle(a_long_event("direct"))

    assert server.event_ids == ["direct"]


def settle_until_refused(meter: RemoteMeter) -> None:
    for number in range(MIN_MAX_BYTES):
        meter.settle(a_long_event(f"more{number}"))


def test_a_hold_is_given_back_after_what_was_settled(server: MeteringServer, meter: RemoteMeter) -> None:
    grant = meter.authorize(an_intent())
    meter.settle(an_event("e1"))
    meter.release(grant)

    assert wait_until(lambda: server.released == ["a1"], seconds=PATIENCE_S)
    assert server.event_ids == ["e1"]


def test_nothing_is_asked_for_a_call_that_was_not_enforced(
    server: MeteringServer, meter: RemoteMeter
) -> None:
    meter.release(Grant(authorization=UNENFORCED, output_caps=(None,)))
    meter.release(Grant(authorization="a7", output_caps=(None,)))
    assert wait_until(lambda: bool(server.released), seconds=PATIENCE_S)

    assert server.released == ["a7"]


def test_an_outage_is_left_to_the_expiry_of_the_hold(server: MeteringServer, meter: RemoteMeter) -> None:
    grant = meter.authorize(an_intent())
    server.stop()
    meter.release(grant)

    assert meter.close()
    assert server.released == []


def test_a_broken_spool_lets_no_call_begin(server: MeteringServer, spool_path: Path) -> None:
    meter = a_meter(server, spool_path)
    meter.close()
    spool_path.write_text("no database at all" * 1000)
    with pytest.raises(EnforcementUnavailable, match="cannot be used") as told:
        meter.authorize(an_intent())

    assert told.value.error_code == "spool_failed"


def test_the_key_is_in_no_repr_log_or_error(
    server: MeteringServer, spool_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with a_meter(server, spool_path, retries=0) as meter:
        server.stop()
        meter.settle(an_event("e1"))
        with pytest.raises(EnforcementUnavailable) as told:
            meter.authorize(an_intent())
        assert API_KEY not in repr(meter)
        assert API_KEY not in repr(told.value)
        assert told.value.__cause__ is not None
        assert told.value.__cause__.__context__ is None

    assert API_KEY not in caplog.text


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_without_repeating_it(
    server: MeteringServer, spool_path: Path, key: str
) -> None:
    with pytest.raises(InvalidRequest, match="api_key takes a key") as told:
        RemoteMeter(server.url, key, spool=spool_path)
    assert not key or key not in str(told.value)


@pytest.mark.parametrize(
    "url",
    ["", "billing.example.com", "ftp://billing.example.com", "https://me:secret@billing.example.com"],
)
def test_an_address_that_cannot_be_one_is_refused(spool_path: Path, url: str) -> None:
    with pytest.raises(InvalidRequest, match="base_url takes the billing server's address") as told:
        RemoteMeter(url, API_KEY, spool=spool_path)
    assert "secret" not in str(told.value)


def test_proxies_of_the_environment_are_not_used(
    server: MeteringServer, spool_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with a_meter(server, spool_path) as meter:
            assert grants(meter)
