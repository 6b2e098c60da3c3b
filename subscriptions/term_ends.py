"""When the term of a subscription is over, and what every operation does first where nobody saw to that.

The clock ends terms once a minute (`subscriptions.renewals`), later after an outage. An operation that comes
before it would change a term that is past: it ends overdue terms itself, by the same rules.
"""

from datetime import datetime
from decimal import Decimal

from subscriptions import entitlements, history, plans
from subscriptions.actors import SYSTEM, Actor
from subscriptions.core.states import Move, State
from subscriptions.core.terms import BillingCycle, term_from
from subscriptions.models import ChangeKind, PlanVersion, UserSubscription
from usage.core.money import ZERO

# A subscription that nobody saw to for ten years is caught up with in one go.
MAX_TERMS_AT_ONCE = 120


def locked(subscription: UserSubscription, *, at: datetime) -> tuple[UserSubscription, history.Before]:
    """The subscription as it stands at `at`, its overdue terms ended, locked until the transaction ends, with
    a note of it.
    """
    found, was = history.locked(subscription)
    for _ in range(MAX_TERMS_AT_ONCE):
        if not is_overdue(found, at=at):
            break
        end_term(found, was, at)
        was = history.before(found)
    return found, was


def is_overdue(subscription: UserSubscription, *, at: datetime) -> bool:
    """Whether the subscription's term is over at `at`, and nobody ended it yet."""
    return not subscription.has_ended and subscription.term_end <= at


def fee_of(version: PlanVersion, cycle: BillingCycle) -> Decimal:
    """USD that a term of `cycle` costs."""
    return version.price_yearly if cycle is BillingCycle.YEARLY else version.price_monthly


def end_term(subscription: UserSubscription, was: history.Before, at: datetime) -> None:
    """Do what is to happen now that the term of a locked subscription is over: a cancellation, the end of a
    trial, or the next term. It takes effect when the term was over, however late it is `at`.
    """
    over = subscription.term_end
    tried = State.TRIALING in (subscription.state, subscription.paused_from)
    if subscription.cancel_at_term_end:
        end(
            subscription, was, state=State.CANCELED, at=over, by=SYSTEM, recorded_at=at,
            reason="As scheduled.",
        )  # fmt: skip
    elif tried and not subscription.plan_version.trial_converts:
        end(
            subscription, was, state=State.EXPIRED, at=over, by=SYSTEM, recorded_at=at,
            reason="The trial is over.",
        )  # fmt: skip
    else:
        _begin_term(subscription, was, ends_trial=tried, at=at)


def end(
    subscription: UserSubscription,
    was: history.Before,
    *,
    state: State,
    at: datetime,
    by: Actor,
    reason: str = "",
    recorded_at: datetime | None = None,
) -> UserSubscription:
    """Cancel or expire a locked subscription; part of a transaction of the caller's."""
    subscription.state = state
    subscription.ended_at = at
    leave_pause(subscription)
    forget_schedule(subscription)
    kind = ChangeKind.CANCELED if state is State.CANCELED else ChangeKind.EXPIRED
    history.write(subscription, was, kind=kind, at=at, by=by, reason=reason, recorded_at=recorded_at)
    entitlements.apply(subscription.account, at=recorded_at or at)
    return subscription


def forget_schedule(subscription: UserSubscription) -> None:
    """Nothing is to happen at the term's end but its renewal."""
    subscription.cancel_at_term_end = False
    subscription.pending_plan, subscription.pending_cycle = None, ""


def leave_pause(subscription: UserSubscription) -> None:
    """Nothing of a pause is left."""
    subscription.paused_from, subscription.resumes_at = "", None
    subscription.paused_automatically = subscription.fee_waived = False


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
    plan = subscription.pending_plan or subscription.plan
    cycle = BillingCycle(subscription.pending_cycle or subscription.billing_cycle)
    subscription.plan_version = plans.version_at(plan, at=begins)
    subscription.billing_cycle = cycle
    term = term_from(begins, anchor=subscription.anchor, cycle=cycle)
    subscription.term_start, subscription.term_end = term
    # A pause by hand: nothing is charged until it ends. One that we made ends by itself, with the period.
    subscription.fee_waived = subscription.state == State.PAUSED and not subscription.paused_automatically
    fee = ZERO if subscription.fee_waived else fee_of(subscription.plan_version, cycle)
    subscription.term_fee = fee
    subscription.renewal_count += 1
    forget_schedule(subscription)
    history.write(
        subscription, was, kind=ChangeKind.RENEWED, at=begins, by=SYSTEM, recorded_at=at, amount_due=fee,
        details={"trial_ended": True} if ends_trial else {},
    )  # fmt: skip
    entitlements.apply(subscription.account, at=at)
