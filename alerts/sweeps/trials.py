"""Trials that are about to end: told a week before, and again on the last day."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from alerts import words
from alerts.core.findings import Finding, Severity
from alerts.core.rules import TRIAL_ENDING
from alerts.raising import Found
from subscriptions import attention, term_ends
from subscriptions.core.states import State
from subscriptions.invoice_texts import day
from subscriptions.models import UserSubscription

RULE = TRIAL_ENDING
LAST_DAY = timedelta(days=1)


def find(*, at: datetime) -> Iterator[Found]:
    """The trials that go on to something when they end, and end soon."""
    ending = UserSubscription.objects.filter(
        state=State.TRIALING,
        cancel_at_term_end=False,
        term_end__gt=at,
        term_end__lte=at + attention.TRIAL_ENDS_WITHIN,
    )
    for each in ending.select_related("account__billing_profile", "plan_version__plan").order_by("pk"):
        yield each.account, _finding(each, at=at)


def _finding(subscription: UserSubscription, *, at: datetime) -> Finding:
    version, ends = subscription.plan_version, subscription.term_end
    fee = term_ends.fee_of(version, subscription.cycle)
    is_last_day = ends - at <= LAST_DAY
    facts = {"plan": version.plan.name, "ends": words.moment(ends)}
    if version.trial_converts:
        facts["fee"] = words.usd(fee)
    return Finding(
        subject=f"trial/{ends:%Y-%m-%dT%H:%M}",
        occasion="last day" if is_last_day else "soon",
        severity=Severity.WARNING if is_last_day else Severity.INFO,
        title=f"Your trial of {version.plan.name} ends on {day(ends)}",
        message=_what_follows(subscription, costs=bool(fee), fee=facts.get("fee", "")),
        facts=facts,
        path="/billing/",
    )


def _what_follows(subscription: UserSubscription, *, costs: bool, fee: str) -> str:
    if not subscription.plan_version.trial_converts:
        return "From then on calls are refused, unless you choose a plan."
    if not costs:
        return "The plan then goes on, without a fee."
    profile = getattr(subscription.account, "billing_profile", None)
    if profile is not None and profile.has_card:
        return f"Your card is then charged {fee} for the plan."
    return f"The plan then costs {fee}. Add a card, so that it can go on."
