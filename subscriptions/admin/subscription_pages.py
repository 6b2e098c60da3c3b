"""What staff can do about a subscription, each as a page: its form, what it shows, what it does."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from subscriptions import changes, lifecycle, queries
from subscriptions.actors import Actor
from subscriptions.admin.forms import (
    CancelForm,
    ChangePlanForm,
    PauseForm,
    PlanChoiceForm,
    ReasonForm,
    TrialForm,
)
from subscriptions.core.terms import BillingCycle, Timing
from subscriptions.models import UserSubscription
from usage.admin.operations import Operation, Panel
from usage.core.money import to_cents

Cleaned = Mapping[str, Any]
# Makes the page for a subscription, and for whoever is at work.
Maker = Callable[[UserSubscription, Actor], Operation]


def change_plan(subscription: UserSubscription, by: Actor) -> Operation:
    def act(cleaned: Cleaned) -> str:
        changed = changes.change_plan(
            subscription,
            plan=cleaned["plan"],
            cycle=BillingCycle(cleaned["billing_cycle"]),
            at=timezone.now(),
            by=by,
            reason=cleaned["reason"],
            when=Timing(cleaned["when"]) if cleaned["when"] else None,
        )
        return told(changed)

    return Operation(
        title=f"Change the plan of {subscription.account}",
        explanation=f"Now: {subscription.plan_version}, {subscription.billing_cycle}, until "
        f"{_minute(subscription.term_end)} UTC. Used counts stay; the new amounts count from the change on.",
        form=ChangePlanForm,
        initial={"billing_cycle": subscription.billing_cycle, "when": ""},
        act=act,
        submit="Change",
        panels=[_quotes(subscription)],
    )


def pause(subscription: UserSubscription, by: Actor) -> Operation:
    def act(cleaned: Cleaned) -> str:
        paused = lifecycle.pause(
            subscription,
            at=timezone.now(),
            by=by,
            reason=cleaned["reason"],
            resumes_at=cleaned["resumes_at"],
        )
        return told(paused)

    return Operation(
        title=f"Pause {subscription.account}",
        explanation="Every call is refused until it is resumed. Terms that begin meanwhile cost nothing.",
        form=PauseForm,
        act=act,
        submit="Pause",
    )


def extend_trial(subscription: UserSubscription, by: Actor) -> Operation:
    def act(cleaned: Cleaned) -> str:
        extended = lifecycle.extend_trial(
            subscription, ends_at=cleaned["ends_at"], at=timezone.now(), by=by, reason=cleaned["reason"]
        )
        return told(extended)

    return Operation(
        title=f"Extend the trial of {subscription.account}",
        explanation=f"It ends at {_minute(subscription.term_end)} UTC now.",
        form=TrialForm,
        initial={"ends_at": subscription.term_end + timedelta(days=7)},
        act=act,
        submit="Extend",
    )


def cancel(subscription: UserSubscription, by: Actor) -> Operation:
    def act(cleaned: Cleaned) -> str:
        canceled = lifecycle.cancel(
            subscription,
            at=timezone.now(),
            by=by,
            reason=cleaned["reason"],
            at_term_end=cleaned["when"] == "term_end",
        )
        return told(canceled)

    return Operation(
        title=f"Cancel {subscription.account}",
        explanation=f"The term ends at {_minute(subscription.term_end)} UTC.",
        form=CancelForm,
        act=act,
        submit="Cancel the subscription",
        is_dangerous=True,
    )


def reactivate(subscription: UserSubscription, by: Actor) -> Operation:
    def act(cleaned: Cleaned) -> str:
        begun = lifecycle.reactivate(
            subscription,
            plan=cleaned["plan"],
            cycle=BillingCycle(cleaned["billing_cycle"]),
            at=timezone.now(),
            by=by,
            reason=cleaned["reason"],
        )
        return told(begun)

    return Operation(
        title=f"Reactivate {subscription.account}",
        explanation="A new term and a new billing period begin now; there is no trial.",
        form=PlanChoiceForm,
        initial={"plan": subscription.plan.pk, "billing_cycle": subscription.billing_cycle},
        act=act,
        submit="Reactivate",
    )


def simple(act: Callable[..., UserSubscription], *, title: str, explanation: str) -> Maker:
    """An operation that needs nothing but a reason."""

    def make(subscription: UserSubscription, by: Actor) -> Operation:
        return Operation(
            title=f"{title}: {subscription.account}",
            explanation=explanation,
            form=ReasonForm,
            act=lambda cleaned: told(act(subscription, at=timezone.now(), by=by, reason=cleaned["reason"])),
            submit=title,
        )

    return make


resume = simple(
    lifecycle.resume,
    title="Resume",
    explanation="Calls are allowed again at once. The rest of a term that began during the pause is charged.",
)
withdraw = simple(
    changes.withdraw,
    title="Let it renew",
    explanation="What is scheduled for the term's end, a cancellation included, does not happen.",
)
payment_failed = simple(
    lifecycle.payment_failed,
    title="Payment failed",
    explanation="It is past due: usable, but its plan cannot be changed until it is paid.",
)
payment_received = simple(
    lifecycle.payment_received, title="Payment received", explanation="The subscription is active again."
)


def told(subscription: UserSubscription) -> str:
    """What just happened, from the change that was written."""
    change = queries.changes_of(subscription).first()
    if change is None or change.recorded_at < subscription.updated_at:
        return "Nothing had to change."
    parts = [f"{change.get_kind_display()}: {change.version_after}, {change.get_state_after_display()}"]
    if change.amount_due:
        parts.append(f"{to_cents(change.amount_due):.2f} USD due")
    if change.reason:
        parts.append(change.reason.rstrip("."))
    return ". ".join(parts) + "."


def timeline(subscription: UserSubscription, *, at_most: int) -> Panel:
    """Everything that happened to it, newest first."""
    return Panel(
        title="Timeline",
        headers=["when (UTC)", "what", "plan", "state", "term until (UTC)", "USD due", "who", "why"],
        rows=[
            [
                _minute(change.at),
                change.get_kind_display(),
                _moved(change.version_before, change.version_after),
                _moved(change.get_state_before_display(), change.get_state_after_display()),
                _minute(change.term_end),
                f"{to_cents(change.amount_due):.2f}",
                change.actor,
                change.reason,
            ]
            for change in queries.changes_of(subscription)[:at_most]
        ],
    )


def _quotes(subscription: UserSubscription) -> Panel:
    """What each change would cost now."""
    at = timezone.now()
    choices = [(version, cycle) for version in queries.versions_for_sale(at=at) for cycle in BillingCycle]
    rows = []
    for version, cycle in choices:
        if (version.plan, cycle) == (subscription.plan, subscription.cycle):
            continue
        term, proration = changes.quote(subscription, version, cycle, at=at)
        when = changes.timing_of(subscription, version, cycle).replace("_", " ")
        amounts = [f"{to_cents(each):.2f}" for each in (*proration, proration.due)]
        rows.append([version.plan.name, cycle.value, when, *amounts, _minute(term.end)])
    return Panel(
        title="What a change costs now",
        headers=["plan", "cycle", "by the rules", "credit USD", "charge USD", "due USD", "term until (UTC)"],
        rows=rows,
        note="Credit and charge are of a change made now; at the term's end neither is due.",
    )


def _moved(before: object, after: object) -> str:
    """Before → after, or what it stays."""
    return str(after) if not before or before == after else f"{before} → {after}"


def _minute(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
