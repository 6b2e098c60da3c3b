"""Every change of a subscription, written down with what was before and after, in the same transaction."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, QuerySet, Sum

from subscriptions.actors import Actor
from subscriptions.core.states import Move, State, allows
from subscriptions.core.terms import Term
from subscriptions.models import ChangeKind, PlanVersion, SubscriptionChange, UserSubscription
from usage.core.errors import Conflict
from usage.core.money import ZERO, format_amount
from usage.models import UsageSummary

# What operations change of a subscription.
CHANGING = (
    "plan_version", "billing_cycle", "state", "anchor", "term_start", "term_end", "term_fee", "renewal_count",
    "trial_ends_at", "cancel_at_term_end", "pending_plan", "pending_cycle", "paused_from",
    "paused_automatically", "resumes_at", "fee_waived", "ended_at", "updated_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """A subscription as it stood before a change."""

    state: State
    version: PlanVersion
    term: Term
    term_fee: Decimal


def locked(subscription: UserSubscription) -> tuple[UserSubscription, Before]:
    """The subscription as it stands, locked until the transaction ends, and a note of it."""
    # Locked by itself: of a row that changes its plan while we wait for it, PostgreSQL finds that the plan it
    # was joined with is no longer its own, and returns nothing.
    UserSubscription.objects.select_for_update().values_list("pk").get(pk=subscription.pk)
    found = with_relations().get(pk=subscription.pk)
    return found, before(found)


def with_relations() -> QuerySet[UserSubscription]:
    """Subscriptions with all that a change of one looks at."""
    return UserSubscription.objects.select_related("account", "plan_version__plan", "pending_plan")


def before(subscription: UserSubscription) -> Before:
    """A note of what a change is about to overwrite."""
    return Before(
        state=State(subscription.state),
        version=subscription.plan_version,
        term=subscription.term,
        term_fee=subscription.term_fee,
    )


def require(move: Move, subscription: UserSubscription) -> None:
    """Return when `move` may happen to the subscription; raises Conflict saying in which state it is."""
    if not allows(move, before=State(subscription.state)):
        state = subscription.get_state_display().lower()
        raise Conflict(
            f"The subscription is {state}: this cannot be done now ({move.replace('_', ' ')}).",
            code="subscription_state",
            details={"state": subscription.state},
        )


def write(
    subscription: UserSubscription,
    was: Before | None,
    *,
    kind: ChangeKind,
    at: datetime,
    by: Actor,
    recorded_at: datetime | None = None,
    reason: str = "",
    amount_due: Decimal = ZERO,
    details: dict[str, Any] | None = None,
) -> SubscriptionChange:
    """Save the subscription and add the change that led to it. `at` is when it takes effect."""
    subscription.updated_at = recorded_at or at
    if was is None:
        subscription.save(force_insert=True)
    else:
        subscription.save(update_fields=CHANGING)
    ends_term = was is not None and was.term != subscription.term
    return SubscriptionChange.objects.create(
        subscription=subscription,
        account=subscription.account,
        kind=kind,
        at=at,
        recorded_at=recorded_at or at,
        actor=by.name,
        actor_user=by.user,
        reason=reason,
        state_before="" if was is None else was.state,
        state_after=subscription.state,
        version_before=None if was is None else was.version,
        version_after=subscription.plan_version,
        billing_cycle=subscription.billing_cycle,
        term_before_start=None if was is None else was.term.start,
        term_before_end=None if was is None else was.term.end,
        term_start=subscription.term_start,
        term_end=subscription.term_end,
        renewal_count=subscription.renewal_count,
        amount_due=amount_due,
        details=details or {},
        usage_before=usage_in(subscription, was.term) if was is not None and ends_term else None,
    )


def usage_in(subscription: UserSubscription, term: Term) -> dict[str, Any]:
    """What the billing periods that begin in `term` bill: calls, tokens, and cost as a decimal string."""
    summed = UsageSummary.objects.filter(
        account=subscription.account,
        billing_period__period_start__gte=term.start,
        billing_period__period_start__lt=term.end,
    ).aggregate(
        calls=Sum("calls"),
        input=Sum("input_tokens"),
        output=Sum("output_tokens"),
        cost=Sum("cost"),
        providers=Count("provider", distinct=True),
    )
    return {
        "total_calls": summed["calls"] or 0,
        "total_tokens": (summed["input"] or 0) + (summed["output"] or 0),
        "total_cost": format_amount(summed["cost"] or ZERO),
        "providers": summed["providers"],
    }
