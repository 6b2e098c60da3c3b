"""What happens to subscriptions by the clock: terms, pauses and overrides end, what is used up pauses.

Each sweep finds what is due, claims one row after the other (passing over those another worker has) and does
one thing to it in a transaction of its own. What fell due while nobody swept is caught up with, one term
after the other, dated to when it was due.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from subscriptions import entitlements, history, lifecycle, plans
from subscriptions.actors import SYSTEM
from subscriptions.core.states import ENDED, Move, State
from subscriptions.core.terms import BillingCycle, term_from
from subscriptions.lifecycle import fee_of
from subscriptions.models import ChangeKind, LimitOverride, OveragePolicy, PlanVersion, UserSubscription
from usage import periods
from usage.core.money import ZERO
from usage.models import BillingPeriod, LimitMode, LimitScope, LimitSource, Measure, UsageLimit, Window

# A subscription that nobody swept for ten years is caught up with in one go.
MAX_TERMS_AT_ONCE = 120


def renew_due(*, at: datetime, limit: int) -> int:
    """End the terms, trials included, that are over at `at`, of up to `limit` subscriptions; returns how many
    ended. Safe to run twice and in parallel.
    """
    due = UserSubscription.objects.filter(_due(at)).order_by("term_end").values_list("pk", flat=True)
    ended = 0
    for subscription_id in list(due[:limit]):
        for _ in range(MAX_TERMS_AT_ONCE):
            if not _claim(subscription_id, _due(at), _end_term, at=at):
                break
            ended += 1
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


def _end_term(subscription: UserSubscription, was: history.Before, at: datetime) -> None:
    """What is to happen when the term is over: a cancellation, the end of a trial, or the next term."""
    over = subscription.term_end
    tried = State.TRIALING in (subscription.state, subscription.paused_from)
    if subscription.cancel_at_term_end:
        lifecycle.end(
            subscription, was, state=State.CANCELED, at=over, by=SYSTEM, recorded_at=at,
            reason="As scheduled.",
        )  # fmt: skip
    elif tried and not subscription.plan_version.trial_converts:
        lifecycle.end(
            subscription, was, state=State.EXPIRED, at=over, by=SYSTEM, recorded_at=at,
            reason="The trial is over.",
        )  # fmt: skip
    else:
        _begin_term(subscription, was, ends_trial=tried, at=at)


def _begin_term(
    subscription: UserSubscription, was: history.Before, *, ends_trial: bool, at: datetime
) -> None:
    """The next term, of what is sold or scheduled when it begins."""
    begins = subscription.term_end
    history.require(Move.END_TRIAL if ends_trial else Move.RENEW, subscription)
    if ends_trial and subscription.state == State.TRIALING:
        subscription.state = State.ACTIVE
    elif ends_trial:
        subscription.paused_from = State.ACTIVE
    cycle = BillingCycle(subscription.pending_cycle or subscription.billing_cycle)
    subscription.plan_version = _version_for(subscription, begins=begins)
    subscription.billing_cycle = cycle
    term = term_from(begins, anchor=subscription.anchor, cycle=cycle)
    subscription.term_start, subscription.term_end = term
    # A pause by hand: nothing is charged until it ends. One that we made ends by itself, with the period.
    subscription.fee_waived = subscription.state == State.PAUSED and not subscription.paused_automatically
    fee = ZERO if subscription.fee_waived else fee_of(subscription.plan_version, cycle)
    subscription.term_fee = fee
    subscription.renewal_count += 1
    lifecycle.forget_schedule(subscription)
    history.write(
        subscription, was, kind=ChangeKind.RENEWED, at=begins, by=SYSTEM, recorded_at=at, amount_due=fee,
        details={"trial_ended": True} if ends_trial else {},
    )  # fmt: skip
    entitlements.apply(subscription.account, at=at)


def _version_for(subscription: UserSubscription, *, begins: datetime) -> PlanVersion:
    """What the term that begins at `begins` is sold."""
    published_at = subscription.plan_version.published_at
    if subscription.pending_plan is None and published_at is not None and published_at > begins:
        # Given since the term was over, by a rollout before this late renewal: it is not taken back.
        return subscription.plan_version
    return plans.version_at(subscription.pending_plan or subscription.plan, at=begins)


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
