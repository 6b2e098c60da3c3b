"""What was done to an account's members, invitations and keys, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from usage import account_changes
from usage.models import Account, AccountChange, ChangeOf, Member, Role

MOST_CHANGES = 20
OUR_STAFF = "Our staff"


@dataclass(frozen=True, slots=True)
class Told:
    """One change: when, who did it, and what, as the rest of the sentence."""

    at: datetime
    who: str
    what: str


def history_of(account: Account, *about: ChangeOf) -> list[Told]:
    """The last MOST_CHANGES changes about any of these, newest first. Our staff are not named."""
    changes = account_changes.newest(account, about=about, at_most=MOST_CHANGES)
    staff = {change.actor_user_id for change in changes if change.actor_user and change.actor_user.is_staff}
    if staff:
        members = Member.objects.filter(account=account, user__in=staff)
        staff -= set(members.values_list("user_id", flat=True))
    return [
        Told(change.at, OUR_STAFF if change.actor_user_id in staff else change.actor, words_of(change))
        for change in changes
    ]


def words_of(change: AccountChange) -> str:
    """What a change did, to be read after who did it."""
    match change.about:
        case ChangeOf.MEMBER:
            return _of_member(change)
        case ChangeOf.INVITATION:
            return _of_invitation(change)
        case _:
            return _of_key(change)


def _of_member(change: AccountChange) -> str:
    is_own = change.subject == change.actor
    if not change.before:
        return f"joined as {_role(change.after)}" if is_own else f"added {change.subject}"
    if not change.after:
        return "left" if is_own else f"removed {change.subject}"
    return f"made {'themself' if is_own else change.subject} {_role(change.after)}"


def _of_invitation(change: AccountChange) -> str:
    if "accepted_by" in change.after:
        return f"accepted the invitation of {change.subject}"
    if not change.before:
        return f"invited {change.subject} as {_role(change.after)}"
    return (
        f"invited {change.subject} again" if change.after else f"withdrew the invitation of {change.subject}"
    )


def _of_key(change: AccountChange) -> str:
    if not change.before:
        return f"created the key {change.subject}, for {', '.join(change.after['scopes'])}"
    if change.before["replaced_by"] != change.after["replaced_by"]:
        return f"put the key {change.after['replaced_by']}… in the place of {change.subject}"
    return f"revoked the key {change.subject}"


def _role(facts: Mapping[str, Any]) -> str:
    name = Role(facts["role"]).label.lower()
    return f"{'an' if name == 'owner' else 'a'} {name}"
