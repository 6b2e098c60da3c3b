"""What the plans page shows: each plan side by side under one cycle, and how the account comes to it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from subscriptions import offers, queries, term_ends
from subscriptions.core.terms import BillingCycle
from subscriptions.facts import limit_sentence
from subscriptions.models import OveragePolicy, PlanVersion, UserSubscription
from subscriptions.offers import OfferKind
from usage.core.money import format_amount
from usage.models import Account, LimitMode

MONTHS_A_YEAR = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCard:
    """A plan. `price` is for a term, `monthly` what that is a month; `starts_at` is set for the one that
    follows at the term's end.
    """

    version: PlanVersion
    price: Decimal
    monthly: Decimal
    features: list[str]
    terms: list[str]
    limits: list[str]
    kind: OfferKind
    is_current: bool
    is_same_plan: bool
    starts_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlansPage:
    """The plans that an account may choose; its own first where it is not sold any more."""

    cycle: BillingCycle
    cards: list[PlanCard]
    largest_saving: int


def plans_of(
    account: Account, subscription: UserSubscription | None, *, cycle: BillingCycle, at: datetime
) -> PlansPage:
    """The plans under `cycle`, as the account whose subscription is given may choose them at `at`."""
    sold = queries.versions_for_sale(at=at, account=account)
    has_one = subscription is not None and not subscription.has_ended
    if subscription is not None and has_one and subscription.plan.pk not in {each.plan_id for each in sold}:
        sold = [subscription.plan_version, *sold]
    return PlansPage(
        cycle=cycle,
        cards=[_card(version, subscription, cycle) for version in sold],
        largest_saving=max((_saving(version) for version in sold), default=0),
    )


def _card(version: PlanVersion, subscription: UserSubscription | None, cycle: BillingCycle) -> PlanCard:
    price = term_ends.fee_of(version, cycle)
    kind = offers.kind_of(subscription, version, cycle)
    follows = (
        subscription is not None
        and subscription.pending_plan == version.plan
        and subscription.pending_cycle == cycle
    )
    return PlanCard(
        version=version,
        price=price,
        monthly=price / cycle.months,
        features=[feature.replace("_", " ").capitalize() for feature in version.features],
        terms=_terms(version),
        limits=[
            _sentence(limit_sentence(limit))
            for limit in version.limits.all()
            if limit.mode == LimitMode.BLOCK
        ],
        kind=kind,
        is_current=kind is OfferKind.KEEP,
        is_same_plan=subscription is not None
        and not subscription.has_ended
        and subscription.plan == version.plan,
        starts_at=subscription.term_end if subscription is not None and follows else None,
    )


def _terms(version: PlanVersion) -> list[str]:
    """What usage is included, and what happens beyond it."""
    if version.included_usage is None:
        return ["All usage included"]
    told = [f"${format_amount(version.included_usage)} of usage included a month"]
    match version.overage_policy:
        case OveragePolicy.BILL:
            markup = version.overage_markup_percent
            plus = f" plus {format_amount(markup)} %" if markup else ""
            told.append(f"Beyond it usage is billed at cost{plus}")
            if version.max_monthly_cost is not None:
                told.append(f"Never more than ${format_amount(version.max_monthly_cost)} of usage a month")
        case OveragePolicy.PAUSE:
            told.append("Beyond it the subscription pauses until the next month")
        case _:
            told.append("Beyond it calls are refused")
    return told


def _saving(version: PlanVersion) -> int:
    """Percent that a year costs less than twelve months."""
    months = version.price_monthly * MONTHS_A_YEAR
    return int(100 * (months - version.price_yearly) / months) if months else 0


def _sentence(words: str) -> str:
    return words.removesuffix(", then refused").capitalize()
