"""How the business stands: what staff see first. Reads only, each one aggregated statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Case, Count, DecimalField, F, Sum, Value, When

from subscriptions.core.states import State
from subscriptions.core.terms import BillingCycle
from subscriptions.models import UserSubscription
from usage.core.calendar import MONTHS_A_YEAR
from usage.core.money import ZERO

# What is paid for as long as nothing changes; a pause by hand is not.
PAYING = (State.ACTIVE.value, State.PAST_DUE.value)
AMOUNT = DecimalField(max_digits=20, decimal_places=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanShare:
    """A plan's subscribers that pay, and what they come to: USD a month, unrounded."""

    plan: str
    subscribers: int
    monthly: Decimal


def by_state() -> Mapping[str, int]:
    """How many subscriptions are in each state, those without any left out."""
    counted = UserSubscription.objects.values_list("state").annotate(count=Count("pk")).order_by("state")
    return dict(counted)


def recurring_by_plan() -> list[PlanShare]:
    """Monthly recurring revenue by plan, the largest first: what the running terms cost, a yearly one a
    twelfth of it. Usage billed beyond what is included is not recurring.
    """
    monthly = Case(
        When(billing_cycle=BillingCycle.YEARLY, then=F("term_fee") / Value(Decimal(MONTHS_A_YEAR))),
        default=F("term_fee"),
        output_field=AMOUNT,
    )
    rows = (
        UserSubscription.objects.filter(state__in=PAYING)
        .values(plan=F("plan_version__plan__name"))
        .annotate(subscribers=Count("pk"), monthly=Sum(monthly, output_field=AMOUNT))
        .order_by("-monthly", "plan")
    )
    return [
        PlanShare(plan=row["plan"], subscribers=row["subscribers"], monthly=row["monthly"] or ZERO)
        for row in rows
    ]
