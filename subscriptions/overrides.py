"""Limits that staff set for one customer: with a reason, in place of the plan's, until they end."""

import dataclasses
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from subscriptions import entitlements
from subscriptions.actors import Actor
from subscriptions.models import LimitOverride
from usage import limits
from usage.core.errors import Conflict, InvalidRequest
from usage.limits import LimitTerms
from usage.models import Account


def add(
    account: Account,
    terms: LimitTerms,
    *,
    reason: str,
    by: Actor,
    at: datetime,
    ends_at: datetime | None = None,
) -> LimitOverride:
    """Give `account` this limit from `at` on, in place of the plan's that counts the same, until `ends_at`.

    Raises InvalidRequest naming what is wrong, Conflict when an override in force counts the same.
    """
    if not reason.strip():
        raise InvalidRequest("reason: say why this customer gets it.")
    if ends_at is not None and ends_at <= at:
        raise InvalidRequest("ends_at: choose a moment in the future, or none.")
    limits.check([terms])
    override = LimitOverride(
        account=account,
        name=terms.name,
        measure=terms.measure,
        scope=terms.scope,
        scope_value=terms.scope_value,
        window=terms.window,
        mode=terms.mode,
        amount=terms.amount,
        reason=reason.strip(),
        ends_at=ends_at,
        created_at=at,
        created_by=by.user,
    )
    try:
        with transaction.atomic():
            override.save(force_insert=True)
            entitlements.apply(account, at=at)
    except IntegrityError as known:
        raise Conflict(
            f"An override of {account} counts the same: end that one first.", code="override_exists"
        ) from known
    return override


def replace(
    override: LimitOverride,
    *,
    amount: Decimal | None,
    ends_at: datetime | None,
    reason: str,
    by: Actor,
    at: datetime,
) -> LimitOverride:
    """End the override and add one like it with this amount and end, at once: what is used and held stays.

    Raises Conflict when it has ended, InvalidRequest as `add` does.
    """
    terms = dataclasses.replace(entitlements.terms_of(override), amount=amount)
    with transaction.atomic():
        _end(override, by=by, at=at)
        return add(override.account, terms, reason=reason, by=by, at=at, ends_at=ends_at)


def end(override: LimitOverride, *, by: Actor, at: datetime) -> None:
    """Take the override away, the plan's limit returning; raises Conflict when it has ended."""
    with transaction.atomic():
        _end(override, by=by, at=at)
        entitlements.apply(override.account, at=at)
    override.refresh_from_db()


def _end(override: LimitOverride, *, by: Actor, at: datetime) -> None:
    running = LimitOverride.objects.filter(pk=override.pk, ended_at__isnull=True)
    if not running.update(ended_at=at, ended_by=by.name):
        raise Conflict(f"{override} has ended already.", code="override_ended")
