"""On which terms a billing period's usage is billed: those of the plan version in force as the period ended.

An upgrade within a period counts for all of it, as the limits did; what makes a subscription less takes
effect where a period ends. An override that stood in place of the included usage or of the maximum stands in
place of them here as well.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from subscriptions.core.invoices import UsageTerms
from subscriptions.models import LimitOverride, OveragePolicy, PlanVersion, SubscriptionChange
from usage.models import Account, LimitMode, LimitScope, Measure, Window

# What usage is billed by, of all that a version is made of; the rest is fetched when somebody asks.
TERMS = ("plan__name", "included_usage", "overage_policy", "overage_markup_percent", "max_monthly_cost")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodTerms:
    """The version that a period is billed by, and what that makes of its usage."""

    version: PlanVersion
    usage: UsageTerms


def terms_at(account: Account, *, period_end: datetime) -> PeriodTerms | None:
    """The terms in force just before `period_end`; None for an account that had no subscription by then."""
    last = (
        SubscriptionChange.objects.filter(account=account, at__lt=period_end)
        .select_related("version_after__plan")
        .only(*(f"version_after__{name}" for name in TERMS))
        .order_by("-at", "-id")
        .first()
    )
    if last is None:
        return None
    version = last.version_after
    bills = version.overage_policy == OveragePolicy.BILL
    overriding = _overrides(account, period_end=period_end) if bills else {}
    return PeriodTerms(
        version=version,
        usage=UsageTerms(
            included=overriding.get(LimitMode.BILL, version.included_usage),
            bills=bills,
            markup_percent=version.overage_markup_percent,
            maximum=overriding.get(LimitMode.BLOCK, version.max_monthly_cost),
        ),
    )


def _overrides(account: Account, *, period_end: datetime) -> dict[str, Decimal | None]:
    """The amounts that staff had set for a period's cost, by mode, as they stood when the period ended."""
    # One that is over and that no sweep has ended yet is over all the same.
    standing = (Q(ended_at__isnull=True) | Q(ended_at__gte=period_end)) & (
        Q(ends_at__isnull=True) | Q(ends_at__gte=period_end)
    )
    found = LimitOverride.objects.filter(
        standing,
        account=account,
        created_at__lt=period_end,
        measure=Measure.COST,
        scope=LimitScope.EVERYTHING,
        window=Window.PERIOD,
    )
    return dict(found.order_by("id").values_list("mode", "amount"))
