"""How the business stands: what staff see first. Reads only, each one aggregated statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import (
    Case,
    Count,
    DecimalField,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from subscriptions.core.invoices import InvoiceState
from subscriptions.core.states import State
from subscriptions.core.terms import BillingCycle
from subscriptions.models import (
    BillingHistory,
    BillingProfile,
    CloseFailure,
    CreditNote,
    InvoiceCollection,
    StripeEvent,
    StripeEventState,
    TaxReport,
    UserSubscription,
)
from subscriptions.models.collection import PARKED
from usage.core.calendar import MONTHS_A_YEAR, next_month
from usage.core.money import COST_MAX_DIGITS, COST_PLACES, ZERO
from usage.models import BillingPeriod, UsageSummary

# What is paid for as long as nothing changes; a pause by hand is not.
PAYING = (State.ACTIVE.value, State.PAST_DUE.value)
AMOUNT = DecimalField(max_digits=20, decimal_places=6)
COST = DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthClosing:
    """The billing periods that end in the calendar month from `start` on: how many are over at some instant,
    how many of those are closed, and how many are still running.
    """

    start: datetime
    over: int
    closed: int
    running: int

    @property
    def waiting(self) -> int:
        return self.over - self.closed

    @property
    def percent(self) -> int:
        """Closed of those that are over, rounded down: only all of them are a hundred."""
        return 100 * self.closed // self.over if self.over else 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMargin:
    """What an account was invoiced before tax, and what the usage that this bills cost: USD."""

    account_id: int
    name: str
    invoiced: Decimal
    cost: Decimal

    @property
    def left(self) -> Decimal:
        return self.invoiced - self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivables:
    """What customers owe: USD open and overdue, and open invoices of which a payment failed."""

    open: Decimal
    open_count: int
    overdue: Decimal
    overdue_count: int
    failed_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """What needs somebody: pushes to Stripe and events from there given up, periods not closed."""

    invoices: int
    credit_notes: int
    profiles: int
    events: int
    close_failures: int


def closing_of_month(start: datetime, *, at: datetime) -> MonthClosing:
    """How far closing has come with the periods that end in a month."""
    ends = BillingPeriod.objects.filter(period_end__gte=start, period_end__lt=next_month(start))
    over = Q(period_end__lte=at)
    counted = ends.aggregate(
        over=Count("pk", filter=over),
        closed=Count("pk", filter=over & Q(closed_at__isnull=False)),
        running=Count("pk", filter=~over),
    )
    return MonthClosing(start=start, **counted)


def invoiced_between(*, start: datetime, end: datetime) -> Decimal | None:
    """USD before tax of the invoices finalized in [start, end), voided ones left out; None if there are none.

    Fees, usage beyond what is included, markup and adjustments; credits that paid them are not taken off.
    """
    found = BillingHistory.objects.filter(finalized_at__gte=start, finalized_at__lt=end)
    summed: Decimal | None = found.exclude(state=InvoiceState.VOID).aggregate(sum=Sum("subtotal"))["sum"]
    return summed


def lowest_margins(*, start: datetime, end: datetime, at_most: int) -> list[AccountMargin]:
    """The accounts that left least of what was invoiced in [start, end), voided invoices left out, the worst
    first. The cost is that of the billing periods which these invoices bill.
    """
    of_period = UsageSummary.objects.filter(billing_period=OuterRef("billing_period")).order_by()
    costs = of_period.values("billing_period").annotate(sum=Sum("cost")).values("sum")
    invoices = BillingHistory.objects.filter(finalized_at__gte=start, finalized_at__lt=end)
    rows = (
        invoices.exclude(state=InvoiceState.VOID)
        .annotate(used=Coalesce(Subquery(costs), ZERO, output_field=COST))
        .values("account", name=F("account__name"))
        .annotate(invoiced=Sum("subtotal", output_field=COST), cost=Sum("used", output_field=COST))
        .order_by(F("invoiced") - F("cost"), "name", "account")
    )
    return [
        AccountMargin(account_id=row["account"], name=row["name"], invoiced=row["invoiced"], cost=row["cost"])
        for row in rows[:at_most]
    ]


def receivables(*, at: datetime) -> Receivables:
    """What is owed at `at`."""
    remaining = F("amount_due") - F("amount_credited") - F("amount_paid")
    overdue = Q(due_at__lt=at)
    summed = BillingHistory.objects.filter(state=InvoiceState.OPEN).aggregate(
        open_count=Count("pk"),
        overdue_count=Count("pk", filter=overdue),
        failed_count=Count("pk", filter=Q(collection__failed_attempts__gt=0)),
        open_sum=Sum(remaining),
        overdue_sum=Sum(remaining, filter=overdue),
    )
    return Receivables(
        open=summed["open_sum"] or ZERO,
        open_count=summed["open_count"],
        overdue=summed["overdue_sum"] or ZERO,
        overdue_count=summed["overdue_count"],
        failed_count=summed["failed_count"],
    )


def parked_invoices() -> QuerySet[BillingHistory]:
    """The invoices of which Stripe refused something: to collect one, or to report its tax."""
    of_twins = InvoiceCollection.objects.filter(PARKED).values("invoice")
    return BillingHistory.objects.filter(
        pk__in=of_twins.union(TaxReport.objects.filter(PARKED).values("invoice"))
    )


def stuck() -> Stuck:
    """What waits for somebody to look."""
    return Stuck(
        invoices=parked_invoices().count(),
        credit_notes=CreditNote.objects.filter(PARKED).count(),
        profiles=BillingProfile.objects.filter(PARKED).count(),
        events=StripeEvent.objects.filter(state=StripeEventState.PARKED).count(),
        close_failures=CloseFailure.objects.count(),
    )
