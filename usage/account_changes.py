"""The history of an account's members, invitations and keys: who did what, when, before and after.

Written by the operations, in the transaction of what they do.
"""

from collections.abc import Mapping
from datetime import datetime

from usage.actors import Actor
from usage.models import Account, AccountChange, ChangeOf


def note(
    account: Account,
    about: ChangeOf,
    subject: str,
    *,
    before: Mapping[str, object],
    after: Mapping[str, object],
    at: datetime,
    by: Actor,
) -> None:
    """Keep that `subject` was `before` and is `after`: JSON-ready facts, none at all before it was there or
    after it is gone. Nothing is kept where they are the same.
    """
    if before == after:
        return
    AccountChange.objects.create(
        account=account,
        at=at,
        actor=by.name,
        actor_user=by.user,
        about=about,
        subject=subject,
        before=dict(before),
        after=dict(after),
    )


def newest(account: Account, *, about: tuple[ChangeOf, ...], at_most: int) -> list[AccountChange]:
    """The last changes about any of these, newest first."""
    found = AccountChange.objects.filter(account=account, about__in=about).select_related("actor_user")
    return list(found.order_by("-id")[:at_most])
