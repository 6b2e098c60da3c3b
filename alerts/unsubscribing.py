"""Letting the recipient of an email stop them, without logging in."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import QuerySet

from alerts import added_addresses, destinations, preferences, recipient_tokens
from alerts.models import AlertChannel, ChannelState, EmailMode
from alerts.recipient_tokens import UnknownToken
from alerts.unsubscribe_links import CHANNEL, MEMBER, PURPOSE
from usage.models import Member

REASON = "Unsubscribed by its recipient."


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Somebody who gets emails: a member of an account, or an address that was added to it (`channel`).

    `account_name` is empty where the emails are for staff.
    """

    email: str
    account_name: str
    gets_emails: bool
    member: Member | None = None
    channel: AlertChannel | None = None

    @property
    def settings_link(self) -> str:
        """Where a member chooses, after logging in; empty for others."""
        if self.member is None:
            return ""
        return f"{destinations.SETTINGS_PATH}?{urlencode({'account': self.member.account.external_id})}"


def read(token: str) -> Recipient:
    """Whose token it is. Raises UnknownToken, also once the recipient is gone or has another address."""
    kind, pk = recipient_tokens.claimed(token)
    recipient = _member(pk) if kind == MEMBER else _channel(pk) if kind == CHANNEL else None
    if recipient is None:
        raise UnknownToken
    recipient_tokens.check(token, purpose=PURPOSE, email=recipient.email)
    return recipient


@transaction.atomic
def unsubscribe(recipient: Recipient, *, at: datetime) -> None:
    """Send the recipient no more emails of the account, what waits included; once more changes nothing. An
    address that several members share gets none for any of them.
    """
    if recipient.channel is not None:
        destinations.unsubscribe(recipient.channel, reason=REASON)
    elif recipient.member is not None:
        for member in _sharing(recipient.member):
            preferences.choose_email(member, EmailMode.NONE, at=at)


def _sharing(member: Member) -> "QuerySet[Member]":
    """The members of the account who read the member's mails, since they have the same address."""
    members = Member.objects.filter(account=member.account_id, user__email__iexact=member.user.email)
    # In one order, so that two who unsubscribe at once wait for each other once.
    return members.order_by("pk")


def _member(pk: int) -> Recipient | None:
    member = Member.objects.filter(pk=pk).select_related("account", "user").first()
    if member is None or not member.user.email:
        return None
    return Recipient(
        email=member.user.email,
        account_name=member.account.name,
        gets_emails=_sharing(member).exclude(alert_settings__email=EmailMode.NONE).exists(),
        member=member,
    )


def _channel(pk: int) -> Recipient | None:
    address = added_addresses.find(pk)
    if address is None:
        return None
    return Recipient(
        email=address.email,
        account_name=address.account_name,
        gets_emails=address.state != ChannelState.DISABLED,
        channel=address.channel,
    )
