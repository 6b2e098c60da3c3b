"""Asking people into an account by email, whether or not they are known here.

Whoever reads the mail follows its link and joins, with the login they have or a new one. Nothing here looks
an address up among the users, so that nobody learns who is one. A link holds for its invitation's address
alone and until it expires; a new one of the same address does not revive it.

Locks as in `usage.members`: the account's row, then its members and invitations.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.core.validators import validate_email
from django.db import transaction

from usage import account_changes, members
from usage.actors import Actor, of_user
from usage.core.errors import Conflict, InvalidRequest, NotFound
from usage.models import Account, AccountChange, ChangeOf, Invitation, Member, Role

VALID_FOR = timedelta(days=7)
# An address gets at most one mail of an account within APART, and an account sends at most MOST_A_DAY:
# nobody's mailbox is to be filled by somebody else.
APART = timedelta(minutes=10)
DAY = timedelta(days=1)
MOST_A_DAY = 20
MOST_OPEN = 50
LONGEST_EMAIL = 254
TOKEN = re.compile(r"([0-9]{1,18}):[A-Za-z0-9_-]{1,100}")


def of_account(account: Account) -> Sequence[Invitation]:
    """Those that were neither accepted nor withdrawn, expired ones as well, newest first."""
    return list(Invitation.objects.filter(account=account).order_by("-id"))


def invite(
    account: Account, *, email: str, role: str, at: datetime, by: Actor, by_staff: bool = False
) -> Invitation:
    """Write an invitation down, whose mail the caller then sends.

    Raises InvalidRequest, with the `field` in its details, for what is no address or role; Conflict where the
    address is invited or a member's already, where the last mail to it has just left, and beyond MOST_A_DAY
    and MOST_OPEN; AccessDenied where `by` does not own the account and is no staff.
    """
    email, wanted = _email(email.strip()), members.role_of(role)
    with transaction.atomic():
        members.lock(account)
        members.require_owner(account, by, by_staff=by_staff)
        if Member.objects.filter(account=account, user__email__iexact=email).exists():
            raise Conflict("Somebody with this address is a member already.", code="member_already")
        invited = Invitation.objects.filter(account=account)
        if invited.filter(email__iexact=email).exists():
            raise Conflict("This address is invited already: send the mail again.", code="invited_already")
        if invited.count() >= MOST_OPEN:
            raise Conflict(f"{MOST_OPEN} invitations are open: withdraw one first.", code="invitations_full")
        _require_pace(account, email, at=at)
        invitation = Invitation.objects.create(
            account=account,
            email=email,
            role=wanted,
            invited_by=by.name,
            created_at=at,
            expires_at=at + VALID_FOR,
        )
        _note(invitation, before={}, after=_facts(invitation), at=at, by=by)
    return invitation


def renew(
    account: Account, invitation_id: int, *, at: datetime, by: Actor, by_staff: bool = False
) -> Invitation:
    """Let the invitation hold VALID_FOR from `at` on, for the caller to send its mail again. Raises as
    `invite`, and NotFound for one of others.
    """
    with transaction.atomic():
        members.lock(account)
        members.require_owner(account, by, by_staff=by_staff)
        invitation = _invitation(account, invitation_id)
        if not invitation.error:
            # What could not be sent has filled nobody's mailbox.
            _require_pace(account, invitation.email, at=at)
        before = _facts(invitation)
        invitation.expires_at = at + VALID_FOR
        invitation.save(update_fields=["expires_at"])
        _note(invitation, before=before, after=_facts(invitation), at=at, by=by)
    return invitation


def withdraw(
    account: Account, invitation_id: int, *, at: datetime, by: Actor, by_staff: bool = False
) -> Invitation:
    """End the invitation: its link leads nowhere any more. Raises as `renew`."""
    with transaction.atomic():
        members.lock(account)
        members.require_owner(account, by, by_staff=by_staff)
        invitation = _invitation(account, invitation_id)
        _note(invitation, before=_facts(invitation), after={}, at=at, by=by)
        Invitation.objects.filter(pk=invitation.pk).delete()
    return invitation


def sent(invitation: Invitation, *, at: datetime, error: str = "") -> None:
    """Keep that the invitation's mail left at `at`, or why it did not."""
    invitation.error = error[:500]
    invitation.sent_at = invitation.sent_at if error else at
    Invitation.objects.filter(pk=invitation.pk).update(error=invitation.error, sent_at=invitation.sent_at)


def token_for(invitation: Invitation) -> str:
    """Lets whoever reads the mail to the invited address join."""
    return _signer(invitation).sign(str(invitation.pk))


def read(token: str, *, at: datetime) -> Invitation:
    """The invitation that a token is for, with its account. Raises NotFound (`invitation_over`) for a token
    that nobody has made, and once it was accepted or withdrawn, or has expired.
    """
    claimed = TOKEN.fullmatch(token)
    known = Invitation.objects.select_related("account")
    found = known.filter(pk=int(claimed[1])).first() if claimed else None
    if found is not None and at < found.expires_at and _is_signed(token, found):
        return found
    raise NotFound("This invitation is not valid any more: ask for a new one.", code="invitation_over")


def accept(token: str, user: User, *, at: datetime) -> Member:
    """Make `user` a member with the role that the token's invitation names, which is over with it.

    Raises NotFound as `read`, and Conflict as `members.join`.
    """
    with transaction.atomic():
        account = read(token, at=at).account
        members.lock(account)
        # Once more: it may have been accepted or withdrawn while we waited.
        invitation = read(token, at=at)
        by = of_user(user)
        member = members.join(account, user, Role(invitation.role), at=at, by=by)
        _note(invitation, before=_facts(invitation), after={"accepted_by": by.name}, at=at, by=by)
        Invitation.objects.filter(pk=invitation.pk).delete()
    return member


def _email(email: str) -> str:
    try:
        validate_email(email)
    except ValidationError as wrong:
        raise _wrong("email", "Give an email address.") from wrong
    if len(email) > LONGEST_EMAIL:
        raise _wrong("email", f"Give at most {LONGEST_EMAIL} characters.")
    return email


def _invitation(account: Account, invitation_id: int) -> Invitation:
    found = Invitation.objects.filter(account=account, pk=invitation_id).first()
    if found is None:
        raise NotFound("There is no such invitation.", code="invitation_unknown")
    return found


def _require_pace(account: Account, email: str, *, at: datetime) -> None:
    """Raise Conflict where another mail would be too many, by the account's history."""
    asked = AccountChange.objects.filter(
        account=account, about=ChangeOf.INVITATION, at__gt=at - DAY, after__has_key="expires_at"
    ).order_by("at")
    last = asked.filter(subject__iexact=email, at__gt=at - APART).last()
    if last is not None:
        raise _too_soon("A mail has just gone to this address", last.at + APART, at=at)
    if asked.count() >= MOST_A_DAY:
        first = asked.first()
        again_at = at + DAY if first is None else first.at + DAY
        raise _too_soon(f"{MOST_A_DAY} invitations were sent within a day", again_at, at=at)


def _too_soon(what: str, again_at: datetime, *, at: datetime) -> Conflict:
    return Conflict(
        f"{what}: wait until {again_at:%H:%M} UTC of {again_at.day} {again_at:%B}.",
        code="invitation_too_soon",
        details={"retry_after": ceil((again_at - at).total_seconds())},
    )


def _facts(invitation: Invitation) -> dict[str, object]:
    return {"role": invitation.role, "expires_at": invitation.expires_at.isoformat()}


def _note(
    invitation: Invitation,
    *,
    before: dict[str, object],
    after: dict[str, object],
    at: datetime,
    by: Actor,
) -> None:
    account_changes.note(
        invitation.account, ChangeOf.INVITATION, invitation.email, before=before, after=after, at=at, by=by
    )


def _is_signed(token: str, invitation: Invitation) -> bool:
    try:
        _signer(invitation).unsign(token)
    except BadSignature:
        return False
    return True


def _signer(invitation: Invitation) -> Signer:
    return Signer(salt=f"usage.invitations:{invitation.email.lower()}")


def _wrong(field: str, told: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {told}", details={"field": field})
