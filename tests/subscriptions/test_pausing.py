"""Plans that pause what has used up its included usage, until the billing period ends."""

from datetime import timedelta
from decimal import Decimal

import pytest

from subscriptions import lifecycle, overrides, renewals
from subscriptions.models import UserSubscription
from tests.support.authorizing import a_limit, ask, is_granted, limit
from tests.support.cast import NOW, an_event
from tests.support.recording import prepare, record
from tests.support.subscribing import TESTS, a_plan, again, start
from usage.core.calendar import months_after
from usage.core.errors import UsageLimitExceededException
from usage.events import ReportedCost
from usage.models import Account, LimitSource

pytestmark = pytest.mark.django_db

MICROSECOND = timedelta(microseconds=1)
OVER = months_after(NOW, 1)


@pytest.fixture
def subscription() -> UserSubscription:
    """Acme on a plan that includes 2 USD of usage and then pauses."""
    prepare()
    plan = a_plan("metered", included_usage=Decimal(2), overage_policy="pause")
    return start(plan, account=Account.objects.get(external_id="acme"))


def spend(amount: str) -> None:
    record(an_event(f"of {amount}", cost=ReportedCost(source="provider", amount=amount)))


def sweep(*, at: object = NOW) -> int:
    return renewals.pause_exhausted(at=at, limit=10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "paused"), [("1.999999999999999999", 0), ("2", 1), ("2.000000000000000001", 1)]
)
def test_it_is_paused_at_the_amount_and_not_below(
    subscription: UserSubscription, amount: str, paused: int
) -> None:
    spend(amount)

    assert sweep() == paused
    assert sweep() == 0
    assert again(subscription).state == ("paused" if paused else "active")


def test_a_paused_customer_is_told_until_when(subscription: UserSubscription) -> None:
    spend("2")
    sweep()

    with pytest.raises(UsageLimitExceededException, match=r"used up: .* paused until 2026-04-15 12:00 UTC"):
        ask()


def test_it_resumes_with_the_next_period_in_which_everything_is_included_again(
    subscription: UserSubscription,
) -> None:
    spend("2")
    sweep()

    assert renewals.resume_due(at=OVER - MICROSECOND, limit=10) == 0
    renewals.renew_due(at=OVER, limit=10)
    assert renewals.resume_due(at=OVER, limit=10) == 1

    resumed = again(subscription)
    assert (resumed.state, resumed.renewal_count, resumed.term_fee) == ("active", 1, 30)
    assert sweep(at=OVER) == 0
    assert is_granted(at=OVER)


def test_a_term_that_begins_during_such_a_pause_is_charged_whole(subscription: UserSubscription) -> None:
    spend("2")
    sweep()

    renewals.renew_due(at=OVER, limit=10)

    assert (again(subscription).fee_waived, again(subscription).term_fee) == (False, 30)


def test_last_periods_usage_pauses_nobody(subscription: UserSubscription) -> None:
    spend("2")

    assert sweep(at=OVER) == 0


def test_a_budget_of_the_customers_own_is_not_the_included_usage(subscription: UserSubscription) -> None:
    limit(a_limit("1", "cost", name="own"), source=LimitSource.BUDGET)
    spend("1")

    assert sweep() == 0
    assert not is_granted()


def test_an_override_in_place_of_the_included_usage_is_what_counts(subscription: UserSubscription) -> None:
    overrides.add(subscription.account, a_limit("5", "cost", name="more"), reason="Sorry.", by=TESTS, at=NOW)
    spend("4")
    assert sweep() == 0
    spend("1")

    assert sweep() == 1


def test_other_plans_refuse_and_do_not_pause() -> None:
    prepare()
    plan = a_plan("blocking", included_usage=Decimal(2))
    start(plan, account=Account.objects.get(external_id="acme"))
    spend("2")

    assert sweep() == 0
    assert not is_granted()


def test_what_is_paused_by_hand_or_over_is_left_alone(subscription: UserSubscription) -> None:
    spend("2")
    lifecycle.pause(subscription, at=NOW, by=TESTS)

    assert sweep() == 0
    assert not again(subscription).paused_automatically
