"""Changes of plan: more at once with proration, less at the term's end; and new versions for subscribers."""

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from subscriptions import dunning, entitlements, history, plans, term_ends
from subscriptions.actors import Actor
from subscriptions.core.proration import NOTHING, Fee, Proration, prorate
from subscriptions.core.states import Move, State
from subscriptions.core.terms import BillingCycle, Term, Timing, term_around, timing
from subscriptions.lifecycle import reactivate, resume, start
from subscriptions.models import BillingProfile, ChangeKind, PlanVersion, SubscriptionPlan, UserSubscription
from usage.core.errors import InvalidRequest, SubscriptionException
from usage.core.money import ZERO, format_amount
from usage.models import Account


def subscribe(
    account: Account,
    *,
    plan: SubscriptionPlan,
    cycle: BillingCycle,
    at: datetime,
    by: Actor,
    by_staff: bool = False,
    reason: str = "",
) -> UserSubscription:
    """Put `account` on `plan`, whatever it has now: a first subscription, a change, or one that had ended.

    Choosing what it has already changes nothing, but withdraws what is scheduled for the term's end. Raises
    SubscriptionException when the plan is not the account's to choose, or a payment has to come first.
    """
    known = UserSubscription.objects.select_related("plan_version__plan").filter(account=account).first()
    if known is not None:
        with transaction.atomic():
            known, _ = term_ends.locked(known, at=at)
    # What it has it keeps, also when it is not sold any more.
    if known is None or known.has_ended or known.plan != plan:
        plans.require_sold(plan, account=account, by_staff=by_staff)
    if not by_staff:
        # An end at once and a new beginning would else be a way around what is owed.
        if known is not None and known.has_ended and dunning.in_arrears(account):
            raise _payment_due()
        _require_card(account, due=_due_now(known, plans.version_at(plan, at=at), cycle, at=at))
    if known is None:
        return start(account, plan=plan, cycle=cycle, at=at, by=by, reason=reason)
    if known.has_ended:
        return reactivate(known, plan=plan, cycle=cycle, at=at, by=by, reason=reason)
    return change_plan(known, plan=plan, cycle=cycle, at=at, by=by, reason=reason)


def due_now(account: Account, *, plan: SubscriptionPlan, cycle: BillingCycle, at: datetime) -> Decimal:
    """USD that subscribing to `plan` charges at once, unrounded. Ends overdue terms; nothing else changes."""
    known = UserSubscription.objects.filter(account=account).first()
    if known is not None:
        with transaction.atomic():
            known, _ = term_ends.locked(known, at=at)
    return _due_now(known, plans.version_at(plan, at=at), cycle, at=at)


def change_plan(
    subscription: UserSubscription,
    *,
    plan: SubscriptionPlan,
    cycle: BillingCycle,
    at: datetime,
    by: Actor,
    reason: str = "",
    when: Timing | None = None,
) -> UserSubscription:
    """Change to `plan` under `cycle`; `when` (default: by what gives more) overrides the time.

    At once: the rest of the term's fee is credited, the rest of the new term's charged, used counts stay and
    the new amounts count from then on; what was paused because its usage was used up goes on. During a trial
    every change is at once and free. At the term's end: noted, and done by the renewal. Raises Conflict in a
    state that allows no change, SubscriptionException when past due.
    """
    with transaction.atomic():
        subscription, was = term_ends.locked(subscription, at=at)
        if subscription.state == State.PAST_DUE:
            raise _payment_due()
        version = plans.version_at(plan, at=at)
        if subscription.plan == plan and subscription.cycle is cycle:
            history.require(Move.SCHEDULE, subscription)
            return _withdraw(subscription, was, at=at, by=by, reason=reason)
        chosen = when or timing_of(subscription, version, cycle)
        if chosen is Timing.AT_TERM_END:
            history.require(Move.SCHEDULE, subscription)
            return _schedule(subscription, was, plan=plan, cycle=cycle, at=at, by=by, reason=reason)
        if subscription.paused_automatically:
            # Its included usage is used up: a plan that includes more is the way on.
            subscription = resume(subscription, at=at, by=by, reason=reason)
            was = history.before(subscription)
        history.require(Move.CHANGE_PLAN, subscription)
        return _change_now(subscription, was, version=version, cycle=cycle, at=at, by=by, reason=reason)


def withdraw(
    subscription: UserSubscription, *, at: datetime, by: Actor, reason: str = ""
) -> UserSubscription:
    """Let the subscription simply renew at the term's end: what was scheduled, a cancellation included, does
    not happen. Raises Conflict when it has ended.
    """
    with transaction.atomic():
        subscription, was = term_ends.locked(subscription, at=at)
        history.require(Move.SCHEDULE, subscription)
        return _withdraw(subscription, was, at=at, by=by, reason=reason)


def apply_version(
    subscription: UserSubscription, version: PlanVersion, *, at: datetime, by: Actor, reason: str = ""
) -> bool:
    """Give a subscriber another published version of the plan before the term ends; whether that changed it.

    Limits, features and surcharges are the version's at once; its price from the next term on. Raises
    InvalidRequest for a draft or another plan's version.
    """
    if version.published_at is None:
        raise InvalidRequest(f"{version} is a draft: publish it first.")
    with transaction.atomic():
        subscription, was = term_ends.locked(subscription, at=at)
        if subscription.has_ended or subscription.plan_version_id == version.pk:
            return False
        if subscription.plan != version.plan:
            raise InvalidRequest(f"{subscription.account} is on {subscription.plan}, not {version.plan}.")
        subscription.plan_version = version
        history.write(subscription, was, kind=ChangeKind.VERSION_APPLIED, at=at, by=by, reason=reason)
        entitlements.apply(subscription.account, at=at)
    return True


def timing_of(subscription: UserSubscription, version: PlanVersion, cycle: BillingCycle) -> Timing:
    """When a change of the subscription to `version` under `cycle` takes effect."""
    if subscription.state == State.TRIALING:
        return Timing.NOW
    return timing(
        price_before=subscription.plan_version.price_monthly,
        price_after=version.price_monthly,
        cycle_before=subscription.cycle,
        cycle_after=cycle,
        same_plan=subscription.plan == version.plan,
    )


def quote(
    subscription: UserSubscription, version: PlanVersion, cycle: BillingCycle, *, at: datetime
) -> tuple[Term, Proration]:
    """The term that a change at once leads to, and what it gives back and costs; changes nothing."""
    if subscription.state == State.TRIALING:
        return subscription.term, NOTHING
    same_length = subscription.cycle is cycle
    term = subscription.term if same_length else term_around(at, anchor=subscription.anchor, cycle=cycle)
    old, new = Fee(subscription.term_fee, subscription.term), Fee(term_ends.fee_of(version, cycle), term)
    return term, prorate(old, new, at=at)


def _due_now(
    known: UserSubscription | None, version: PlanVersion, cycle: BillingCycle, *, at: datetime
) -> Decimal:
    if known is None and version.trial_days:
        return ZERO
    if known is None or known.has_ended:
        return term_ends.fee_of(version, cycle)
    same = known.plan == version.plan and known.cycle is cycle
    if same or timing_of(known, version, cycle) is Timing.AT_TERM_END:
        return ZERO
    _, proration = quote(known, version, cycle, at=at)
    return max(proration.due, ZERO)


def _payment_due() -> SubscriptionException:
    return SubscriptionException(
        "The last payment is open: settle it, then change the plan.", code="payment_due"
    )


def _require_card(account: Account, *, due: Decimal) -> None:
    if not due or settings.STRIPE_MODE == "off":
        return
    if not BillingProfile.objects.filter(account=account).exclude(payment_method_id="").exists():
        raise SubscriptionException(
            "There is no card to charge: add one with the plan.",
            code="payment_method_required",
            hint="POST /api/subscription/create-checkout-session gives the address of a page that does both.",
        )


def _change_now(
    subscription: UserSubscription,
    was: history.Before,
    *,
    version: PlanVersion,
    cycle: BillingCycle,
    at: datetime,
    by: Actor,
    reason: str,
) -> UserSubscription:
    term, proration = quote(subscription, version, cycle, at=at)
    rises = timing_of(subscription, version, cycle) is Timing.NOW
    if subscription.state == State.TRIALING:
        rises = version.price_monthly >= was.version.price_monthly
    else:
        subscription.term_fee = term_ends.fee_of(version, cycle)
    subscription.plan_version, subscription.billing_cycle = version, cycle
    subscription.term_start, subscription.term_end = term
    term_ends.forget_schedule(subscription)
    history.write(
        subscription,
        was,
        kind=ChangeKind.UPGRADED if rises else ChangeKind.DOWNGRADED,
        at=at,
        by=by,
        reason=reason,
        amount_due=proration.due,
        details=_proration_details(was, subscription, proration, at=at),
    )
    entitlements.apply(subscription.account, at=at)
    return subscription


def _proration_details(
    was: history.Before, subscription: UserSubscription, proration: Proration, *, at: datetime
) -> dict[str, object]:
    """What an invoice's two proration lines are made of."""
    if proration == NOTHING:
        return {}
    return {
        "proration": {
            "credit": {
                "amount": format_amount(proration.credit),
                "of_fee": format_amount(was.term_fee),
                "from": at.isoformat(),
                "until": was.term.end.isoformat(),
            },
            "charge": {
                "amount": format_amount(proration.charge),
                "of_fee": format_amount(subscription.term_fee),
                "from": at.isoformat(),
                "until": subscription.term_end.isoformat(),
            },
        }
    }


def _schedule(
    subscription: UserSubscription,
    was: history.Before,
    *,
    plan: SubscriptionPlan,
    cycle: BillingCycle,
    at: datetime,
    by: Actor,
    reason: str,
) -> UserSubscription:
    if subscription.pending_plan == plan and subscription.pending_cycle == cycle:
        return subscription
    term_ends.forget_schedule(subscription)
    subscription.pending_plan, subscription.pending_cycle = plan, cycle
    history.write(
        subscription,
        was,
        kind=ChangeKind.CHANGE_SCHEDULED,
        at=at,
        by=by,
        reason=reason,
        amount_due=ZERO,
        details={
            "plan": plan.name,
            "billing_cycle": cycle.value,
            "takes_effect_at": subscription.term_end.isoformat(),
        },
    )
    return subscription


def _withdraw(
    subscription: UserSubscription, was: history.Before, *, at: datetime, by: Actor, reason: str
) -> UserSubscription:
    if not subscription.cancel_at_term_end and subscription.pending_plan is None:
        return subscription
    term_ends.forget_schedule(subscription)
    history.write(subscription, was, kind=ChangeKind.SCHEDULE_WITHDRAWN, at=at, by=by, reason=reason)
    return subscription
