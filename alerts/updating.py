"""Changing what an account is told of in one go: all of it, or nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from msgspec import UNSET, UnsetType

from alerts import destinations, preferences
from alerts.models import AlertChannel, EmailMode
from usage.core.errors import InvalidRequest
from usage.models import Account, Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What is to change; what is not named stays as it is.

    `limit_thresholds`: None for those of the plan. `rules`: by which kinds of channels each is told.
    `channels`: by id, whether to deliver to it. `emails`: by username, how a member gets them.
    """

    limit_thresholds: Sequence[int] | UnsetType | None = UNSET
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    channels: Sequence[tuple[int, bool]] = ()
    emails: Sequence[tuple[str, EmailMode]] = ()


@transaction.atomic
def update(account: Account, wanted: Update, *, at: datetime, by: str) -> None:
    """Do all of it. Raises InvalidRequest naming the field, and Conflict for a channel that cannot be
    switched; then nothing is done.
    """
    _require_once("channels", [channel_id for channel_id, _ in wanted.channels])
    _require_once("recipients", [name for name, _ in wanted.emails])
    if wanted.limit_thresholds is not UNSET:
        preferences.choose_limit_thresholds(account, wanted.limit_thresholds, at=at)
    preferences.mute(account, wanted.rules)
    for channel, is_on in _channels(account, wanted.channels):
        if is_on:
            destinations.enable(channel, at=at)
        else:
            destinations.switch_off(channel, by=by)
    for member, mode in _members(account, wanted.emails):
        preferences.choose_email(member, mode, at=at)


def _channels(account: Account, wanted: Sequence[tuple[int, bool]]) -> Iterator[tuple[AlertChannel, bool]]:
    known = AlertChannel.objects.filter(account=account).in_bulk([channel_id for channel_id, _ in wanted])
    for position, (channel_id, is_on) in enumerate(wanted):
        if channel_id not in known:
            raise _wrong(f"channels.{position}.id", "The account has no such channel.")
        yield known[channel_id], is_on


def _members(account: Account, wanted: Sequence[tuple[str, EmailMode]]) -> Iterator[tuple[Member, EmailMode]]:
    names = [name for name, _ in wanted]
    members = Member.objects.filter(account=account, user__username__in=names).select_related("user")
    known = {member.user.get_username(): member for member in members}
    for position, (name, mode) in enumerate(wanted):
        if name not in known:
            raise _wrong(f"recipients.{position}.member", "The account has no such member.")
        yield known[name], mode


def _require_once(name: str, given: Sequence[object]) -> None:
    for position, each in enumerate(given):
        if each in given[:position]:
            raise _wrong(f"{name}.{position}", "Name it once.")


def _wrong(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{name}: {message}", details={"field": name})
