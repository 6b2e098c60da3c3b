"""Which plan would have been cheapest for an account's last complete billing periods, and would have allowed
all its calls. Reads the log; for background tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django.db.models import Sum

from subscriptions import billing_terms, entitlements, queries, term_ends
from subscriptions.core.invoices import UsageTerms, charge_for
from subscriptions.core.recommendations import (
    MOST_PERIODS,
    SMALLEST,
    a_month,
    confidence_of_plan,
    is_worth_telling,
)
from subscriptions.core.states import State
from subscriptions.core.terms import BillingCycle
from subscriptions.models import OveragePolicy, PlanVersion, RecommendationKind
from subscriptions.replaying import Found
from usage import period_measures
from usage.core.calendar import MONTHS_A_YEAR
from usage.core.money import ZERO, format_amount
from usage.core.repricing import sum_exactly
from usage.limits import Key, LimitTerms
from usage.models import Account, BillingPeriod, LimitMode, LimitScope, Measure, UsageSummary, Window

# The shortest month; what is shorter is the rest of something.
SHORTEST = timedelta(days=28)
COST_OF_PERIOD = (Measure.COST, LimitScope.EVERYTHING, "", Window.PERIOD, LimitMode.BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Period:
    """A complete billing period: its calls and their cost, what each version's surcharges would have made of
    the cost, and what each limit would have counted.
    """

    period: BillingPeriod
    calls: int
    cost: Decimal
    cost_on: Sequence[Decimal]
    counted: dict[Key, Decimal]


@dataclass(slots=True, kw_only=True)
class _Option:
    """A plan with what each period would have come to on it, fee and overage, and why calls would have been
    refused.
    """

    version: PlanVersion
    fee: Decimal
    overages: list[Decimal] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        return sum_exactly([self.fee * len(self.overages), *self.overages])


def found(account: Account, *, at: datetime) -> Found | None:
    """The public plan to change to, or the one to stay on; None where there is nothing to compare.

    Compared are the fee and the overage of up to three complete billing periods, under the versions sold and
    held at `at` and the present cycle. A plan is out if one of its limits would have refused a call, or if
    the log cannot tell.
    """
    subscription = queries.subscription_of(account)
    terms = billing_terms.terms_at(account, period_end=at)
    if (
        subscription is None
        or terms is None
        or subscription.has_ended
        or subscription.state == State.TRIALING
    ):
        return None
    held, cycle = subscription.plan_version, subscription.cycle
    sold = [
        version for version in queries.versions_for_sale(at=at, account=account)
        if version.plan_id != held.plan_id
    ]  # fmt: skip
    periods = _periods(account, sold, at=at)
    if not sold or not periods:
        return None
    present = _Option(version=held, fee=_monthly(held, cycle))
    present.overages = [_overage(each.cost, terms.usage) for each in periods]
    at_once = _at_once(account)
    options = [
        _replayed(version, place, periods, cycle=cycle, at_once=at_once) for place, version in enumerate(sold)
    ]
    fitting = [option for option in options if not option.refused]
    best = min(fitting, key=lambda option: option.total, default=present)
    saving = sum_exactly([present.total, best.total.copy_negate()])
    each = a_month(saving, days=30 * len(periods))
    if not is_worth_telling(a_month=each, saving=saving, now=present.total):
        best, each = present, ZERO
    return _found(present, best, options, periods, saving=each)


def _found(
    present: _Option,
    best: _Option,
    options: Sequence[_Option],
    periods: Sequence[_Period],
    *,
    saving: Decimal,
) -> Found:
    stays = best is present
    dearer = [
        option for option in options
        if not option.refused and option.total >= present.total
    ]  # fmt: skip
    cheaper_periods = sum(now > then for now, then in zip(_by_period(present), _by_period(best), strict=True))
    return Found(
        kind=RecommendationKind.PLAN,
        subject=present.version.plan.key,
        alternative="" if stays else best.version.plan.key,
        start=periods[-1].period.period_start,
        end=periods[0].period.period_end,
        calls=sum(each.calls for each in periods),
        excluded_calls=0,
        days=sum((each.period.period_end - each.period.period_start).days for each in periods),
        now=present.total,
        then=best.total,
        saving=saving,
        confidence=confidence_of_plan(
            periods=len(periods), agreeing=len(periods) if stays else cheaper_periods
        ),
        arithmetic={
            "lines": _lines(present, best, periods),
            "excluded": {},
            "weeks": [],
            "facts": {
                "plan_now": present.version.plan.name,
                "plan_then": best.version.plan.name,
                "periods": len(periods),
                "features_lost": sorted(set(present.version.features) - set(best.version.features)),
                "refusing": {o.version.plan.name: o.refused[0] for o in options if o.refused},
                "dearer": [option.version.plan.name for option in dearer],
            },
        },
    )


def _periods(account: Account, sold: Sequence[PlanVersion], *, at: datetime) -> list[_Period]:
    """The last complete billing periods with calls, latest first."""
    over = BillingPeriod.objects.filter(account=account, period_end__lte=at).order_by("-period_end")
    limits = {
        limit.key: limit
        for version in sold
        for limit in entitlements.limit_terms(version)
        if limit.mode is LimitMode.BLOCK and limit.amount is not None
    }
    surcharges = [entitlements.surcharge_terms(version) for version in sold]
    found = []
    for period in over[:MOST_PERIODS]:
        sums = UsageSummary.objects.filter(account=account, billing_period=period).aggregate(
            calls=Sum("calls"), cost=Sum("cost")
        )
        if not sums["calls"] or period.period_end - period.period_start < SHORTEST:
            continue
        if not period_measures.is_whole(period):
            continue
        added, would = period_measures.surcharges(period, surcharges)
        found.append(
            _Period(
                period=period,
                calls=sums["calls"],
                cost=sums["cost"],
                cost_on=[sum_exactly([sums["cost"], added.copy_negate(), each]) for each in would],
                counted=period_measures.measured(period, list(limits.values())),
            )
        )
    return found


def _replayed(
    version: PlanVersion,
    place: int,
    periods: Sequence[_Period],
    *,
    cycle: BillingCycle,
    at_once: dict[Key, Decimal],
) -> _Option:
    terms = UsageTerms(
        included=version.included_usage,
        bills=version.overage_policy == OveragePolicy.BILL,
        markup_percent=version.overage_markup_percent,
        maximum=version.max_monthly_cost,
    )
    option = _Option(version=version, fee=_monthly(version, cycle))
    limits = [each for each in entitlements.limit_terms(version) if each.mode is LimitMode.BLOCK]
    for period in periods:
        cost = period.cost_on[place]
        option.overages.append(_overage(cost, terms))
        for limit in limits:
            if said := _refused(limit, period, cost=cost, at_once=at_once):
                option.refused.append(said)
    return option


def _refused(limit: LimitTerms, period: _Period, *, cost: Decimal, at_once: dict[Key, Decimal]) -> str:
    """Why the limit would have refused calls of the period, or could have; empty where it would not."""
    if limit.amount is None:
        return ""
    allowed = format_amount(limit.amount)
    if limit.window is Window.CONCURRENT:
        # What the log does not tell is safe where no more is allowed now.
        now = at_once.get(limit.key)
        return "" if now is not None and now <= limit.amount else f"{limit.name}: {allowed} at the same time"
    what = (limit.measure, limit.scope, limit.scope_value, limit.window, limit.mode)
    counted = cost if what == COST_OF_PERIOD else period.counted[limit.key]
    return f"{limit.name}: {format_amount(counted)} of {allowed}" if counted > limit.amount else ""


def _at_once(account: Account) -> dict[Key, Decimal]:
    """How many calls the account may make at the same time."""
    limits = account.limits.filter(mode=LimitMode.BLOCK, window=Window.CONCURRENT)
    keys = limits.values_list("measure", "scope", "scope_value", "window", "mode", "amount")
    return {
        (measure, scope, value, window, mode): amount
        for measure, scope, value, window, mode, amount in keys
        if amount is not None
    }


def _monthly(version: PlanVersion, cycle: BillingCycle) -> Decimal:
    """What a month of the fee comes to, to the decimals of a cost."""
    fee = term_ends.fee_of(version, cycle)
    if cycle is BillingCycle.YEARLY:
        fee = (fee / MONTHS_A_YEAR).quantize(SMALLEST, rounding=ROUND_HALF_EVEN)
    return fee


def _overage(cost: Decimal, terms: UsageTerms) -> Decimal:
    charge = charge_for(cost, terms)
    return sum_exactly([charge.overage, charge.markup])


def _by_period(option: _Option) -> list[Decimal]:
    return [sum_exactly([option.fee, overage]) for overage in option.overages]


def _lines(present: _Option, best: _Option, periods: Sequence[_Period]) -> list[dict[str, Any]]:
    lines = []
    for place, each in enumerate(periods):
        start, end = each.period.period_start.date().isoformat(), each.period.period_end.date().isoformat()
        amounts = [
            ("Fee", present.fee, best.fee),
            ("Usage beyond what is included", present.overages[place], best.overages[place]),
        ]
        for name, now, then in amounts:
            lines.append(
                {
                    "name": name,
                    "start": start,
                    "end": end,
                    "cost_now": format_amount(now),
                    "cost_then": format_amount(then),
                }
            )
    return lines
