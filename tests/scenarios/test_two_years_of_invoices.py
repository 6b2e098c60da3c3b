"""Two years of many customers, by a moved clock and the tasks of beat: every invoice can be proved.

Eighteen customers have every plan with every story; SCENARIO_ACCOUNTS=200 has every anchor with them as well.
"""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle as around
from typing import Any

import pytest

from subscriptions import changes, credits, lifecycle, overrides
from subscriptions.core.terms import BillingCycle
from subscriptions.models import (
    BillingHistory,
    CreditEntry,
    CreditKind,
    InvoiceItem,
    InvoiceLine,
    SubscriptionChange,
    UserSubscription,
)
from subscriptions.verification import verify
from tests.support.authorizing import a_limit
from tests.support.billing import (
    billed,
    broken_invoices,
    fees_due,
    overage_due,
    rows_not_billed_once,
    waiting,
)
from tests.support.cast import an_account, an_event
from tests.support.recording import prepare, record
from tests.support.simulated_time import BILLING_TASKS, TASKS, Simulation
from tests.support.subscribing import MONTHLY, TESTS, YEARLY, a_plan, a_version, the_plan
from tests.support.worlds import of_many_months
from usage import pricebook
from usage.events import ReportedCost
from usage.models import Account, APIUsageLog, BillingPeriod

JANUARY = datetime(2027, 1, 1, tzinfo=UTC)
END = datetime(2029, 1, 4, tzinfo=UTC)
OUTAGE = (datetime(2027, 11, 28, tzinfo=UTC), datetime(2027, 12, 3, tzinfo=UTC))
DAY = timedelta(days=1)
BEAT = timedelta(days=4, hours=7)
ACCOUNTS = int(os.environ.get("SCENARIO_ACCOUNTS", "18"))
CALLS = a_limit(None, name="calls")

# In one transaction every version of every row would be kept, and read past, to the end.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def many_months(transactional_db: None) -> Iterator[None]:
    with of_many_months():
        yield


def sell() -> None:
    """Free, blocked, billed with markup up to a maximum, all-inclusive, and tried first."""
    metered = {"overage_policy": "bill", "overage_markup_percent": Decimal("12.5")}
    a_plan("free", CALLS, price="0", included_usage=Decimal("0.05"))
    a_plan("fixed", CALLS, price="29", included_usage=Decimal("0.2"))
    a_plan("metered", CALLS, price="79", included_usage=Decimal("0.1"), **metered)
    capped = {**metered, "included_usage": Decimal(0), "max_monthly_cost": Decimal("0.15")}
    a_plan("capped", CALLS, price="49", **capped)
    a_plan("flat", CALLS, price="199", included_usage=None)
    a_plan("tried", CALLS, price="39", trial_days=20, included_usage=Decimal("0.02"), **metered)


PLANS = ("free", "fixed", "metered", "capped", "flat", "tried")


class Customers:
    """Every plan, cycle, anchor and story; which go together is settled by their numbers."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.known: dict[str, UserSubscription] = {}
        self.stories = around([
            self.goes_on, self.upgrades, self.downgrades, self.leaves_and_returns, self.rests,
            self.is_given_more, self.has_credits, self.is_corrected, self.changes_cycle,
        ])  # fmt: skip

    def begin(self, number: int) -> None:
        name = f"customer-{number:03d}"
        account = an_account(name)
        at = JANUARY + (number % 31) * DAY + timedelta(hours=number * 7 % 24, minutes=number)
        plan, cycle = PLANS[number % len(PLANS)], YEARLY if number % 4 == 3 else MONTHLY
        story = next(self.stories)

        def starts(now: datetime) -> None:
            self.known[name] = changes.subscribe(
                account, plan=the_plan(plan), cycle=cycle, at=now, by=TESTS, by_staff=True
            )
            story(name, now, cycle)

        self.world.plan(at, starts)

    def change(self, name: str, plan: str, cycle: BillingCycle, *, at: datetime, **options: Any) -> None:
        account = self.known[name].account
        self.then(
            at,
            lambda now: changes.subscribe(
                account, plan=the_plan(plan), cycle=cycle, at=now, by=TESTS, by_staff=True, **options
            ),
        )

    def then(self, at: datetime, act: Callable[[datetime], object]) -> None:
        self.world.plan(at, act)

    def goes_on(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        """Nothing ever happens."""

    def upgrades(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.change(name, "metered", cycle, at=at + 47 * DAY + timedelta(seconds=7))
        self.change(name, "flat", cycle, at=at + 400 * DAY)

    def downgrades(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.change(name, "fixed", MONTHLY, at=at + 100 * DAY)
        self.change(name, "free", MONTHLY, at=at + 500 * DAY)

    def leaves_and_returns(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        subscription = self.known[name]
        self.then(
            at + 140 * DAY, lambda now: lifecycle.cancel(subscription, at=now, by=TESTS, at_term_end=False)
        )
        self.change(name, "metered", cycle, at=at + 190 * DAY + timedelta(hours=3))

    def rests(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        subscription = self.known[name]
        ends = at + 260 * DAY
        self.then(
            at + 205 * DAY, lambda now: lifecycle.pause(subscription, at=now, by=TESTS, resumes_at=ends)
        )

    def is_given_more(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        account = self.known[name].account
        self.change(name, "capped", cycle, at=at + 30 * DAY)
        for mode, amount, days in (("bill", "0.05", 70), ("block", "0.3", 80)):
            limit = a_limit(amount, "cost", name=f"cost_{mode}", mode=mode)
            self.then(
                at + days * DAY,
                lambda now, terms=limit: overrides.add(  # type: ignore[misc]
                    account, terms, reason="Agreed.", by=TESTS, at=now, ends_at=at + 300 * DAY
                ),
            )

    def has_credits(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        account = self.known[name].account
        for kind, amount, days, lasts in (
            (CreditKind.PREPAID, "120", 5, None), (CreditKind.PROMOTIONAL, "20.55", 40, 45 * DAY),
            (CreditKind.PROMOTIONAL, "500", 300, 35 * DAY),
        ):  # fmt: skip
            self.then(
                at + days * DAY,
                lambda now, k=kind, a=amount, d=lasts: credits.grant(  # type: ignore[misc]
                    account, kind=k, amount=Decimal(a), reason="Welcome.", at=now, by=TESTS,
                    expires_at=None if d is None else now + d,
                ),
            )  # fmt: skip

    def is_corrected(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        account = self.known[name].account
        for amount, days in (("-3.123456789", 66), ("0.07", 290)):
            self.then(
                at + days * DAY,
                lambda now, a=amount: InvoiceItem.objects.create(  # type: ignore[misc]
                    account=account,
                    description="Correction",
                    amount=Decimal(a),
                    created_at=now,
                    actor="staff",
                ),
            )

    def changes_cycle(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.change(name, "metered", YEARLY, at=at + 55 * DAY)
        self.change(name, "metered", MONTHLY, at=at + 350 * DAY)


def usage_of_everybody(customers: Customers) -> Callable[[datetime], None]:
    """At each step some customers call: now, a little late, or weeks late; some costs are reported."""
    turns = iter(range(1_000_000))

    def call(now: datetime) -> None:
        turn, names = next(turns), sorted(customers.known)
        events = []
        for place in range(turn % 3, len(names), 3):
            number = turn * 1000 + place
            late = timedelta(days=(0, 0, 1, 0, 23)[number % 5])
            said = ReportedCost(source="provider", amount=f"0.0{number % 97:02d}1")
            cost = None if number % 7 else said
            tokens = 500 + number * 37 % 20_000
            events.append(
                an_event(f"e{number}", subject=names[place], at=now - late, input_tokens=tokens, cost=cost)
            )
        if events:
            assert all(outcome.cost is not None for outcome in record(*events, at=now))

    return call


def change_prices(world: Simulation) -> None:
    """gpt-4o becomes cheaper and dearer in the middle of everybody's periods; plans get new versions."""
    for month, price in ((4, "0.0000021"), (9, "0.0000033"), (16, "0.000001")):
        at = JANUARY + timedelta(days=30 * month + 9, hours=5)
        world.plan(
            at,
            lambda now, p=price: pricebook.add(  # type: ignore[misc]
                by=None, at=now, provider="openai", model_name="gpt-4o", effective_from=now,
                cost_per_input_token=Decimal(p), cost_per_output_token=Decimal("0.00001"),
            ),
        )  # fmt: skip
    world.plan(
        JANUARY + 200 * DAY,
        lambda now: a_version(
            the_plan("metered"), CALLS, price="83", at=now, included_usage=Decimal("0.08"),
            overage_policy="bill", overage_markup_percent=Decimal(9), max_monthly_cost=Decimal("0.4"),
        ),
    )  # fmt: skip


def test_two_years_of_invoices_are_proved_and_each_row_of_the_log_is_billed_once() -> None:
    prepare()
    sell()
    world = Simulation(begins=JANUARY, away=OUTAGE, tasks=(*TASKS, *BILLING_TASKS), beat=BEAT)
    customers = Customers(world)
    for number in range(ACCOUNTS):
        customers.begin(number)
    change_prices(world)

    world.run(until=END, after_each_beat=lambda now: None, at_every_step=usage_of_everybody(customers))

    accounts = list(Account.objects.order_by("id"))
    assert len(accounts) == ACCOUNTS + 1
    for account in accounts:
        charged = billed(account)
        assert charged.fees == fees_due(account, until=last_close(account)), account
        assert charged.usage == overage_due(account), account
        items = InvoiceItem.objects.filter(account=account, actor="staff")
        given = sum(items.values_list("amount", flat=True), Decimal(0))
        assert charged.other + waiting(account) == given, account
    assert rows_not_billed_once(accounts) == []
    assert broken_invoices() == []
    invoices = BillingHistory.objects.select_related("account", "billing_period").order_by("id")
    assert [f"{each.number} {finding}" for each in invoices for finding in verify(each)] == []
    everything_happened()
    one_changed_row_is_named()


def last_close(account: Account) -> datetime:
    """Until when what the account owed must be on an invoice: its last closed period's end."""
    ended = BillingPeriod.objects.filter(account=account, closed_at__isnull=False).order_by("-period_end")
    last = ended.values_list("period_end", flat=True).first()
    return last or END


def everything_happened() -> None:
    """So that what was looked at was there to see."""
    kinds = set(InvoiceLine.objects.values_list("kind", flat=True))
    assert kinds == {
        "base_fee", "proration_credit", "proration_charge", "usage", "late_usage", "included",
        "above_maximum", "markup", "adjustment", "carried_over",
    }  # fmt: skip
    assert set(BillingHistory.objects.values_list("state", flat=True)) == {"open", "paid"}
    assert set(CreditEntry.objects.values_list("kind", flat=True)) >= {"granted", "applied", "expired"}
    assert SubscriptionChange.objects.filter(kind="resumed", amount_due__gt=0).exists()
    prices = InvoiceLine.objects.filter(kind="usage", model="gpt-4o").values("invoice", "price").distinct()
    assert prices.count() > prices.values("invoice").distinct().count()


def one_changed_row_is_named() -> None:
    """A hand in the log makes the proof fail, and the proof says where."""
    line = InvoiceLine.objects.filter(kind="usage", model="gpt-4o").order_by("-event_count")[0]
    invoice = line.invoice
    rows = APIUsageLog.objects.filter(billing_period_id=invoice.billing_period_id, price_id=line.price_id)
    row = rows.order_by("id")[1]
    APIUsageLog.objects.filter(pk=row.pk, account=row.account_id).update(cost=row.cost + Decimal("1e-18"))
    findings = list(verify(invoice))
    assert [finding.log_id for finding in findings if finding.log_id] == [row.pk]
    assert any(finding.position == line.position for finding in findings)
