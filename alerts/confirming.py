"""Letting whoever reads an email address say that alerts may be sent there."""

import hashlib
from datetime import datetime

from django.urls import reverse

from alerts import added_addresses, alert_mails, mailing, recipient_tokens
from alerts.added_addresses import AddedAddress
from alerts.links import absolute
from alerts.recipient_tokens import UnknownToken

PURPOSE = "alerts.confirming"
CHANNEL = "c"


def token_for(channel_id: int, *, email: str) -> str:
    """Lets whoever reads the mails to `email` confirm it."""
    return recipient_tokens.sign(CHANNEL, channel_id, purpose=PURPOSE, email=email)


def link_for(token: str) -> str:
    """The absolute address that the mail names."""
    return absolute(reverse("alerts_confirm", args=[token]))


def read(token: str) -> AddedAddress:
    """What the token is for. Raises UnknownToken, also once the channel is gone."""
    kind, pk = recipient_tokens.claimed(token)
    address = added_addresses.find(pk) if kind == CHANNEL else None
    if address is None:
        raise UnknownToken
    recipient_tokens.check(token, purpose=PURPOSE, email=address.email)
    return address


def send_confirmation(email: str, *, account_name: str, link: str, at: datetime) -> None:
    """Ask the address by a mail, at once; no step takes longer than EMAIL_TIMEOUT. Raises Undelivered."""
    once = hashlib.sha256(f"{link}\n{at.isoformat()}".encode()).hexdigest()[:32]
    mail = alert_mails.confirmation_mail(
        email, account_name=account_name, link=link, mail_id=f"confirm_{once}"
    )
    mailing.send(mail, email, at=at)
