"""The channels of an account, or of our staff: adding, confirming, testing, switching off and on, secrets."""

import base64
import secrets as randomness
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from django.db import transaction
from django.db.models import Case, QuerySet, Value, When

from alerts import sealing, unsubscribe_links
from alerts.channels import CHANNELS
from alerts.channels.base import Address
from alerts.core.messages import Destination
from alerts.links import absolute
from alerts.locks import take_turn
from alerts.models import AlertChannel, AlertDelivery, ChannelState, DeliveryState
from usage.core.errors import Conflict, InvalidRequest
from usage.models import Account, Member

MOST_CHANNELS = 20
SECRET_BYTES = 32
# So long what is delivered is signed with the old secret as well.
SECRETS_OVERLAP = timedelta(hours=24)
MEMBERS = "email"
# What everybody has without asking.
OF_ACCOUNTS, OF_STAFF = ("in_app", MEMBERS), ("in_app", "log")
SETTINGS_PATH, STAFF_PATH = "/alerts/settings/", "/admin/alerts/alertchannel/"


class Secret(msgspec.Struct):
    """A secret to sign with, until then; None: until it is rotated."""

    secret: str
    until: datetime | None = None


_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(list[Secret]).decode


def all_of(account: Account | None, *, at: datetime) -> list[AlertChannel]:
    """The channels there are, those that everybody has included."""
    found = list(_of(account))
    present = {each.kind for each in found if not has_address(each)}
    missing = set(OF_STAFF if account is None else OF_ACCOUNTS) - present
    if missing:
        AlertChannel.objects.bulk_create(
            [AlertChannel(account=account, kind=kind, created_at=at) for kind in sorted(missing)],
            ignore_conflicts=True,
        )
        found = list(_of(account))
    return found


def active_of(account: Account | None, *, at: datetime) -> list[AlertChannel]:
    """Those that alerts are delivered to now; a kind of channel that this installation lacks is none."""
    known = [channel for channel in all_of(account, at=at) if channel.kind in CHANNELS]
    return [channel for channel in known if channel.state == ChannelState.ACTIVE]


def has_address(channel: AlertChannel) -> bool:
    """Whether somebody gave the channel an address of its own."""
    return bool(channel.sealed_address)


def settings_path(channel: AlertChannel) -> str:
    """The page where the channel is looked after."""
    return STAFF_PATH if channel.account_id is None else SETTINGS_PATH


def is_of_members(channel: AlertChannel) -> bool:
    """Whether it is the email of the account's members."""
    return channel.kind == MEMBERS and not has_address(channel)


def add(
    account: Account | None, *, kind: str, address: str, at: datetime, by: str
) -> tuple[AlertChannel, str]:
    """Add a channel; returns it and the secret it signs with, shown this once, empty where it does not sign.

    An email address waits until its owner confirms it (`alerts.adding` asks them). Raises InvalidRequest
    naming the field, Conflict when the address is there already.
    """
    channel = CHANNELS.get(kind)
    if channel is None or channel.address is Address.NONE:
        known = [each.key for each in CHANNELS.values() if each.address is not Address.NONE]
        raise InvalidRequest(f"kind: give one of {', '.join(known)}.", details={"field": "kind"})
    address = channel.checked(address)
    secret = _new_secret() if channel.is_signed else ""
    with transaction.atomic():
        take_turn(f"channels of {'staff' if account is None else account.pk}")
        if _of(account).count() >= MOST_CHANNELS:
            raise Conflict(
                f"There are {MOST_CHANNELS} channels already: remove one first.", code="too_many_channels"
            )
        row, is_new = AlertChannel.objects.get_or_create(
            account=account,
            kind=kind,
            address_hash=sealing.fingerprint(address),
            defaults={
                "label": channel.label(address),
                "sealed_address": sealing.seal(address),
                "sealed_secrets": _sealed([Secret(secret)]) if secret else "",
                "state": ChannelState.UNCONFIRMED if _asks_owner(kind, account) else ChannelState.ACTIVE,
                "created_at": at,
                "created_by": by,
            },
        )
    if not is_new:
        raise Conflict("This address is a channel already.", code="channel_exists")
    return row, secret


def remove(channel: AlertChannel) -> None:
    """Remove a channel that was added, with the log of its deliveries; raises Conflict for one that everybody
    has.
    """
    if not has_address(channel):
        raise _built_in()
    channel.delete()


def disable(channel: AlertChannel, *, reason: str, failing_since: datetime | None = None) -> None:
    """Deliver nothing to the channel any more; what waits for it is given up with the reason. Where nobody
    wanted that, `failing_since` says since when nothing could be delivered.
    """
    with transaction.atomic():
        AlertChannel.objects.filter(pk=channel.pk).update(
            state=ChannelState.DISABLED, disabled_reason=reason[:300], failing_since=failing_since
        )
        AlertDelivery.objects.filter(channel=channel, state=DeliveryState.WAITING).update(
            state=DeliveryState.PARKED,
            next_attempt_at=None,
            error=f"The channel was switched off: {reason}"[:500],
        )
    channel.refresh_from_db()


def switch_off(channel: AlertChannel, *, by: str, reason: str = "") -> bool:
    """Disable a channel because somebody wants it so, whether it was not; one that is disabled keeps its
    reason. Raises Conflict for a channel that everybody has.
    """
    if not has_address(channel):
        raise _built_in()
    if channel.state == ChannelState.DISABLED:
        return False
    disable(channel, reason=f"Switched off by {by}: {reason}" if reason else f"Switched off by {by}.")
    return True


def enable(channel: AlertChannel) -> bool:
    """Deliver to the channel again, from the next alert on; whether it was disabled. An email address that
    its owner never confirmed, or unsubscribed, waits for them instead (`alerts.adding` asks them). Raises
    Conflict for one that waits already.
    """
    if channel.state == ChannelState.UNCONFIRMED:
        raise Conflict("This address waits to be confirmed by its owner.", code="channel_unconfirmed")
    active, unconfirmed = Value(ChannelState.ACTIVE.value), Value(ChannelState.UNCONFIRMED.value)
    asks = has_address(channel) and _asks_owner(channel.kind, channel.account)
    enabled = AlertChannel.objects.filter(pk=channel.pk, state=ChannelState.DISABLED).update(
        state=Case(When(confirmed_at=None, then=unconfirmed), default=active) if asks else active,
        disabled_reason="",
        failing_since=None,
        busy_until=None,
    )
    channel.refresh_from_db()
    return bool(enabled)


def confirm(channel: AlertChannel, *, at: datetime) -> None:
    """Its owner wants what is delivered to it."""
    AlertChannel.objects.filter(pk=channel.pk, state=ChannelState.UNCONFIRMED).update(
        state=ChannelState.ACTIVE, confirmed_at=at
    )
    channel.refresh_from_db()


def unsubscribe(channel: AlertChannel, *, reason: str) -> None:
    """Its owner does not want what is delivered to it, until they confirm it anew."""
    with transaction.atomic():
        disable(channel, reason=reason)
        AlertChannel.objects.filter(pk=channel.pk).update(confirmed_at=None)
    channel.refresh_from_db()


def rotate_secret(channel: AlertChannel, *, at: datetime) -> str:
    """A new secret, shown this once; the one before it signs as well for SECRETS_OVERLAP."""
    if not CHANNELS[channel.kind].is_signed:
        raise Conflict("What this channel delivers is not signed.", code="channel_not_signed")
    new = _new_secret()
    with transaction.atomic():
        locked = AlertChannel.objects.select_for_update().get(pk=channel.pk)
        newest = _secrets(locked)[:1]
        old = [Secret(each.secret, at + SECRETS_OVERLAP) for each in newest]
        locked.sealed_secrets = _sealed([Secret(new), *old])
        locked.save(update_fields=["sealed_secrets"])
    channel.refresh_from_db()
    return new


def destination_of(channel: AlertChannel, recipient: str, *, at: datetime) -> Destination:
    """Where the channel delivers to now. Raises sealing.Unreadable."""
    address = recipient or (sealing.unseal(channel.sealed_address) if has_address(channel) else "")
    return Destination(
        address=address,
        secrets=tuple(each.secret for each in _secrets(channel) if each.until is None or each.until > at),
        settings_link="" if channel.account_id is None else absolute(SETTINGS_PATH),
        unsubscribe_link=_unsubscribe_link(channel, address),
    )


def _unsubscribe_link(channel: AlertChannel, email: str) -> str:
    if channel.kind != MEMBERS:
        return ""
    if not is_of_members(channel):
        return unsubscribe_links.link_for(unsubscribe_links.channel_token(channel.pk, email=email))
    members = Member.objects.filter(account=channel.account_id, user__email=email).order_by("pk")
    member_id = members.values_list("pk", flat=True).first()
    if member_id is None:
        return ""
    return unsubscribe_links.link_for(unsubscribe_links.member_token(member_id, email=email))


def _asks_owner(kind: str, account: Account | None) -> bool:
    """Whether the owner of an address that was added has to agree; for our staff we decide."""
    return account is not None and kind in CHANNELS and CHANNELS[kind].address is Address.EMAIL


def _built_in() -> Conflict:
    return Conflict(
        "This channel is always there: choose what it is used for instead.", code="channel_is_built_in"
    )


def _of(account: Account | None) -> "QuerySet[AlertChannel]":
    return AlertChannel.objects.filter(account=account).order_by("pk")


def _secrets(channel: AlertChannel) -> Sequence[Secret]:
    return _decode(sealing.unseal(channel.sealed_secrets)) if channel.sealed_secrets else []


def _sealed(known: Sequence[Secret]) -> str:
    return sealing.seal(_encode(known).decode())


def _new_secret() -> str:
    """In the form that Standard Webhooks gives secrets."""
    return f"whsec_{base64.b64encode(randomness.token_bytes(SECRET_BYTES)).decode()}"
