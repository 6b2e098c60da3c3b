"""A clock that tests move, with the tasks of beat run as it goes, and what subscriptions then look like."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import count, pairwise

import time_machine

from subscriptions import entitlements
from subscriptions.core.states import ENDED
from subscriptions.models import LimitOverride, PlanVersion, SubscriptionChange, UserSubscription
from subscriptions.tasks import (
    close_billing_periods,
    expire_credits,
    expire_limit_overrides,
    invoice_subscription_changes,
    pause_exhausted_subscriptions,
    renew_subscriptions,
    resume_subscriptions,
    roll_out_plan_versions,
)
from usage.core.calendar import anchored_month
from usage.limits import LimitTerms
from usage.models import BillingPeriod, UsageLimit
from usage.tasks import expire_holds, open_billing_periods

# Every hour of the day comes up; in a year some three hundred acts are each preceded by a beat as well.
BEAT = timedelta(days=4, hours=5)
# In no order of importance: beat promises none.
TASKS = (
    roll_out_plan_versions,
    open_billing_periods,
    pause_exhausted_subscriptions,
    resume_subscriptions,
    renew_subscriptions,
    expire_limit_overrides,
    expire_holds,
)

BILLING_TASKS = (close_billing_periods, expire_credits, invoice_subscription_changes)

Act = Callable[[datetime], object]


class Simulation:
    """Things to do at instants; the tasks every four days and before each of them, none while `away`."""

    def __init__(
        self,
        *,
        begins: datetime,
        away: tuple[datetime, datetime],
        tasks: Sequence[Callable[[], None]] = TASKS,
        beat: timedelta = BEAT,
    ) -> None:
        self.now = begins
        self.away = away
        self.tasks = tasks
        self.beat = beat
        self.beats = 0
        self._agenda: list[tuple[datetime, int, Act]] = []
        self._order = count()

    def plan(self, at: datetime, act: Act) -> None:
        """Let `act` happen at that instant; it is given the time."""
        heapq.heappush(self._agenda, (at, next(self._order), act))

    def run(self, *, until: datetime, after_each_beat: Act, at_every_step: Act) -> None:
        """Let time pass; `at_every_step` as often, during the outage as well."""
        with time_machine.travel(self.now, tick=False) as clock:
            for at, act in self._instants(until):
                self.now = at
                clock.move_to(at)
                if not self.away[0] <= at < self.away[1]:
                    self._beat()
                    after_each_beat(at)
                (act or at_every_step)(at)

    def _instants(self, until: datetime) -> Iterator[tuple[datetime, Act | None]]:
        step = self.now
        while step < until:
            while self._agenda and self._agenda[0][0] <= step:
                at, _, act = heapq.heappop(self._agenda)
                yield at, act
            yield step, None
            step += self.beat

    def _beat(self) -> None:
        self.beats += 1
        for task in self.tasks:
            task()


def limits_not_as_sold() -> list[str]:
    """The accounts whose plan limits are not what their version sells, but for what is overridden."""
    overridden: dict[int, set[tuple[str, ...]]] = {}
    for override in LimitOverride.objects.filter(ended_at__isnull=True):
        overridden.setdefault(override.account_id, set()).add(entitlements.terms_of(override).key)
    found: dict[int, set[tuple[object, ...]]] = {}
    columns = ("measure", "scope", "scope_value", "window", "mode", "amount")
    for account, *limit in UsageLimit.objects.filter(source="plan").values_list("account_id", *columns):
        found.setdefault(account, set()).add(tuple(limit))
    wrong = []
    for subscription in UserSubscription.objects.select_related("account"):
        without = overridden.get(subscription.account_id, set())
        sold = limits_sold(subscription.plan_version_id)
        expected = {(*each.key, each.amount) for each in sold if each.key not in without}
        if found.get(subscription.account_id, set()) != expected:
            wrong.append(subscription.account.external_id)
    return wrong


@cache
def limits_sold(version_id: int) -> tuple[LimitTerms, ...]:
    """What a published version, which never changes, sells; ids are not given twice in a test database."""
    return tuple(entitlements.limit_terms(PlanVersion.objects.get(pk=version_id)))


def overdue(*, at: datetime) -> list[str]:
    """The subscriptions that something should have happened to by now."""
    running = UserSubscription.objects.exclude(state__in=[state.value for state in ENDED])
    late = running.filter(term_end__lte=at) | running.filter(resumes_at__lte=at)
    return list(late.values_list("account__external_id", flat=True))


def history_of(subscription: UserSubscription) -> list[SubscriptionChange]:
    """What happened to it, from the beginning on."""
    return list(SubscriptionChange.objects.filter(subscription=subscription).order_by("id"))


def gaps_in_history(subscription: UserSubscription) -> list[str]:
    """Where a change does not begin with what the one before it left; the last leads to the present."""
    changes = history_of(subscription)
    broken = []
    for before, after in pairwise(changes):
        left = (before.state_after, before.version_after_id, before.term_start, before.term_end)
        met = (after.state_before, after.version_before_id, after.term_before_start, after.term_before_end)
        if left != met or after.recorded_at < before.recorded_at:
            broken.append(f"{subscription.account}: {before} does not lead to {after}")
    last = changes[-1]
    present = (
        subscription.state, subscription.plan_version_id, subscription.term_start, subscription.term_end,
        subscription.billing_cycle, subscription.renewal_count,
    )  # fmt: skip
    told = (
        last.state_after, last.version_after_id, last.term_start, last.term_end, last.billing_cycle,
        last.renewal_count,
    )  # fmt: skip
    return broken if told == present else [*broken, f"{subscription.account}: {told} is not {present}"]


def lives_of(subscription: UserSubscription) -> list[list[SubscriptionChange]]:
    """Its changes from each start or reactivation on."""
    lives: list[list[SubscriptionChange]] = []
    for change in history_of(subscription):
        if change.kind in ("started", "reactivated"):
            lives.append([])
        lives[-1].append(change)
    return lives


def anchor_of(life: list[SubscriptionChange]) -> datetime:
    """What its terms are counted from: its beginning, or the end of its trial."""
    trial = [change.term_end for change in life if change.state_after == "trialing"]
    return trial[-1] if trial else life[0].at


def terms_that_do_not_tile(life: list[SubscriptionChange]) -> list[str]:
    """Where a term does not begin with the end of the one before, or with the running month of the anchor
    when a change at once chose another cycle; or does not end with one of the anchor's months.
    """
    anchor, wrong = anchor_of(life), []
    until = life[0].term_end
    if life[0].term_start != life[0].at:
        wrong.append(f"{life[0]} begins at {life[0].term_start}")
    for change in life:
        begins = change.term_start
        if change.kind == "renewed" and begins != until:
            wrong.append(f"{change}: a gap or overlap between {until} and {begins}")
        moved = (change.term_before_start, change.term_before_end) != (begins, change.term_end)
        if change.kind in ("upgraded", "downgraded") and moved:
            in_month = begins == anchored_month(anchor, change.at)[0] and change.at < until
            wrong += [] if in_month else [f"{change}: begins at {begins}"]
        # A trial lasts as long as it lasts; what it ends with is the anchor.
        trial = change.state_after == "trialing"
        if not trial and anchored_month(anchor, change.term_end)[0] != change.term_end:
            wrong.append(f"{change}: ends at {change.term_end}")
        until = change.term_end
    return wrong


def periods_that_do_not_tile(subscription: UserSubscription, *, at: datetime) -> list[str]:
    """Where the account's billing periods leave a gap, overlap, or begin with no month of the anchor."""
    periods = list(BillingPeriod.objects.filter(account=subscription.account_id).order_by("period_start"))
    wrong = [str(after) for before, after in pairwise(periods) if before.period_end != after.period_start]
    lives = lives_of(subscription)
    beginnings = [life[0].at for life in lives]
    if periods[0].period_start != beginnings[0] or not periods[-1].period_end > at:
        wrong.append(f"they last from {periods[0].period_start} to {periods[-1].period_end}")
    for period in periods:
        life = [each for each in lives if each[0].at <= period.period_start][-1]
        start = period.period_start
        if start not in beginnings and anchored_month(anchor_of(life), start)[0] != start:
            wrong.append(f"{period} begins with no month of {anchor_of(life)}")
    return [f"{subscription.account}: {each}" for each in wrong]
