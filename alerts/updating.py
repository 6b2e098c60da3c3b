"""Changing what an account is told of in one go: all of it, or nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from msgspec import UNSET, UnsetType

from alerts import adding, destinations, preferences
from alerts.models import AlertChannel, ConfirmationMail, EmailMode
from usage.core.errors import InvalidRequest
from usage.models import Account, Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """How a member, by username, gets emails, and of which rules; None stays as it is."""

    member: str
    mode: EmailMode | None = None
    rules: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What is to change; what is not named stays as it is.

    `limit_thresholds`: None for those of the plan. `rules`: by which kinds of channels each is told.
    `channels`: by id, whether to deliver to it.
    """

    limit_thresholds: Sequence[int] | UnsetType | None = UNSET
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    channels: Sequence[tuple[int, bool]] = ()
    recipients: Sequence[Recipient] = ()


def update(account: Account, wanted: Update, *, at: datetime, by: str) -> list[ConfirmationMail]:
    """Do all of it; returns the mails that ask the owners of email addresses, each of which says whether it
    was sent. Raises InvalidRequest naming the field, and Conflict for a channel that cannot be switched; then
    nothing is done.
    """
    mails = _update(account, wanted, at=at, by=by)
    adding.send(mails, at=at)
    return mails


@transaction.atomic
def _update(account: Account, wanted: Update, *, at: datetime, by: str) -> list[ConfirmationMail]:
    _require_once("channels", [channel_id for channel_id, _ in wanted.channels])
    _require_once("recipients", [each.member for each in wanted.recipients])
    if wanted.limit_thresholds is not UNSET:
        preferences.choose_limit_thresholds(account, wanted.limit_thresholds, at=at)
    preferences.mute(account, wanted.rules)
    for position, (member, recipient) in enumerate(_members(account, wanted.recipients)):
        if recipient.mode is not None:
            preferences.choose_email(member, recipient.mode, at=at)
        if recipient.rules is not None:
            preferences.choose_rules(member, recipient.rules, field_name=f"recipients.{position}.rules")
    return _switch(list(_channels(account, wanted.channels)), at=at, by=by)


def _switch(wanted: Sequence[tuple[AlertChannel, bool]], *, at: datetime, by: str) -> list[ConfirmationMail]:
    """Those to be switched on come first: they take a turn that nobody may wait for with others in hand."""
    mails = [adding.switch_on(channel, at=at, by=by) for channel, is_on in wanted if is_on]
    for channel, is_on in wanted:
        if not is_on:
            destinations.switch_off(channel, by=by)
    return [mail for mail in mails if mail is not None]


def _channels(account: Account, wanted: Sequence[tuple[int, bool]]) -> Iterator[tuple[AlertChannel, bool]]:
    known = AlertChannel.objects.filter(account=account).in_bulk([channel_id for channel_id, _ in wanted])
    for position, (channel_id, is_on) in enumerate(wanted):
        if channel_id not in known:
            raise _wrong(f"channels.{position}.id", "The account has no such channel.")
        yield known[channel_id], is_on


def _members(account: Account, wanted: Sequence[Recipient]) -> Iterator[tuple[Member, Recipient]]:
    names = [each.member for each in wanted]
    members = Member.objects.filter(account=account, user__username__in=names).select_related("user")
    known = {member.user.get_username(): member for member in members}
    for position, each in enumerate(wanted):
        if each.member not in known:
            raise _wrong(f"recipients.{position}.member", "The account has no such member.")
        yield known[each.member], each


def _require_once(name: str, given: Sequence[object]) -> None:
    for position, each in enumerate(given):
        if each in given[:position]:
            raise _wrong(f"{name}.{position}", "Name it once.")


def _wrong(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{name}: {message}", details={"field": name})
