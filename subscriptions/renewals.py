"""What happens to subscriptions by the clock: terms, pauses and overrides end, what is used up pauses.

Each sweep finds what is due, claims one row after the other (passing over those another worker has) and does
one thing to it in a transaction of its own. What fell due while nobody swept is caught up with, one term
after the other, dated to when it was due.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from subscriptions import entitlements, history, lifecycle, term_ends
from subscriptions.actors import SYSTEM
from subscriptions.core.states import ENDED, State
from subscriptions.models import LimitOverride, OveragePolicy, UserSubscription
from usage import periods
from usage.models import BillingPeriod, LimitMode, LimitScope, LimitSource, Measure, UsageLimit, Window


def renew_due(*, at: datetime, limit: int) -> int:
    """End the terms, trials included, that are over at `at`, of up to `limit` subscriptions; returns how many
    ended. Safe to run twice and in parallel. One that cannot be renewed does not hold up the others: what
    went wrong with it is raised when they are done.
    """
    due = UserSubscription.objects.filter(_due(at)).order_by("term_end").values_list("pk", flat=True)
    ended, failures = 0, []
    for subscription_id in list(due[:limit]):
        try:
            for _ in range(term_ends.MAX_TERMS_AT_ONCE):
                if not _claim(subscription_id, _due(at), term_ends.end_term, at=at):
                    break
                ended += 1
        except (OperationalError, InterfaceError):
            # Not about this one: the database is away.
            raise
        except Exception as failure:
            failure.add_note(f"subscription {subscription_id}")
            failures.append(failure)
    if failures:
        raise ExceptionGroup(
            f"{len(failures)} subscriptions could not be renewed, {ended} terms ended", failures
        )
    return ended


def resume_due(*, at: datetime, limit: int) -> int:
    """Resume up to `limit` subscriptions whose pause is over at `at`; returns how many."""
    over = Q(state=State.PAUSED, resumes_at__lte=at)
    due = UserSubscription.objects.filter(over).order_by("resumes_at").values_list("pk", flat=True)
    return sum(_claim(subscription_id, over, _resume, at=at) for subscription_id in list(due[:limit]))


def pause_exhausted(*, at: datetime, limit: int) -> int:
    """Pause, until their billing period ends, up to `limit` subscriptions whose included usage is used up at
    `at` and whose plan pauses then; returns how many.
    """
    pauses = Q(
        state__in=[State.TRIALING, State.ACTIVE, State.PAST_DUE],
        plan_version__overage_policy=OveragePolicy.PAUSE,
        account__in=_exhausted(at=at),
    )
    due = UserSubscription.objects.filter(pauses)
    ids = list(due.order_by("pk").values_list("pk", flat=True)[:limit])
    return sum(_claim(subscription_id, pauses, _pause, at=at) for subscription_id in ids)


def expire_overrides(*, at: datetime, limit: int) -> int:
    """End up to `limit` overrides that are over at `at`, the plan's limits returning; returns how many."""
    over = Q(ended_at__isnull=True, ends_at__lte=at)
    ended = 0
    for override_id in list(
        LimitOverride.objects.filter(over).order_by("ends_at").values_list("pk", flat=True)[:limit]
    ):
        with transaction.atomic():
            claimed = (
                LimitOverride.objects.select_for_update(skip_locked=True, of=("self",))
                .select_related("account")
                .filter(over, pk=override_id)
                .first()
            )
            if claimed is None:
                continue
            claimed.ended_at, claimed.ended_by = claimed.ends_at, SYSTEM.name
            claimed.save(update_fields=["ended_at", "ended_by"])
            entitlements.apply(claimed.account, at=at)
            ended += 1
    return ended


def _due(at: datetime) -> Q:
    return ~Q(state__in=[state.value for state in ENDED]) & Q(term_end__lte=at)


def _claim(
    subscription_id: int,
    still: Q,
    act: Callable[[UserSubscription, history.Before, datetime], None],
    *,
    at: datetime,
) -> bool:
    """Do `act` to the subscription if it is `still` due and no other worker has it; whether it was done."""
    with transaction.atomic():
        claimed = (
            history.with_relations()
            .select_for_update(skip_locked=True, of=("self",))
            .filter(still, pk=subscription_id)
            .first()
        )
        if claimed is None:
            return False
        act(claimed, history.before(claimed), at)
    return True


def _resume(subscription: UserSubscription, was: history.Before, at: datetime) -> None:
    lifecycle.resume(subscription, at=at, by=SYSTEM, reason="The pause is over.")


def _pause(subscription: UserSubscription, was: history.Before, at: datetime) -> None:
    period = periods.open_period(subscription.account, at=at)
    lifecycle.pause(
        subscription,
        at=at,
        by=SYSTEM,
        reason="The included usage is used up.",
        resumes_at=period.period_end,
        automatic=True,
    )


def _exhausted(*, at: datetime) -> "QuerySet[UsageLimit, int]":
    """The accounts whose included usage, by plan or override, has nothing left in the period open at `at`."""
    counted = BillingPeriod.objects.filter(
        account=OuterRef("account"), period_start=OuterRef("window_start"), period_end__gt=at
    )
    full = UsageLimit.objects.filter(
        Exists(counted),
        source__in=[LimitSource.PLAN, LimitSource.OVERRIDE],
        measure=Measure.COST,
        scope=LimitScope.EVERYTHING,
        window=Window.PERIOD,
        mode=LimitMode.BLOCK,
        used__gte=F("amount"),
    )
    return full.values_list("account_id", flat=True)
