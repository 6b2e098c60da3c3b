"""The links by which the recipient of an email stops them; `alerts.unsubscribing` reads them."""

from django.urls import reverse

from alerts import recipient_tokens
from alerts.links import absolute

PURPOSE = "alerts.unsubscribing"
MEMBER, CHANNEL = "m", "c"


def member_token(member_id: int, *, email: str) -> str:
    """Lets whoever reads the mails to `email` stop those of a member."""
    return recipient_tokens.sign(MEMBER, member_id, purpose=PURPOSE, email=email)


def channel_token(channel_id: int, *, email: str) -> str:
    """The same for an address that was added."""
    return recipient_tokens.sign(CHANNEL, channel_id, purpose=PURPOSE, email=email)


def link_for(token: str) -> str:
    """The absolute address that a mail names; a POST to it is all that it takes (RFC 8058)."""
    return absolute(reverse("alerts_unsubscribe", args=[token]))
