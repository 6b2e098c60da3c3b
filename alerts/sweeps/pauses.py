"""What was paused by itself: because the included usage or a budget is used up, or an invoice is unpaid."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import OuterRef, Q, Subquery

from alerts import words
from alerts.core.findings import Finding, Recovery, Severity
from alerts.core.rules import PAUSED
from alerts.raising import Found
from subscriptions.core.states import State
from subscriptions.dunning import UNPAID
from subscriptions.models import Budget, ChangeKind, SubscriptionChange, UserSubscription

RULE = PAUSED


def find(*, at: datetime) -> Iterator[Found]:
    """The subscriptions and budgets that pause calls and that nobody paused by hand."""
    pauses = SubscriptionChange.objects.filter(subscription=OuterRef("pk"), kind=ChangeKind.PAUSED)
    last = pauses.order_by("-id")
    paused = UserSubscription.objects.filter(state=State.PAUSED).annotate(
        pause=Subquery(last.values("pk")[:1]), cause=Subquery(last.values("details__cause")[:1])
    )
    for each in paused.filter(Q(paused_automatically=True) | Q(cause=UNPAID)).select_related("account"):
        yield each.account, _finding(each, pause=each.pause)
    for budget in Budget.objects.filter(paused_automatically=True).select_related("account"):
        yield budget.account, _of_budget(budget)


def _finding(subscription: UserSubscription, *, pause: int) -> Finding:
    resumes = subscription.resumes_at
    facts = {"reason": "The included usage is used up." if resumes else "An invoice is unpaid."}
    if resumes is None:
        message = "An invoice could not be paid. Calls are refused until it is; then everything goes on."
    else:
        facts["until"] = words.moment(resumes)
        message = (
            "The included usage of your plan is used up. Calls are refused until "
            f"{facts['until']}, when the next billing period begins, or until you choose another plan."
        )
    return Finding(
        subject="subscription",
        occasion=f"pause {pause}",
        severity=Severity.ERROR,
        title="Your subscription is paused: calls are refused",
        message=message,
        facts=facts,
        path="/billing/",
        recovery=Recovery(
            title="Your subscription goes on", message="The pause is over: calls go through again."
        ),
    )


def _of_budget(budget: Budget) -> Finding:
    until = "" if budget.paused_until is None else words.moment(budget.paused_until)
    return Finding(
        subject="budget",
        occasion=f"{budget.paused_at:%Y-%m-%dT%H:%M:%S}",
        severity=Severity.ERROR,
        title="Your budget is used up: calls are refused",
        message=f"{budget.paused_reason} Calls are refused until {until}, or until the budget is raised.",
        facts={"reason": budget.paused_reason, "until": until},
        path="/billing/",
        recovery=Recovery(
            title="Calls go through again", message="The pause that your budget called for is over."
        ),
    )
