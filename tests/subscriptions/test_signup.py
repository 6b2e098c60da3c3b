"""Sign-up: account, owner and first subscription together, or nothing at all."""

import pytest

from subscriptions import plans, signup
from subscriptions.models import SubscriptionChange, SubscriptionPlan, UserSubscription
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, a_user, an_account
from tests.support.subscribing import TESTS, a_plan, limit_amounts
from usage.core.errors import Conflict, InvalidRequest
from usage.models import Account, Member

pytestmark = pytest.mark.django_db


def sign_up(external_id: str = "new", **options: object) -> Account:
    return signup.sign_up(external_id=external_id, name="New", at=NOW, by=TESTS, **options)  # type: ignore[arg-type]


def a_default_plan(**terms: object) -> SubscriptionPlan:
    plan = a_plan("free", a_limit(10, name="calls"), price="0", **terms)  # type: ignore[arg-type]
    SubscriptionPlan.objects.filter(pk=plan.pk).update(is_default=True)
    return plan


def test_a_new_account_begins_on_the_default_plan_with_its_owner() -> None:
    plan, owner = a_default_plan(), a_user()

    account = sign_up(owner=owner)

    subscription = UserSubscription.objects.get()
    assert (subscription.account, subscription.plan, subscription.term_start) == (account, plan, NOW)
    assert Member.objects.get().role == "owner"
    assert limit_amounts(account) == {"calls": 10, "monthly_cost": None}
    assert SubscriptionChange.objects.get().reason == "Sign-up."


def test_the_default_plans_trial_begins_with_it() -> None:
    a_default_plan(trial_days=7)

    sign_up()

    assert UserSubscription.objects.get().state == "trialing"


def test_an_account_may_have_no_owner_yet() -> None:
    a_default_plan()

    sign_up()

    assert not Member.objects.exists()


@pytest.mark.parametrize("published", [True, False])
def test_without_a_default_plan_that_is_sold_there_is_no_subscription(published: bool) -> None:
    if published:
        a_plan("team")
    else:
        SubscriptionPlan.objects.create(key="free", name="Free", is_default=True)

    account = sign_up()

    assert plans.default_plan() is None
    assert not UserSubscription.objects.exists()
    assert limit_amounts(account) == {}


def test_an_id_that_is_taken_is_a_conflict_and_leaves_nothing() -> None:
    a_default_plan()
    an_account("new")

    with pytest.raises(Conflict, match="There is an account 'new' already") as refused:
        sign_up(owner=a_user())

    assert refused.value.error_code == "account_exists"
    assert (Account.objects.count(), Member.objects.count(), UserSubscription.objects.count()) == (1, 0, 0)


@pytest.mark.parametrize(
    ("external_id", "fine"),
    [("", False), ("x", True), ("x" * 128, True), ("x" * 129, False), ("a\x00b", False)],
)
def test_an_id_has_between_1_and_128_characters(external_id: str, fine: bool) -> None:
    if fine:
        assert sign_up(external_id).external_id == external_id
        return
    with pytest.raises(InvalidRequest, match="between 1 and 128 characters"):
        sign_up(external_id)

    assert not Account.objects.exists()
