"""A version for everybody who is subscribed: who gets it, who does not, and how it goes on."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from subscriptions import lifecycle, plans, renewals, rollouts
from subscriptions.models import SubscriptionChange, UserSubscription, VersionRollout
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, a_user, an_account
from tests.support.subscribing import TESTS, a_plan, a_version, again, limit_amounts, start
from usage.core.errors import Conflict, InvalidRequest

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def staff() -> User:
    return a_user("staff")


@pytest.fixture
def team() -> list[UserSubscription]:
    """Three subscriptions to a plan of 10 calls for 30 USD."""
    plan = a_plan("team", a_limit(10, name="calls"))
    return [start(plan, account=an_account(name)) for name in ("acme", "globex", "initech")]


def calls_of(team: list[UserSubscription]) -> list[object]:
    return [limit_amounts(each.account)["calls"] for each in team]


def test_everybody_gets_its_limits_at_once_and_its_price_with_the_next_term(
    team: list[UserSubscription], staff: User
) -> None:
    version = a_version(team[0].plan, a_limit(20, name="calls"), price="40")
    rollout = rollouts.request(version, by=staff, at=NOW, reason="More for all.")

    assert rollouts.advance(at=LATER, limit=10) == 3

    rollout.refresh_from_db()
    assert (rollout.wanted, rollout.applied, rollout.finished_at) == (3, 3, LATER)
    assert calls_of(team) == [20, 20, 20]
    assert {again(each).term_fee for each in team} == {30}
    renewals.renew_due(at=team[0].term_end, limit=10)
    assert {again(each).term_fee for each in team} == {40}


def test_the_history_says_who_wanted_it_and_why(team: list[UserSubscription], staff: User) -> None:
    rollouts.request(a_version(team[0].plan), by=staff, at=NOW, reason="More for all.")

    rollouts.advance(at=LATER, limit=10)

    change = SubscriptionChange.objects.filter(subscription=team[0]).latest("id")
    assert (change.kind, change.actor, change.actor_user) == ("version_applied", "staff", staff)
    assert (change.reason, change.at) == ("More for all.", LATER)


def test_each_run_does_what_it_may_and_the_next_goes_on(team: list[UserSubscription], staff: User) -> None:
    rollouts.request(a_version(team[0].plan, a_limit(20, name="calls")), by=staff, at=NOW)

    assert rollouts.advance(at=NOW, limit=2) == 2
    assert (calls_of(team), VersionRollout.objects.get().finished_at) == ([20, 20, 10], None)
    assert rollouts.advance(at=LATER, limit=2) == 1

    assert VersionRollout.objects.get().finished_at == LATER
    assert rollouts.advance(at=LATER, limit=2) == 0


def test_who_has_ended_keeps_what_it_was(team: list[UserSubscription], staff: User) -> None:
    lifecycle.cancel(team[0], at=NOW, by=TESTS, at_term_end=False)
    rollout = rollouts.request(a_version(team[0].plan, a_limit(20, name="calls")), by=staff, at=NOW)

    rollouts.advance(at=NOW, limit=10)

    assert (rollout.wanted, calls_of(team)) == (2, [10, 20, 20])


def test_who_is_paused_gets_it_and_stays_paused(team: list[UserSubscription], staff: User) -> None:
    lifecycle.pause(team[0], at=NOW, by=TESTS)
    rollouts.request(a_version(team[0].plan, a_limit(20, name="calls")), by=staff, at=NOW)

    rollouts.advance(at=NOW, limit=10)

    assert (again(team[0]).state, calls_of(team)) == ("paused", [20, 20, 20])


def test_another_plans_subscribers_are_not_affected(team: list[UserSubscription], staff: User) -> None:
    other = start(a_plan("other", a_limit(5, name="calls")), account=an_account("umbrella"))
    rollouts.request(a_version(team[0].plan, a_limit(20, name="calls")), by=staff, at=NOW)

    rollouts.advance(at=NOW, limit=10)

    assert calls_of([other]) == [5]


def test_two_plans_versions_go_out_side_by_side(team: list[UserSubscription], staff: User) -> None:
    other = start(a_plan("other", a_limit(5, name="calls")), account=an_account("umbrella"))
    for plan in (team[0].plan, other.plan):
        rollouts.request(a_version(plan, a_limit(20, name="calls")), by=staff, at=NOW)

    assert [rollouts.advance(at=NOW, limit=3) for _ in range(3)] == [3, 1, 0]

    assert calls_of([*team, other]) == [20, 20, 20, 20]


def test_a_draft_cannot_go_out(team: list[UserSubscription], staff: User) -> None:
    draft = plans.draft_of(team[0].plan, by=TESTS, at=NOW)

    with pytest.raises(InvalidRequest, match="is a draft"):
        rollouts.request(draft, by=staff, at=NOW)


def test_a_version_that_everybody_has_cannot_go_out(team: list[UserSubscription], staff: User) -> None:
    with pytest.raises(InvalidRequest, match="Every subscriber of Team has Team v1 already"):
        rollouts.request(team[0].plan_version, by=staff, at=NOW)

    assert not VersionRollout.objects.exists()


def test_one_version_of_a_plan_goes_out_at_a_time(team: list[UserSubscription], staff: User) -> None:
    plan = team[0].plan
    rollouts.request(a_version(plan), by=staff, at=NOW)
    third = a_version(plan, price="31")

    with pytest.raises(Conflict, match="on its way"):
        rollouts.request(third, by=staff, at=NOW)
    rollouts.advance(at=NOW, limit=10)

    assert rollouts.request(third, by=staff, at=NOW).wanted == 3
