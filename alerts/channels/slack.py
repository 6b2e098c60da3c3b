"""Messages in a channel of Slack, by an incoming webhook (docs.slack.dev/messaging, "incoming webhooks")."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from alerts import outbound
from alerts.channels.base import Address
from alerts.core.findings import Severity
from alerts.core.messages import Destination, Message, Undelivered
from alerts.outbound import Answered

HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
COLORS = {Severity.INFO: "#2563eb", Severity.WARNING: "#d97706", Severity.ERROR: "#dc2626"}
ENDED_COLOR = "#16a34a"
# A section takes 3,000 characters (docs.slack.dev, "section block"); escaping makes up to five of one.
MAX_CHARACTERS = 3_000 // 5
# What Slack answers where an address or its channel is gone for good, and in which words we pass it on.
GONE = {
    "channel_is_archived": "The Slack channel is archived.",
    "channel_not_found": "The Slack channel does not exist any more.",
    "invalid_token": "Slack does not know this address (any more).",
    "no_active_hooks": "The webhook was switched off in Slack.",
    "no_service": "The webhook was removed or switched off in Slack.",
    "no_service_id": "Slack does not know this address (any more).",
    "no_team": "The Slack workspace does not exist (any more).",
    "team_disabled": "The Slack workspace was switched off.",
}
# What it answers where the same message would be refused again.
REFUSED = {
    "action_prohibited": "An administrator of the Slack workspace does not allow it.",
    "invalid_blocks": "Slack does not take the message.",
    "invalid_payload": "Slack does not take the message.",
    "posting_to_general_channel_denied": "The Slack workspace does not allow this channel to be posted to.",
}


@dataclass(frozen=True, slots=True)
class Slack:
    """The title, and under it, in the color of its severity, the text and a button."""

    key: str = "slack"
    name: str = "Slack"
    address: Address = Address.URL
    is_signed: bool = False
    is_instant: bool = False

    def checked(self, address: str) -> str:
        """The address as it is kept; raises InvalidRequest where it is none of Slack's."""
        return outbound.check_url(address, hosts=HOSTS)

    def label(self, address: str) -> str:
        """Its host and how it ends."""
        return outbound.label(address)

    def send(self, messages: Sequence[Message], to: Destination, *, at: datetime) -> int | None:
        """POST it."""
        [message] = messages
        headers = {"Content-Type": "application/json"}
        try:
            return outbound.post(
                to.address, body=msgspec.json.encode(payload(message)), headers=headers, hosts=HOSTS
            )
        except Answered as answered:
            raise _understood(answered) from None


def payload(message: Message) -> dict[str, Any]:
    """The message in Slack's terms; its `text` is what notifications show, and clients without blocks."""
    return {
        "text": f"*{_escaped(message.title)}*",
        "attachments": [
            {
                "color": ENDED_COLOR if message.is_recovery else COLORS[message.severity],
                "fallback": _escaped(message.text),
                "blocks": _blocks(message),
            }
        ],
    }


def _blocks(message: Message) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _mrkdwn(_escaped(message.text))}]
    if message.account_name:
        blocks.append({"type": "context", "elements": [_mrkdwn(_escaped(message.account_name))]})
    if message.link:
        label = {"type": "plain_text", "text": "Show"}
        blocks.append(
            {"type": "actions", "elements": [{"type": "button", "text": label, "url": message.link}]}
        )
    return blocks


def _mrkdwn(text: str) -> dict[str, Any]:
    # Verbatim: what looks like an address or a name in it is not made into a link.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _escaped(text: str) -> str:
    """`text`, cut, in which Slack sees no link, mention or command."""
    cut = text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _understood(answered: Answered) -> Undelivered:
    """The same in our words, where we know Slack's."""
    if reason := GONE.get(answered.answer):
        return Undelivered(reason, status=answered.status, is_final=True, is_gone=True)
    if reason := REFUSED.get(answered.answer):
        return Undelivered(reason, status=answered.status, is_final=True)
    return answered


CHANNEL = Slack()
