"""Sign-up: an account, its owner and its first subscription, made together or not at all."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from subscriptions import lifecycle, plans
from subscriptions.actors import Actor
from subscriptions.core.terms import BillingCycle
from usage.core.errors import Conflict, InvalidRequest
from usage.models import Account, Member, Role

MAX_ID_LENGTH = 128


def sign_up(*, external_id: str, name: str, at: datetime, by: Actor, owner: User | None = None) -> Account:
    """Make an account on the default plan, with `owner` as its first member.

    Without a default plan it has no subscription, and no limits. Raises Conflict when the id is taken,
    InvalidRequest for an empty or overlong one.
    """
    if not 0 < len(external_id) <= MAX_ID_LENGTH or "\x00" in external_id:
        raise InvalidRequest(f"The account's id must have between 1 and {MAX_ID_LENGTH} characters.")
    try:
        with transaction.atomic():
            account = Account.objects.create(external_id=external_id, name=name, created_at=at)
            if owner is not None:
                Member.objects.create(account=account, user=owner, role=Role.OWNER, created_at=at)
            begin_on_default(account, at=at, by=by)
    except IntegrityError as taken:
        raise Conflict(f"There is an account {external_id!r} already.", code="account_exists") from taken
    return account


def begin_on_default(account: Account, *, at: datetime, by: Actor) -> None:
    """Subscribe a new account to the default plan, where there is one."""
    plan = plans.default_plan()
    if plan is not None:
        lifecycle.start(account, plan=plan, cycle=BillingCycle.MONTHLY, at=at, by=by, reason="Sign-up.")
