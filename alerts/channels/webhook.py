"""Signed webhooks to a customer's own server, as standardwebhooks.com specifies them (version 1.0.0)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from standardwebhooks import Webhook as Signer

from alerts import outbound
from alerts.channels.base import Address
from alerts.core.messages import Destination, Message, Undelivered


@dataclass(frozen=True, slots=True)
class Webhook:
    """One POST a message; its id and body are the same in every attempt, its timestamp is the attempt's."""

    key: str = "webhook"
    name: str = "Webhook"
    address: Address = Address.URL
    is_signed: bool = True
    is_instant: bool = False

    def checked(self, address: str) -> str:
        """The address as it is kept; raises InvalidRequest."""
        return outbound.check_url(address)

    def label(self, address: str) -> str:
        """Its host and how it ends."""
        return outbound.label(address)

    def send(self, messages: Sequence[Message], to: Destination, *, at: datetime) -> int | None:
        """POST it, signed with each of the secrets."""
        if not to.secrets:
            raise Undelivered("There is no secret to sign with: make a new one.", is_final=True)
        [message] = messages
        body = msgspec.json.encode(payload(message))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": _signatures(body, message_id=message.id, secrets=to.secrets, at=at),
        }
        return outbound.post(to.address, body=body, headers=headers)


def payload(message: Message) -> dict[str, Any]:
    """What is told of an alert: names stay, more may come; null where there is nothing to tell."""
    return {
        "type": f"alert.{message.rule}{'.ended' if message.is_recovery else ''}",
        "timestamp": message.created_at.astimezone(UTC),
        "data": {
            "id": message.alert_id,
            "severity": message.severity.value,
            "title": message.title,
            "message": message.text,
            "account": {"id": message.account_id, "name": message.account_name}
            if message.account_id
            else None,
            "provider": message.provider or None,
            "threshold_percentage": message.threshold or None,
            "period": _period(message),
            "facts": dict(message.facts),
            "link": message.link,
        },
    }


def _period(message: Message) -> dict[str, datetime] | None:
    if message.period_start is None or message.period_end is None:
        return None
    return {"start": message.period_start.astimezone(UTC), "end": message.period_end.astimezone(UTC)}


def _signatures(body: bytes, *, message_id: str, secrets: Sequence[str], at: datetime) -> str:
    """One signature a secret, so that a receiver may hold any of them."""
    # The library takes the clock face for UTC, whatever zone it is of.
    signed_at = at.astimezone(UTC)
    signatures = [Signer(secret).sign(message_id, signed_at, body.decode()) for secret in secrets]
    return " ".join(signatures)


CHANNEL = Webhook()
