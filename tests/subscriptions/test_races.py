"""Subscriptions that several change at once: each thing happens once, no call sees an account unlimited."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from subscriptions import changes, lifecycle, overrides, plans, renewals, rollouts, signup
from subscriptions.actors import SYSTEM
from subscriptions.models import (
    LimitOverride,
    PlanVersion,
    SubscriptionChange,
    SubscriptionPlan,
    UserSubscription,
    VersionRollout,
)
from tests.support.authorizing import a_limit, counters, is_granted, settle
from tests.support.authorizing import ask as ask_for_one
from tests.support.cast import NOW, a_user, an_account
from tests.support.invariants import broken_invariants
from tests.support.racing import crowd, together, watched
from tests.support.recording import prepare
from tests.support.subscribing import (
    MONTHLY,
    TESTS,
    YEARLY,
    a_plan,
    a_version,
    again,
    limit_amounts,
    start,
)
from usage.core.calendar import months_after
from usage.core.errors import Conflict, UsageLimitExceededException
from usage.models import Account, BillingPeriod, Member

WORKERS = 4
LATER = months_after(NOW, 1)
CALLS = "calls"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def one_crowd_at_a_time() -> Iterator[None]:
    with crowd():
        yield


def by_workers(act: Callable[[], object], *, count: int = WORKERS) -> list[object]:
    return together(*[act] * count)


def outcome(act: Callable[[], object]) -> str:
    """How it went: "done", or the code of the conflict it met."""
    try:
        act()
    except Conflict as conflict:
        return conflict.error_code
    return "done"


def kinds() -> list[str]:
    return list(SubscriptionChange.objects.order_by("id").values_list("kind", flat=True))


def a_team(count: int = 6, **terms: object) -> list[UserSubscription]:
    """That many subscriptions to one plan of 10 calls."""
    plan = a_plan("team", a_limit(10, name=CALLS), **terms)  # type: ignore[arg-type]
    return [start(plan, account=an_account(f"account-{number}")) for number in range(count)]


# --- The clock, twice at once ---


def test_racing_sweeps_renew_every_term_of_everybody_once() -> None:
    team = a_team()
    over = months_after(NOW, 3)

    ended = by_workers(lambda: renewals.renew_due(at=over, limit=100))
    ended.append(renewals.renew_due(at=over, limit=100))

    assert sum(map(int, ended)) == 3 * len(team)  # type: ignore[call-overload]
    assert kinds().count("renewed") == 3 * len(team)
    assert {again(each).renewal_count for each in team} == {3}
    assert broken_invariants() == []


def test_racing_sweeps_end_every_trial_once() -> None:
    team = a_team(trial_days=14)
    over = NOW + timedelta(days=14)

    by_workers(lambda: renewals.renew_due(at=over, limit=100))
    renewals.renew_due(at=over, limit=100)

    assert kinds().count("renewed") == len(team)
    assert {again(each).state for each in team} == {"active"}


def test_racing_sweeps_resume_once() -> None:
    team = a_team()
    for each in team:
        lifecycle.pause(each, at=NOW, by=TESTS, resumes_at=LATER - timedelta(days=1))

    resumed = by_workers(lambda: renewals.resume_due(at=LATER, limit=100))
    resumed.append(renewals.resume_due(at=LATER, limit=100))

    assert sum(map(int, resumed)) == len(team) == kinds().count("resumed")  # type: ignore[call-overload]


def test_racing_sweeps_end_an_override_once() -> None:
    accounts = [each.account for each in a_team()]
    for account in accounts:
        overrides.add(account, a_limit(99, name="more"), reason="Test.", by=TESTS, at=NOW, ends_at=LATER)

    ended = by_workers(lambda: renewals.expire_overrides(at=LATER, limit=100))
    ended.append(renewals.expire_overrides(at=LATER, limit=100))

    assert sum(map(int, ended)) == len(accounts)  # type: ignore[call-overload]
    assert set(LimitOverride.objects.values_list("ended_at", "ended_by")) == {(LATER, "system")}
    assert [limit_amounts(account)[CALLS] for account in accounts] == [10] * len(accounts)


def test_racing_sweeps_pause_what_is_used_up_once() -> None:
    team = a_team(included_usage=Decimal(0), overage_policy="pause")

    by_workers(lambda: renewals.pause_exhausted(at=NOW, limit=100))
    renewals.pause_exhausted(at=NOW, limit=100)

    assert kinds().count("paused") == len(team)


def test_racing_workers_roll_a_version_out_once() -> None:
    team = a_team()
    version = a_version(team[0].plan, a_limit(20, name=CALLS))
    rollouts.request(version, by=a_user(), at=NOW)

    by_workers(lambda: rollouts.advance(at=NOW, limit=100))
    rollouts.advance(at=NOW, limit=100)

    rollout = VersionRollout.objects.get()
    assert kinds().count("version_applied") == len(team) == rollout.applied
    assert rollout.finished_at == NOW
    assert {limit_amounts(each.account)[CALLS] for each in team} == {20}


def test_a_rollout_passes_over_whoever_leaves_the_plan_meanwhile() -> None:
    team = a_team(8)
    large = a_plan("large", price="50")
    version = a_version(team[0].plan, a_limit(20, name=CALLS))
    rollouts.request(version, by=a_user(), at=NOW)

    def leave() -> None:
        for each in reversed(team):
            changes.change_plan(each, plan=large, cycle=MONTHLY, at=NOW, by=TESTS)

    together(leave, lambda: rollouts.advance(at=NOW, limit=100), lambda: rollouts.advance(at=NOW, limit=100))
    rollouts.advance(at=NOW, limit=100)

    assert {again(each).plan for each in team} == {large}
    assert kinds().count("version_applied") == VersionRollout.objects.get().applied
    assert VersionRollout.objects.get().finished_at == NOW


def test_two_requests_for_a_rollout_are_one() -> None:
    team = a_team(1)
    version, staff = a_version(team[0].plan, a_limit(20, name=CALLS)), a_user()

    met = by_workers(lambda: outcome(lambda: rollouts.request(version, by=staff, at=NOW)))

    assert sorted(map(str, met)) == ["conflict"] * (WORKERS - 1) + ["done"]


# --- Customers and staff, twice at once ---


def test_two_starts_make_one_subscription() -> None:
    plan, account = a_plan("team", a_limit(10, name=CALLS)), an_account()

    met = by_workers(lambda: outcome(lambda: start(plan, account=account)))

    assert sorted(map(str, met)) == ["done"] + ["subscription_exists"] * (WORKERS - 1)
    assert kinds() == ["started"]
    assert BillingPeriod.objects.filter(account=account).count() == 1
    assert limit_amounts(account)[CALLS] == 10


def test_two_upgrades_charge_once() -> None:
    (subscription,) = a_team(1)
    large = a_plan("large", price="50")

    def upgrade() -> None:
        changes.change_plan(subscription, plan=large, cycle=MONTHLY, at=NOW, by=TESTS)

    by_workers(upgrade)

    upgraded = SubscriptionChange.objects.filter(kind="upgraded")
    assert [change.amount_due for change in upgraded] == [20]


def test_an_upgrade_beside_a_renewal_is_charged_for_one_term_or_the_other() -> None:
    team = a_team(8)
    large = a_plan("large", a_limit(50, name=CALLS), price="50")

    def upgrade() -> None:
        for each in team:
            changes.change_plan(each, plan=large, cycle=MONTHLY, at=LATER, by=TESTS)

    together(upgrade, *[lambda: renewals.renew_due(at=LATER, limit=100)] * 3)
    renewals.renew_due(at=LATER, limit=100)

    for each in team:
        now = again(each)
        due = [change.amount_due for change in SubscriptionChange.objects.filter(subscription=each)]
        assert (now.plan, now.term_start, now.renewal_count) == (large, LATER, 1)
        assert sum(due) == 30 + 50
        assert limit_amounts(now.account)[CALLS] == 50


def test_a_pause_beside_a_renewal_waives_the_term_or_pauses_one_that_is_paid() -> None:
    team = a_team(8)

    def pause() -> None:
        for each in reversed(team):
            lifecycle.pause(each, at=LATER, by=TESTS)

    together(pause, *[lambda: renewals.renew_due(at=LATER, limit=100)] * 3)
    renewals.renew_due(at=LATER, limit=100)

    for each in team:
        now = again(each)
        assert (now.state, now.paused_from, now.renewal_count) == ("paused", "active", 1)
        assert (now.fee_waived, now.term_fee) in {(True, 0), (False, 30)}
        assert Account.objects.get(pk=now.account_id).suspended_reason != ""
    assert sorted(kinds()) == ["paused"] * 8 + ["renewed"] * 8 + ["started"] * 8


def test_a_cancellation_beside_a_change_of_plan_leaves_what_the_last_one_wanted() -> None:
    team = a_team(8)
    large = a_plan("large", a_limit(50, name=CALLS), price="50")

    def cancel() -> None:
        for each in team:
            lifecycle.cancel(each, at=NOW, by=TESTS, at_term_end=False)

    def upgrade() -> list[str]:
        return [
            outcome(lambda e=each: changes.change_plan(e, plan=large, cycle=YEARLY, at=NOW, by=TESTS))  # type: ignore[misc]
            for each in reversed(team)
        ]

    together(cancel, upgrade)

    assert {again(each).state for each in team} == {"canceled"}
    assert all(Account.objects.get(pk=each.account_id).suspended_reason for each in team)


def test_signing_up_for_one_id_makes_one_account() -> None:
    SubscriptionPlan.objects.filter(pk=a_plan("team", a_limit(10, name=CALLS)).pk).update(is_default=True)
    owner = a_user()

    met = by_workers(
        lambda: outcome(lambda: signup.sign_up(external_id="new", name="New", at=NOW, by=SYSTEM, owner=owner))
    )

    assert sorted(map(str, met)) == ["account_exists"] * (WORKERS - 1) + ["done"]
    assert (Account.objects.count(), Member.objects.count(), kinds()) == (1, 1, ["started"])


def test_a_version_is_published_once() -> None:
    draft = plans.draft_of(a_plan(), by=TESTS, at=NOW)

    met = by_workers(
        lambda: outcome(lambda: plans.publish(PlanVersion.objects.get(pk=draft.pk), by=TESTS, at=NOW))
    )

    assert sorted(map(str, met)) == ["done"] + ["version_published"] * (WORKERS - 1)


def test_two_who_begin_to_edit_get_the_same_draft() -> None:
    plan = a_plan("team", a_limit(10, name=CALLS))

    drafts = by_workers(lambda: plans.draft_of(plan, by=TESTS, at=NOW).pk)

    assert len(set(drafts)) == 1
    assert [(each.number, each.limits.count()) for each in plan.versions.all()] == [(2, 1), (1, 1)]


def test_two_overrides_of_the_same_are_one() -> None:
    account = an_account()

    def add() -> None:
        overrides.add(account, a_limit(5, name="less"), reason="Test.", by=TESTS, at=NOW)

    assert sorted(map(str, by_workers(lambda: outcome(add)))) == ["done"] + ["override_exists"] * (
        WORKERS - 1
    )
    assert limit_amounts(account) == {"less": 5}


# --- Calls in the middle of it ---


def test_calls_during_changes_of_plan_see_the_old_limits_or_the_new_never_none() -> None:
    """Either plan allows 40 calls at most: an instant without limits would let a 41st through."""
    prepare()
    small = a_plan("small", a_limit(40, name=CALLS), price="10", included_usage=Decimal(1))
    large = a_plan(
        "large", a_limit(40, scope="provider", value="openai"), a_limit(40, "calls", "day"), price="50"
    )
    subscription = start(small, account=Account.objects.get(external_id="acme"))

    def change() -> None:
        for turn in range(10):
            plan = small if turn % 2 else large
            changes.change_plan(
                subscription, plan=plan, cycle=MONTHLY, at=NOW, by=TESTS, when=changes.Timing.NOW
            )

    def call(number: int) -> Callable[[], int]:
        def over_and_over() -> int:
            granted = 0
            for turn in range(20):
                try:
                    authorized = ask_for_one()
                except UsageLimitExceededException:
                    continue
                granted += 1
                if (number + turn) % 2:
                    settle(authorized)
            return granted

        return over_and_over

    with watched() as seen:
        answers = together(change, *map(call, range(6)))  # type: ignore[arg-type]

    assert seen.fewest_limits == 2
    assert sum(answer or 0 for answer in answers[1:]) == 40
    assert again(subscription).plan == small
    assert counters(CALLS) in [(used, 40 - used) for used in range(41)]
    assert broken_invariants() == []


def test_calls_beside_a_pause_are_granted_before_it_or_not_at_all() -> None:
    prepare()
    subscription = start(
        a_plan("team", a_limit(None, name=CALLS)), account=Account.objects.get(external_id="acme")
    )

    together(
        lambda: lifecycle.pause(subscription, at=NOW, by=TESTS),
        *[lambda: [is_granted() for _ in range(10)]] * 4,  # type: ignore[list-item]
    )

    assert not is_granted()
    lifecycle.resume(subscription, at=NOW, by=TESTS)
    assert is_granted()
    assert broken_invariants() == []
