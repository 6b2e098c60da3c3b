"""Fourteen months of many subscriptions, by a moved clock and the tasks of beat; three days without them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle as around

import pytest

from subscriptions import changes, lifecycle, overrides, rollouts
from subscriptions.core.terms import BillingCycle
from subscriptions.models import SubscriptionChange, UserSubscription, VersionRollout
from tests.support.authorizing import a_limit, an_operation, ask, settle
from tests.support.cast import a_user, an_account, an_event
from tests.support.invariants import broken_invariants
from tests.support.paying import a_card
from tests.support.recording import prepare, record
from tests.support.simulated_time import (
    BEAT,
    Simulation,
    gaps_in_history,
    history_of,
    limits_not_as_sold,
    lives_of,
    overdue,
    periods_that_do_not_tile,
    terms_that_do_not_tile,
)
from tests.support.subscribing import MONTHLY, TESTS, YEARLY, a_plan, a_version, again, the_plan
from tests.support.worlds import of_many_months
from usage.core.errors import UsageLimitExceededException
from usage.events import ReportedCost
from usage.models import Account, BillingPeriod

JANUARY = datetime(2028, 1, 1, tzinfo=UTC)
LEAP_DAY = datetime(2028, 2, 29, 17, 5, tzinfo=UTC)
OUTAGE = (datetime(2028, 6, 29, 12, tzinfo=UTC), datetime(2028, 7, 2, 12, tzinfo=UTC))
NEW_VERSION_AT = datetime(2028, 5, 10, 3, tzinfo=UTC)
ROLLED_OUT_AT = datetime(2028, 8, 20, 15, tzinfo=UTC)
END = datetime(2029, 3, 3, tzinfo=UTC)
DAY = timedelta(days=1)
CALLS, COST = a_limit(400, name="calls"), a_limit("90", "cost", window="day", name="cost_a_day")

# In one transaction every version of every row would be kept, and read past, to the end.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def many_months(transactional_db: None) -> Iterator[None]:
    with of_many_months():
        yield


def sell() -> None:
    """Plans of one price after the other; one tries for two weeks and converts, one does not."""
    a_plan("small", CALLS, price="10")
    a_plan("large", CALLS, COST, price="50")
    a_plan("tried", CALLS, price="20", trial_days=14)
    a_plan("tasted", CALLS, price="20", trial_days=45, trial_converts=False)
    a_plan("metered", CALLS, price="30", included_usage=Decimal("2"), overage_policy="pause")


class Stories:
    """What becomes of each subscription; every story is told with several anchors and both cycles."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.known: dict[str, UserSubscription] = {}
        self.told = around([
            self.goes_on, self.is_tried, self.is_tasted, self.rises, self.falls, self.ends_at_once,
            self.ends_with_its_term, self.rests, self.changes_its_cycle, self.is_paused_when_used_up,
            self.has_an_override, self.pays_late,
        ])  # fmt: skip

    def begin(self, at: datetime, cycle: BillingCycle) -> None:
        name = f"{at:%m-%d}-{cycle.value}"
        a_card(an_account(name), at=at)
        self.world.plan(at, lambda now: next(self.told)(name, now, cycle))

    def starts(self, name: str, key: str, at: datetime, cycle: BillingCycle) -> None:
        account = Account.objects.get(external_id=name)
        self.known[name] = changes.subscribe(account, plan=the_plan(key), cycle=cycle, at=at, by=TESTS)

    def changes_to(self, name: str, key: str, cycle: BillingCycle, *, at: datetime) -> None:
        account = self.known[name].account
        self.world.plan(
            at, lambda now: changes.subscribe(account, plan=the_plan(key), cycle=cycle, at=now, by=TESTS)
        )

    def goes_on(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "small", at, cycle)

    def is_tried(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "tried", at, cycle)
        subscription = self.known[name]
        longer = subscription.term_end + 9 * DAY
        self.world.plan(
            at + 5 * DAY,
            lambda now: lifecycle.extend_trial(subscription, ends_at=longer, at=now, by=TESTS),
        )

    def is_tasted(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "tasted", at, cycle)
        self.changes_to(name, "small", cycle, at=at + 100 * DAY)

    def rises(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "small", at, cycle)
        self.changes_to(name, "large", cycle, at=at + 130 * DAY)

    def falls(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "large", at, cycle)
        self.changes_to(name, "small", cycle, at=at + 70 * DAY)

    def ends_at_once(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "large", at, cycle)
        subscription = self.known[name]
        self.world.plan(
            at + 151 * DAY,
            lambda now: lifecycle.cancel(subscription, at=now, by=TESTS, at_term_end=False),
        )
        other = MONTHLY if cycle is YEARLY else YEARLY
        self.changes_to(name, "small", other, at=at + 200 * DAY + timedelta(hours=5))

    def ends_with_its_term(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "small", at, cycle)
        subscription = self.known[name]
        self.world.plan(at + 80 * DAY, lambda now: lifecycle.cancel(subscription, at=now, by=TESTS))
        self.changes_to(name, "large", MONTHLY, at=at + 380 * DAY)

    def rests(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "small", at, cycle)
        subscription = self.known[name]
        # From before the outage until within it, over at least one end of a month.
        self.world.plan(
            datetime(2028, 5, 20, 7, tzinfo=UTC),
            lambda now: lifecycle.pause(subscription, at=now, by=TESTS, resumes_at=OUTAGE[0] + DAY),
        )

    def changes_its_cycle(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "small", at, cycle)
        self.changes_to(name, "small", YEARLY, at=at + 40 * DAY)
        self.changes_to(name, "small", MONTHLY, at=at + 75 * DAY)

    def is_paused_when_used_up(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "metered", at, cycle)
        cost = ReportedCost(source="provider", amount="2.5")
        for number, days in enumerate((33, 170)):
            self.world.plan(
                at + days * DAY,
                lambda now, n=number: record(an_event(f"dear-{n}", subject=name, at=now, cost=cost), at=now),  # type: ignore[misc]
            )

    def has_an_override(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "small", at, cycle)
        account = self.known[name].account
        for terms, until in ((a_limit(900, name="more"), OUTAGE[0] + DAY), (COST, at + 250 * DAY)):
            self.world.plan(
                at + 61 * DAY,
                lambda now, t=terms, u=until: overrides.add(  # type: ignore[misc]
                    account, t, reason="Test.", by=TESTS, at=now, ends_at=u
                ),
            )

    def pays_late(self, name: str, at: datetime, cycle: BillingCycle) -> None:
        self.starts(name, "small", at, cycle)
        subscription = self.known[name]
        self.world.plan(at + 31 * DAY, lambda now: lifecycle.payment_failed(subscription, at=now, by=TESTS))
        self.world.plan(at + 90 * DAY, lambda now: lifecycle.payment_received(subscription, at=now, by=TESTS))


def sell_new_versions(world: Simulation) -> None:
    """New terms for those who renew, later others for all."""

    def for_new_terms(now: datetime) -> None:
        a_version(the_plan("small"), a_limit(300, name="calls"), price="12", at=now)
        a_version(the_plan("large"), a_limit(800, name="calls"), COST, price="55", at=now)

    def for_all(now: datetime) -> None:
        version = a_version(the_plan("small"), a_limit(350, name="calls"), COST, price="13", at=now)
        rollouts.request(version, by=a_user("staff"), at=now)

    world.plan(NEW_VERSION_AT, for_new_terms)
    world.plan(ROLLED_OUT_AT, for_all)


def calls_of_everybody(stories: Stories) -> object:
    """At each step somebody reports a call and somebody asks for one: settled, or never heard of again."""
    turns = iter(range(1_000_000))

    def call(now: datetime) -> None:
        turn, names = next(turns), sorted(stories.known)
        if not names:
            return
        record(an_event(f"e{turn}", subject=names[turn % len(names)], at=now), at=now)
        name = names[(7 * turn + 3) % len(names)]
        try:
            granted = ask(an_operation(), customer=name, at=now)
        except UsageLimitExceededException:
            return
        if turn % 3:
            settle(granted, subject=name, at=now)

    return call


def test_a_year_leaves_no_gap_no_overlap_and_no_limit_that_was_not_sold() -> None:
    prepare()
    sell()
    world = Simulation(begins=JANUARY, away=OUTAGE)
    stories = Stories(world)
    for day in range(31):
        hour = timedelta(hours=day * 7 % 24, minutes=day)
        for cycle in (MONTHLY, YEARLY):
            stories.begin(JANUARY + day * DAY + hour, cycle)
    for cycle in (MONTHLY, YEARLY):
        stories.begin(LEAP_DAY, cycle)
    sell_new_versions(world)
    wrong: list[str] = []

    def look(now: datetime) -> None:
        wrong.extend(f"{now}: {name}" for name in (*limits_not_as_sold(), *overdue(at=now)))

    world.run(until=END, after_each_beat=look, at_every_step=calls_of_everybody(stories))  # type: ignore[arg-type]

    assert wrong == []
    subscriptions = [again(each) for each in stories.known.values()]
    assert len(subscriptions) == 64
    assert [gap for each in subscriptions for gap in gaps_in_history(each)] == []
    lives = [life for each in subscriptions for life in lives_of(each)]
    assert [gap for life in lives for gap in terms_that_do_not_tile(life)] == []
    assert [gap for each in subscriptions for gap in periods_that_do_not_tile(each, at=world.now)] == []
    assert broken_invariants(only_authorized=False) == []
    everything_happened(world, subscriptions)


def everything_happened(world: Simulation, subscriptions: list[UserSubscription]) -> None:
    """So that what was looked at was there to see."""
    kinds = set(SubscriptionChange.objects.values_list("kind", flat=True))
    assert kinds == {
        "started", "renewed", "upgraded", "version_applied", "change_scheduled", "cancel_scheduled",
        "trial_extended", "paused", "resumed", "payment_failed", "payment_received", "canceled", "expired",
        "reactivated",
    }  # fmt: skip
    rollout = VersionRollout.objects.get()
    applied = SubscriptionChange.objects.filter(kind="version_applied")
    assert rollout.finished_at is not None
    assert rollout.applied == applied.values("subscription").distinct().count() == applied.count() > 20
    caught_up = SubscriptionChange.objects.filter(kind="renewed", at__gte=OUTAGE[0], at__lt=OUTAGE[1])
    assert caught_up.exists()
    assert all(OUTAGE[1] <= each.recorded_at < OUTAGE[1] + BEAT for each in caught_up)
    goes_on = [each for each in subscriptions if each.account.external_id == "01-01-monthly"]
    assert [len(history_of(each)) for each in goes_on] == [1 + 14 + 1]
    assert BillingPeriod.objects.count() > 64 * 13
