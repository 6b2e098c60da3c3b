"""Workers killed in the middle of a renewal or a rollout: nothing half-written, the next sweep does it."""

import pytest
from django.db import OperationalError

from subscriptions import renewals, rollouts
from subscriptions.models import SubscriptionChange, UserSubscription, VersionRollout
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, a_user, an_account
from tests.support.concurrency import holding, kill_while_blocked
from tests.support.subscribing import a_plan, a_version, again, limit_amounts, start
from usage.core.calendar import months_after
from usage.models import BillingPeriod

LATER = months_after(NOW, 1)
CALLS = "calls"

pytestmark = pytest.mark.django_db(transaction=True)


def a_team(count: int) -> list[UserSubscription]:
    """That many subscriptions to one plan of 10 calls."""
    plan = a_plan("team", a_limit(10, name=CALLS))
    return [start(plan, account=an_account(f"account-{number}")) for number in range(count)]


def kinds() -> list[str]:
    return list(SubscriptionChange.objects.order_by("id").values_list("kind", flat=True))


def everything_of(subscription: UserSubscription) -> list[object]:
    return [
        UserSubscription.objects.filter(pk=subscription.pk).values().get(),
        kinds(),
        limit_amounts(subscription.account),
        list(BillingPeriod.objects.order_by("id").values()),
    ]


@pytest.mark.parametrize(
    "held",
    [
        "LOCK TABLE subscription_changes IN SHARE MODE",
        "SELECT FROM accounts FOR UPDATE",
        "SELECT FROM usage_limits FOR UPDATE",
    ],
    ids=["history", "account", "limits"],
)
def test_a_renewal_killed_between_two_effects_leaves_nothing_and_the_next_sweep_does_it(held: str) -> None:
    (subscription,) = a_team(1)
    a_version(subscription.plan, a_limit(20, name=CALLS))
    before = everything_of(subscription)

    with holding(held) as let_go:
        failure = kill_while_blocked(lambda: renewals.renew_due(at=LATER, limit=10))
        let_go()

    assert isinstance(failure, OperationalError)
    assert everything_of(subscription) == before
    assert renewals.renew_due(at=LATER, limit=10) == 1
    assert limit_amounts(subscription.account)[CALLS] == 20
    assert kinds() == ["started", "renewed"]


def test_a_sweep_killed_at_its_second_subscription_has_renewed_the_first() -> None:
    first, second = a_team(2)
    held = f"SELECT FROM accounts WHERE id = {second.account_id} FOR UPDATE"

    with holding(held) as let_go:
        failure = kill_while_blocked(lambda: renewals.renew_due(at=LATER, limit=10))
        let_go()

    assert isinstance(failure, OperationalError)
    assert (again(first).renewal_count, again(second).renewal_count) == (1, 0)
    assert renewals.renew_due(at=LATER, limit=10) == 1


def test_a_rollout_killed_in_the_middle_goes_on_where_it_was() -> None:
    first, second = a_team(2)
    rollouts.request(a_version(first.plan, a_limit(20, name=CALLS)), by=a_user(), at=NOW)

    with holding(f"SELECT FROM accounts WHERE id = {second.account_id} FOR UPDATE") as let_go:
        failure = kill_while_blocked(lambda: rollouts.advance(at=NOW, limit=10))
        let_go()

    assert isinstance(failure, OperationalError)
    assert VersionRollout.objects.get().applied == 1
    assert rollouts.advance(at=NOW, limit=10) == 1
    assert VersionRollout.objects.get().finished_at == NOW
