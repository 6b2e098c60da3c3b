"""Signed webhooks, received by a server that verifies them as receivers do. No database."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from alerts.channels import CHANNELS
from alerts.core.findings import Severity
from alerts.core.messages import Destination, Message, Undelivered
from tests.support.messages import CREATED, a_message
from tests.support.receivers import Answer, Received, Receiver, receiving
from usage.core.errors import InvalidRequest

OLD, NEW, OTHERS = ("whsec_" + letter * 32 for letter in "abc")
AT = CREATED + timedelta(minutes=5)
WEBHOOK: Any = CHANNELS["webhook"]

pytestmark = pytest.mark.usefixtures("private_allowed")


def sent(
    server: Receiver, message: Message, *, secrets: tuple[str, ...] = (NEW,), at: datetime = AT
) -> int | None:
    to = Destination(address=server.url, secrets=secrets)
    status: int | None = WEBHOOK.send([message], to, at=at)
    return status


def received(message: Message, **how: Any) -> Received:
    """What arrives of a message."""
    with receiving() as server:
        assert sent(server, message, **how) == 200
    [request] = server.received
    return request


def verified(request: Received, secret: str, *, at: datetime = AT) -> Any:
    """What a receiver who holds `secret` reads at that time."""
    with time_machine.travel(at, tick=False):
        return Verifier(secret).verify(request.body, request.headers)


class TestSignatures:
    def test_the_receiver_can_verify_it(self) -> None:
        assert verified(received(a_message()), NEW)["type"] == "alert.limit_threshold"

    def test_while_two_secrets_are_valid_a_receiver_may_hold_either(self) -> None:
        request = received(a_message(), secrets=(NEW, OLD))

        assert verified(request, NEW) == verified(request, OLD)
        newest, older = request.headers["webhook-signature"].split(" ")
        assert verified(with_signature(request, newest), NEW)
        assert verified(with_signature(request, older), OLD)

    def test_nobody_else_can(self) -> None:
        request = received(a_message(), secrets=(NEW, OLD))

        with pytest.raises(WebhookVerificationError, match="No matching signature"):
            verified(request, OTHERS)

    @pytest.mark.parametrize(
        "tamper",
        [
            lambda request: changed(request, body=request.body.replace(b"80 %", b"90 %")),
            lambda request: changed(request, headers={**request.headers, "webhook-id": "another"}),
            lambda request: changed(request, headers={**request.headers, "webhook-timestamp": "1773576301"}),
        ],
    )
    def test_body_id_and_timestamp_are_signed(self, tamper: Callable[[Received], Received]) -> None:
        request = received(a_message())

        assert verified(request, NEW)
        with pytest.raises(WebhookVerificationError, match="No matching signature"):
            verified(tamper(request), NEW)

    @pytest.mark.parametrize(("later_s", "is_valid"), [(0, True), (300, True), (301, False)])
    def test_the_timestamp_is_that_of_the_attempt(self, later_s: int, is_valid: bool) -> None:
        """An hour after the alert: the receiver's 5 minutes count from the attempt."""
        attempt = CREATED + timedelta(hours=1)
        request = received(a_message(), at=attempt)

        assert request.headers["webhook-timestamp"] == str(int(attempt.timestamp()))
        if is_valid:
            assert verified(request, NEW, at=attempt + timedelta(seconds=later_s))
        else:
            with pytest.raises(WebhookVerificationError, match="too old"):
                verified(request, NEW, at=attempt + timedelta(seconds=later_s))

    def test_the_zone_of_our_clock_does_not_matter(self) -> None:
        in_kathmandu = AT.astimezone(timezone(timedelta(hours=5, minutes=45)))

        assert verified(received(a_message(), at=in_kathmandu), NEW)

    def test_nothing_is_sent_unsigned(self) -> None:
        with receiving() as server, pytest.raises(Undelivered, match="no secret") as raised:
            sent(server, a_message(), secrets=())

        assert raised.value.is_final
        assert server.received == []


class TestWhatIsTold:
    def test_of_a_limit(self) -> None:
        request = received(a_message())

        assert json.loads(request.body) == {
            "type": "alert.limit_threshold",
            "timestamp": "2026-03-15T12:00:00Z",
            "data": {
                "id": 42,
                "severity": "warning",
                "title": "80 % of OpenAI tokens used",
                "message": "Your plan includes 1,000,000 OpenAI tokens a billing period; 803,412 are used.",
                "account": {"id": "acme", "name": "Acme Corp"},
                "provider": "openai",
                "threshold_percentage": 80,
                "period": {"start": "2026-03-01T00:00:00Z", "end": "2026-04-01T00:00:00Z"},
                "facts": {"used": "803,412 tokens", "amount": "1,000,000 tokens", "percent": "80 %"},
                "link": "https://billing.example.com/alerts/42/",
            },
        }
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"] == "ALwrity-Billing/0.1.0"
        assert request.headers["webhook-id"] == "0195984e-2a00-7c3e-9f0a-5d0c6a7b8c9d"

    def test_that_it_has_ended(self) -> None:
        ended = a_message(severity=Severity.INFO, is_recovery=True)

        assert json.loads(received(ended).body)["type"] == "alert.limit_threshold.ended"

    def test_what_there_is_not_is_null(self) -> None:
        bare = a_message(
            account_id="",
            account_name="",
            provider="",
            threshold=0,
            period_start=None,
            period_end=None,
            facts={},
        )

        data = json.loads(received(bare).body)["data"]

        assert {name for name, value in data.items() if value is None} == {
            "account", "provider", "threshold_percentage", "period",
        }  # fmt: skip

    def test_times_are_utc(self) -> None:
        elsewhere = datetime(2026, 3, 15, 14, 0, tzinfo=timezone(timedelta(hours=2)))

        told = json.loads(received(a_message(created_at=elsewhere, period_start=elsewhere)).body)

        assert told["timestamp"] == "2026-03-15T12:00:00Z"
        assert told["data"]["period"]["start"] == "2026-03-15T12:00:00Z"

    def test_there_is_no_white_space_between(self) -> None:
        body = received(a_message(title="a", text="b", facts={"c": "d"})).body

        assert body.startswith(b'{"type":"alert.limit_threshold","timestamp":"2026-03-15T12:00:00Z","data":{')
        assert b'"title":"a","message":"b",' in body
        assert b'"facts":{"c":"d"}' in body

    def test_letters_of_all_kinds_arrive_and_can_be_verified(self) -> None:
        request = received(a_message(title="Zoë’s 预算 \u2028 😀"))

        assert verified(request, NEW)["data"]["title"] == "Zoë’s 预算 \u2028 😀"


class TestAttempts:
    def test_two_failures_and_then_success(self) -> None:
        with receiving(Answer(status=500), Answer(status=500), Answer(status=200)) as server:
            for attempt in range(2):
                with pytest.raises(Undelivered, match="It answered 500: ok") as raised:
                    sent(server, a_message(), at=AT + timedelta(minutes=attempt))
                assert not raised.value.is_final
            assert sent(server, a_message(), at=AT + timedelta(minutes=2)) == 200

        first, second, third = server.received
        assert first.body == second.body == third.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == third.headers["webhook-id"]
        assert [int(request.headers["webhook-timestamp"]) for request in server.received] == [
            int(datetime(2026, 3, 15, 12, 5 + attempt, tzinfo=UTC).timestamp()) for attempt in range(3)
        ]
        for attempt, request in enumerate(server.received):
            assert verified(request, NEW, at=AT + timedelta(minutes=attempt))

    def test_410_asks_for_no_more(self) -> None:
        with receiving(Answer(status=410)) as server, pytest.raises(Undelivered) as raised:
            sent(server, a_message())

        assert (raised.value.status, raised.value.is_gone, raised.value.is_final) == (410, True, True)


def test_an_address_is_checked_when_it_is_entered(settings: Any) -> None:
    settings.ALERT_URLS_ALLOW_PRIVATE = False

    with pytest.raises(InvalidRequest, match=r"^address: .* is not public"):
        WEBHOOK.checked("https://127.0.0.1/")


def with_signature(request: Received, signature: str) -> Received:
    return changed(request, headers={**request.headers, "webhook-signature": signature})


def changed(request: Received, **members: Any) -> Received:
    return Received(**{"path": request.path, "headers": request.headers, "body": request.body, **members})
