"""The people of an account: how they join, get another role, and leave.

An account never loses its last owner here. Whoever changes its people locks the account's row first, then
touches members and invitations; so of two owners who remove each other one does, and what the other may do is
judged by what is left. Every change is kept (`usage.account_changes`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from usage import account_changes
from usage.actors import Actor, of_user
from usage.core.errors import AccessDenied, Conflict, InvalidRequest, NotFound
from usage.models import Account, ChangeOf, Member, Role

MOST_MEMBERS = 200


def of_account(account: Account) -> list[Member]:
    """All members with their users, in the order in which they joined."""
    return list(Member.objects.filter(account=account).select_related("user").order_by("created_at", "id"))


def change_role(
    account: Account, member_id: int, role: str, *, at: datetime, by: Actor, by_staff: bool = False
) -> Member:
    """Let the member have another role; the member as it then is.

    Raises InvalidRequest for no role, NotFound for a member of others, Conflict (`last_owner`) where nobody
    would own the account, and AccessDenied where `by` does not own it (any more) and is no staff.
    """
    wanted = role_of(role)
    with transaction.atomic():
        lock(account)
        require_owner(account, by, by_staff=by_staff)
        member = _member(account, member_id)
        was = Role(member.role)
        if was is Role.OWNER and wanted is not Role.OWNER:
            _keep_an_owner(account, but=member)
        if was is not wanted:
            member.role = wanted
            member.save(update_fields=["role"])
            _note(account, member.user, before=was, after=wanted, at=at, by=by)
    return member


def remove(account: Account, member_id: int, *, at: datetime, by: Actor, by_staff: bool = False) -> Member:
    """Take the member out of the account, from the next request on; who it was. Raises as `change_role`."""
    with transaction.atomic():
        lock(account)
        require_owner(account, by, by_staff=by_staff)
        member = _member(account, member_id)
        _take_out(member, at=at, by=by)
    return member


def leave(account: Account, user: User, *, at: datetime) -> None:
    """Let a member go. Raises NotFound for who is none, and Conflict (`last_owner`) for the last owner."""
    with transaction.atomic():
        lock(account)
        member = Member.objects.select_related("user").filter(account=account, user=user).first()
        if member is None:
            raise NotFound("You are not a member of this account.", code="member_unknown")
        _take_out(member, at=at, by=of_user(user))


def join(account: Account, user: User, role: Role, *, at: datetime, by: Actor) -> Member:
    """Make `user` a member; part of a transaction that has locked the account.

    Raises Conflict where the user is one already, and where there are MOST_MEMBERS.
    """
    known = Member.objects.filter(account=account)
    if known.filter(user=user).exists():
        raise Conflict("You are a member of this account already.", code="member_already")
    if known.count() >= MOST_MEMBERS:
        raise Conflict(f"The account has {MOST_MEMBERS} members, the most there can be.", code="members_full")
    member = Member.objects.create(account=account, user=user, role=role, created_at=at)
    _note(account, user, before=None, after=role, at=at, by=by)
    return member


@contextmanager
def kept(*accounts: Account, at: datetime, by: Actor) -> Iterator[None]:
    """Keep whatever the block changes of who is in the accounts, for those who write the rows themselves, as
    the forms of the admin do. It may also take the last owner away.
    """
    with transaction.atomic():
        in_order = sorted(set(accounts), key=lambda account: account.pk)
        for account in in_order:
            lock(account)
        were = [_roles(account) for account in in_order]
        yield
        for account, before in zip(in_order, were, strict=True):
            after = _roles(account)
            for user in sorted(before.keys() | after.keys(), key=User.get_username):
                _note(account, user, before=before.get(user), after=after.get(user), at=at, by=by)


def lock(account: Account) -> None:
    """Have changes of the account's people and keys wait for each other, until the transaction ends."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)


def require_owner(account: Account, by: Actor, *, by_staff: bool) -> None:
    """Return where `by` may change the people of the account, which is locked. Raises AccessDenied."""
    if by_staff:
        return
    owners = Member.objects.filter(account=account, role=Role.OWNER)
    if by.user is None or not owners.filter(user=by.user).exists():
        raise AccessDenied("Only an owner of this account may change who is in it.")


def role_of(role: str) -> Role:
    """The role of that name. Raises InvalidRequest."""
    if role not in Role.values:
        raise InvalidRequest(f"role: Give one of {', '.join(Role.values)}.", details={"field": "role"})
    return Role(role)


def _member(account: Account, member_id: int) -> Member:
    found = Member.objects.select_related("user").filter(account=account, pk=member_id).first()
    if found is None:
        raise NotFound("There is no such member.", code="member_unknown")
    return found


def _take_out(member: Member, *, at: datetime, by: Actor) -> None:
    if member.role == Role.OWNER:
        _keep_an_owner(member.account, but=member)
    _note(member.account, member.user, before=member.role, after=None, at=at, by=by)
    Member.objects.filter(pk=member.pk).delete()


def _keep_an_owner(account: Account, *, but: Member) -> None:
    if not Member.objects.filter(account=account, role=Role.OWNER).exclude(pk=but.pk).exists():
        raise Conflict("The account needs an owner: make somebody else one first.", code="last_owner")


def _roles(account: Account) -> dict[User, str]:
    return {member.user: member.role for member in of_account(account)}


def _note(
    account: Account, user: User, *, before: str | None, after: str | None, at: datetime, by: Actor
) -> None:
    """Keep which role the user had before and has after; None is none."""
    account_changes.note(
        account,
        ChangeOf.MEMBER,
        user.get_username(),
        before={} if before is None else {"role": before},
        after={} if after is None else {"role": after},
        at=at,
        by=by,
    )
