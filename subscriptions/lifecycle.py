"""A subscription's life: start, pause, resume, cancel, expire, reactivate, and what payments say.

Every operation is one transaction: it locks the subscription, asks the table of states, writes the change
with actor, reason and time, and lets the account's entitlements follow. Locks are taken in the order
subscription, account.
"""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from subscriptions import entitlements, history, plans, term_ends
from subscriptions.actors import Actor
from subscriptions.core.proration import Fee, rest_of
from subscriptions.core.states import Move, State
from subscriptions.core.terms import BillingCycle, Term, term_from
from subscriptions.models import ChangeKind, SubscriptionPlan, UserSubscription
from usage import periods
from usage.core.errors import Conflict, InvalidRequest
from usage.core.money import ZERO
from usage.models import Account

MAX_TRIAL_DAYS = 730


def start(
    account: Account,
    *,
    plan: SubscriptionPlan,
    cycle: BillingCycle,
    at: datetime,
    by: Actor,
    trial: bool = True,
    reason: str = "",
) -> UserSubscription:
    """Subscribe an account that has had no subscription; with a trial where the plan has one.

    Terms and billing periods are counted from `at`, or from the trial's end. Raises Conflict when the account
    has a subscription, SubscriptionException when no version of the plan is published.
    """
    version = plans.version_at(plan, at=at)
    trial_ends_at = at + timedelta(days=version.trial_days) if trial and version.trial_days else None
    anchor = trial_ends_at or at
    term = Term(at, trial_ends_at) if trial_ends_at else term_from(at, anchor=at, cycle=cycle)
    fee = ZERO if trial_ends_at else term_ends.fee_of(version, cycle)
    subscription = UserSubscription(
        account=account,
        plan_version=version,
        billing_cycle=cycle,
        state=State.TRIALING if trial_ends_at else State.ACTIVE,
        anchor=anchor,
        term_start=term.start,
        term_end=term.end,
        term_fee=fee,
        trial_ends_at=trial_ends_at,
        started_at=at,
    )
    try:
        with transaction.atomic():
            history.write(
                subscription, None, kind=ChangeKind.STARTED, at=at, by=by, reason=reason, amount_due=fee
            )
            periods.begin(account, anchor=anchor, at=at)
            entitlements.apply(account, at=at)
    except IntegrityError as known:
        if not UserSubscription.objects.filter(account=account).exists():
            raise
        raise Conflict(
            "The account has a subscription: change that one.", code="subscription_exists"
        ) from known
    return subscription


def reactivate(
    subscription: UserSubscription,
    *,
    plan: SubscriptionPlan,
    cycle: BillingCycle,
    at: datetime,
    by: Actor,
    reason: str = "",
) -> UserSubscription:
    """Begin anew, without a trial, what was canceled or has expired. Terms are counted from `at`.

    Raises Conflict in any other state, SubscriptionException when no version of the plan is published.
    """
    with transaction.atomic():
        subscription, was = term_ends.locked(subscription, at=at)
        history.require(Move.REACTIVATE, subscription)
        version = plans.version_at(plan, at=at)
        term = term_from(at, anchor=at, cycle=cycle)
        subscription.plan_version, subscription.billing_cycle = version, cycle
        subscription.state = State.ACTIVE
        subscription.anchor = at
        subscription.term_start, subscription.term_end = term
        subscription.term_fee = term_ends.fee_of(version, cycle)
        subscription.trial_ends_at = subscription.ended_at = None
        term_ends.forget_schedule(subscription)
        periods.begin(subscription.account, anchor=at, at=at)
        history.write(
            subscription,
            was,
            kind=ChangeKind.REACTIVATED,
            at=at,
            by=by,
            reason=reason,
            amount_due=subscription.term_fee,
        )
        entitlements.apply(subscription.account, at=at)
    return subscription


def extend_trial(
    subscription: UserSubscription, *, ends_at: datetime, at: datetime, by: Actor, reason: str = ""
) -> UserSubscription:
    """Let the trial end later. Raises Conflict without a trial, InvalidRequest for an end that is not later
    than the present one or more than two years away.
    """
    with transaction.atomic():
        subscription, was = term_ends.locked(subscription, at=at)
        history.require(Move.EXTEND_TRIAL, subscription)
        if not subscription.term_end < ends_at <= at + timedelta(days=MAX_TRIAL_DAYS) or ends_at <= at:
            raise InvalidRequest(
                f"ends_at: choose a moment after {subscription.term_end:%Y-%m-%d %H:%M} UTC and within "
                f"{MAX_TRIAL_DAYS} days."
            )
        subscription.trial_ends_at = subscription.term_end = subscription.anchor = ends_at
        periods.move_anchor(subscription.account, anchor=ends_at, at=at)
        history.write(subscription, was, kind=ChangeKind.TRIAL_EXTENDED, at=at, by=by, reason=reason)
    return subscription


def pause(
    subscription: UserSubscription,
    *,
    at: datetime,
    by: Actor,
    reason: str = "",
    resumes_at: datetime | None = None,
    automatic: bool = False,
    cause: str = "",
) -> UserSubscription:
    """Refuse calls until it is resumed, by hand or by itself at `resumes_at`. `cause` is for programs.

    A term that begins during a pause by hand is not charged; its rest is on resuming. Raises Conflict where
    it cannot be paused, InvalidRequest for a `resumes_at` that has passed.
    """
    with transaction.atomic():
        subscription, was = term_ends.locked(subscription, at=at)
        history.require(Move.PAUSE, subscription)
        if resumes_at is not None and resumes_at <= at:
            raise InvalidRequest("resumes_at: choose a moment in the future, or none.")
        subscription.paused_from, subscription.state = subscription.state, State.PAUSED
        subscription.paused_automatically = automatic
        subscription.resumes_at = resumes_at
        details = {"cause": cause} if cause else {}
        history.write(subscription, was, kind=ChangeKind.PAUSED, at=at, by=by, reason=reason, details=details)
        entitlements.apply(subscription.account, at=at)
    return subscription


def resume(subscription: UserSubscription, *, at: datetime, by: Actor, reason: str = "") -> UserSubscription:
    """Go on where the pause began; the rest of a term that began during it is charged.

    Raises Conflict when it is not paused.
    """
    with transaction.atomic():
        subscription, was = term_ends.locked(subscription, at=at)
        history.require(Move.RESUME, subscription)
        due = ZERO
        if subscription.fee_waived:
            subscription.term_fee = term_ends.fee_of(subscription.plan_version, subscription.cycle)
            due = rest_of(Fee(subscription.term_fee, subscription.term), at=at)
        subscription.state = subscription.paused_from
        term_ends.leave_pause(subscription)
        history.write(subscription, was, kind=ChangeKind.RESUMED, at=at, by=by, reason=reason, amount_due=due)
        entitlements.apply(subscription.account, at=at)
    return subscription


def cancel(
    subscription: UserSubscription, *, at: datetime, by: Actor, reason: str = "", at_term_end: bool = True
) -> UserSubscription:
    """End it: with the term, for which it stays usable, or at once. Raises Conflict when it has ended."""
    with transaction.atomic():
        subscription, was = term_ends.locked(subscription, at=at)
        history.require(Move.CANCEL, subscription)
        if not at_term_end:
            return term_ends.end(subscription, was, state=State.CANCELED, at=at, by=by, reason=reason)
        if subscription.cancel_at_term_end:
            return subscription
        term_ends.forget_schedule(subscription)
        subscription.cancel_at_term_end = True
        details = {"takes_effect_at": subscription.term_end.isoformat()}
        history.write(
            subscription,
            was,
            kind=ChangeKind.CANCEL_SCHEDULED,
            at=at,
            by=by,
            reason=reason,
            details=details,
        )
    return subscription


def expire(subscription: UserSubscription, *, at: datetime, by: Actor, reason: str = "") -> UserSubscription:
    """End it because nobody paid for it any more. Raises Conflict where that cannot be."""
    with transaction.atomic():
        subscription, was = term_ends.locked(subscription, at=at)
        history.require(Move.EXPIRE, subscription)
        return term_ends.end(subscription, was, state=State.EXPIRED, at=at, by=by, reason=reason)


def payment_failed(
    subscription: UserSubscription, *, at: datetime, by: Actor, reason: str = ""
) -> UserSubscription:
    """An active subscription is past due: it stays usable until somebody pauses or ends it."""
    return _on_payment(
        subscription,
        Move.PAYMENT_FAILED,
        State.PAST_DUE,
        ChangeKind.PAYMENT_FAILED,
        at=at,
        by=by,
        reason=reason,
    )


def payment_received(
    subscription: UserSubscription, *, at: datetime, by: Actor, reason: str = ""
) -> UserSubscription:
    """A subscription that was past due is active again."""
    return _on_payment(
        subscription,
        Move.PAYMENT_RECEIVED,
        State.ACTIVE,
        ChangeKind.PAYMENT_RECEIVED,
        at=at,
        by=by,
        reason=reason,
    )


def _on_payment(
    subscription: UserSubscription,
    move: Move,
    state: State,
    kind: ChangeKind,
    *,
    at: datetime,
    by: Actor,
    reason: str,
) -> UserSubscription:
    with transaction.atomic():
        subscription, was = term_ends.locked(subscription, at=at)
        history.require(move, subscription)
        subscription.state = state
        history.write(subscription, was, kind=kind, at=at, by=by, reason=reason)
        entitlements.apply(subscription.account, at=at)
    return subscription
