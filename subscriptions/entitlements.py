"""What an account's subscription entitles it to, pushed down into `usage` as data.

The only module that writes limits of the sources plan and override, surcharges and the suspension of
accounts. It reads everything anew under the account's lock, so that whoever comes last writes what is true.
What a budget does follows, as its slower rates are those of the plan.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from subscriptions import budget_protection
from subscriptions.core.states import State
from subscriptions.models import (
    LimitOverride,
    OveragePolicy,
    PlanLimit,
    PlanVersion,
    UserSubscription,
)
from usage import limits, surcharges
from usage.core.errors import InvalidRequest
from usage.core.surcharges import SurchargeTerms
from usage.limits import LimitTerms
from usage.models import Account, LimitMode, LimitScope, LimitSource, Measure, Window

MONTHLY_COST = "monthly_cost"
MAX_MONTHLY_COST = "max_monthly_cost"


def apply(account: Account, *, at: datetime) -> None:
    """Let the account's limits, surcharges and suspension be those of its subscription, overrides and
    budget as they are now, all at once: an authorization in the middle sees what was before or what is after.
    """
    with transaction.atomic(savepoint=False):
        Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        overriding = [terms_of(each) for each in overrides_in_force(account)]
        subscription = UserSubscription.objects.select_related("plan_version").filter(account=account).first()
        sold = [] if subscription is None else limit_terms(subscription.plan_version)
        replaced = {terms.key for terms in overriding}
        kept = [terms for terms in sold if terms.key not in replaced]
        limits.put(account, source=LimitSource.PLAN, limits=kept, at=at)
        limits.put(account, source=LimitSource.OVERRIDE, limits=overriding, at=at)
        added = {} if subscription is None else surcharge_terms(subscription.plan_version)
        surcharges.put(account, surcharges=added, at=at)
        budget = budget_protection.put(account, at=at)
        ended = "" if subscription is None else suspension(subscription)
        account.suspended_reason = ended or budget_protection.suspension(budget)
        account.save(update_fields=["suspended_reason"])


def limit_terms(version: PlanVersion) -> list[LimitTerms]:
    """The limits that the version sells: its own, and what its included usage and maximum come to."""
    return [*(terms_of(limit) for limit in version.limits.all()), *_cost_limits(version)]


def surcharge_terms(version: PlanVersion) -> dict[str, SurchargeTerms]:
    """The surcharges that the version sells, by request type."""
    return {
        each.request_type: SurchargeTerms(each.per_request, each.per_hour)
        for each in version.surcharges.all()
    }


def overrides_in_force(account: Account) -> Sequence[LimitOverride]:
    """The account's overrides that have not ended."""
    return list(LimitOverride.objects.filter(account=account, ended_at__isnull=True).order_by("id"))


def terms_of(row: PlanLimit | LimitOverride) -> LimitTerms:
    """A row's limit in the form that `usage` takes."""
    return LimitTerms(
        name=row.name,
        measure=Measure(row.measure),
        window=Window(row.window),
        amount=row.amount,
        scope=LimitScope(row.scope),
        scope_value=row.scope_value,
        mode=LimitMode(row.mode),
    )


def check(version: PlanVersion) -> None:
    """Return when an account can have what the version sells; raises InvalidRequest naming what is wrong."""
    for limit in version.limits.all():
        if limit.mode != LimitMode.NOTIFY and _is_cost_of_period(limit):
            raise InvalidRequest(
                f"The limit {limit.name!r}: what a period may cost is said by included_usage, "
                "overage_policy and max_monthly_cost.",
                details={"limit": limit.name},
            )
    limits.check(limit_terms(version))
    surcharges.check(surcharge_terms(version))


def suspension(subscription: UserSubscription) -> str:
    """Why the subscription's state allows no calls, for people; empty where it does."""
    match State(subscription.state):
        case State.PAUSED if subscription.paused_automatically and subscription.resumes_at is not None:
            return (
                "The plan's included usage is used up: the subscription is paused until "
                f"{subscription.resumes_at:%Y-%m-%d %H:%M} UTC."
            )
        case State.PAUSED:
            return "The subscription is paused: resume it to go on."
        case State.CANCELED:
            return "The subscription was canceled: choose a plan to go on."
        case State.EXPIRED:
            return "The subscription has expired: choose a plan to go on."
    return ""


def _is_cost_of_period(limit: PlanLimit) -> bool:
    what = (limit.measure, limit.scope, limit.window)
    return what == (Measure.COST, LimitScope.EVERYTHING, Window.PERIOD)


def _cost_limits(version: PlanVersion) -> list[LimitTerms]:
    """Up to the included usage a period's cost is paid for. What lies beyond is refused, or billed and then
    refused at the maximum.
    """
    bills = version.overage_policy == OveragePolicy.BILL
    ceiling = version.max_monthly_cost if bills else version.included_usage
    found = []
    if bills:
        found.append(
            LimitTerms(
                name=MONTHLY_COST,
                measure=Measure.COST,
                window=Window.PERIOD,
                amount=version.included_usage,
                mode=LimitMode.BILL,
            )
        )
    if not bills or ceiling is not None:
        found.append(
            LimitTerms(
                name=MAX_MONTHLY_COST if bills else MONTHLY_COST,
                measure=Measure.COST,
                window=Window.PERIOD,
                amount=ceiling,
            )
        )
    return found
