"""Letting the recipient of an email stop them, without logging in."""

from dataclasses import dataclass
from datetime import datetime

from alerts import added_addresses, destinations, preferences, recipient_tokens
from alerts.models import AlertChannel, ChannelState, EmailMode, MemberAlertSettings
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


def read(token: str) -> Recipient:
    """Whose token it is. Raises UnknownToken, also once the recipient is gone or has another address."""
    kind, pk = recipient_tokens.claimed(token)
    recipient = _member(pk) if kind == MEMBER else _channel(pk) if kind == CHANNEL else None
    if recipient is None:
        raise UnknownToken
    recipient_tokens.check(token, purpose=PURPOSE, email=recipient.email)
    return recipient


def unsubscribe(recipient: Recipient, *, at: datetime) -> None:
    """Send the recipient no more emails of the account; once more changes nothing."""
    if recipient.channel is not None:
        destinations.disable(recipient.channel, reason=REASON)
    elif recipient.member is not None:
        preferences.choose_email(recipient.member, EmailMode.NONE, at=at)


def _member(pk: int) -> Recipient | None:
    member = Member.objects.filter(pk=pk).select_related("account", "user").first()
    if member is None or not member.user.email:
        return None
    return Recipient(
        email=member.user.email,
        account_name=member.account.name,
        gets_emails=not MemberAlertSettings.objects.filter(member=member, email=EmailMode.NONE).exists(),
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
