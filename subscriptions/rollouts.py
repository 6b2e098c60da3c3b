"""Giving a version to everybody who is subscribed, without waiting for their terms to end."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from subscriptions import changes, history
from subscriptions.actors import of_user
from subscriptions.core.states import ENDED
from subscriptions.models import PlanVersion, UserSubscription, VersionRollout
from usage.core.errors import Conflict, InvalidRequest


def affected(version: PlanVersion) -> QuerySet[UserSubscription]:
    """The subscriptions of the version's plan that have not ended and are sold an earlier version of it."""
    running = UserSubscription.objects.exclude(state__in=[state.value for state in ENDED])
    return running.filter(plan_version__plan=version.plan_id, plan_version__number__lt=version.number)


def request(version: PlanVersion, *, by: User, at: datetime, reason: str = "") -> VersionRollout:
    """Ask for the version to be given to all it affects; `advance` does it.

    Raises InvalidRequest for a draft or when nobody is affected, Conflict while another version of the plan
    is on its way.
    """
    if version.published_at is None:
        raise InvalidRequest(f"{version} is a draft: publish it first.")
    wanted = affected(version).count()
    if not wanted:
        raise InvalidRequest(f"Every subscriber of {version.plan.name} has {version} already.")
    try:
        with transaction.atomic():
            return VersionRollout.objects.create(
                plan=version.plan,
                version=version,
                requested_at=at,
                requested_by=by,
                reason=reason,
                wanted=wanted,
            )
    except IntegrityError as running:
        raise Conflict(f"A version of {version.plan.name} is on its way to subscribers already.") from running


def advance(*, at: datetime, limit: int) -> int:
    """Give up to `limit` subscribers the version on its way to them, each in a transaction of their own;
    returns how many got it. Safe to run twice and in parallel, and after a crash.
    """
    given = 0
    running = VersionRollout.objects.select_related("version__plan", "requested_by")
    for rollout in running.filter(finished_at__isnull=True).order_by("id"):
        waiting = list(affected(rollout.version).order_by("pk")[: limit - given])
        for subscription in waiting:
            given += _give(rollout, subscription, at=at)
        if not affected(rollout.version).exists():
            VersionRollout.objects.filter(pk=rollout.pk, finished_at__isnull=True).update(finished_at=at)
        if given >= limit:
            break
    return given


def _give(rollout: VersionRollout, subscription: UserSubscription, *, at: datetime) -> bool:
    with transaction.atomic():
        found, _ = history.locked(subscription)
        if found.plan.pk != rollout.plan_id:
            # Gone to another plan since the rollout was looking: it is nobody of this one's any more.
            return False
        got_it = changes.apply_version(
            subscription,
            rollout.version,
            at=at,
            by=of_user(rollout.requested_by),
            reason=rollout.reason,
        )
        if got_it:
            VersionRollout.objects.filter(pk=rollout.pk).update(applied=F("applied") + 1)
    return got_it
