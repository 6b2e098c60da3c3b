"""Limits for one customer: with a reason, until they end."""

from datetime import timedelta

import pytest

from subscriptions import overrides, renewals
from subscriptions.models import LimitOverride, UserSubscription
from tests.support.authorizing import a_limit
from tests.support.cast import NOW
from tests.support.subscribing import TESTS, a_plan, limit_amounts, start
from usage.core.errors import Conflict, InvalidRequest
from usage.limits import LimitTerms

pytestmark = pytest.mark.django_db

MICROSECOND = timedelta(microseconds=1)
UNTIL = NOW + timedelta(days=3)
MORE = a_limit(99, name="more")


@pytest.fixture
def subscription() -> UserSubscription:
    """Acme, on a plan of 10 calls."""
    return start(a_plan("team", a_limit(10, name="calls")))


def add(subscription: UserSubscription, terms: LimitTerms = MORE, **options: object) -> LimitOverride:
    options = {"reason": "A good customer.", "by": TESTS, "at": NOW, **options}
    return overrides.add(subscription.account, terms, **options)  # type: ignore[arg-type]


def amounts(subscription: UserSubscription) -> dict[str, object]:
    known = dict(limit_amounts(subscription.account))
    del known["monthly_cost"]
    return dict(known)


def test_it_holds_until_it_is_ended_by_hand(subscription: UserSubscription) -> None:
    override = add(subscription)
    assert amounts(subscription) == {"more": 99}

    overrides.end(override, by=TESTS, at=UNTIL)

    assert amounts(subscription) == {"calls": 10}
    assert (override.ended_at, override.ended_by) == (UNTIL, "tests")


def test_it_ends_by_itself_at_its_end_and_not_before(subscription: UserSubscription) -> None:
    override = add(subscription, ends_at=UNTIL)

    assert renewals.expire_overrides(at=UNTIL - MICROSECOND, limit=10) == 0
    assert amounts(subscription) == {"more": 99}
    assert renewals.expire_overrides(at=UNTIL, limit=10) == 1

    override.refresh_from_db()
    assert (override.ended_at, override.ended_by) == (UNTIL, "system")
    assert amounts(subscription) == {"calls": 10}


def test_one_that_ended_late_is_dated_to_its_end(subscription: UserSubscription) -> None:
    override = add(subscription, ends_at=UNTIL)

    renewals.expire_overrides(at=UNTIL + timedelta(days=9), limit=10)

    override.refresh_from_db()
    assert override.ended_at == UNTIL


def test_one_without_an_end_is_never_over(subscription: UserSubscription) -> None:
    add(subscription)

    assert renewals.expire_overrides(at=NOW + timedelta(days=9999), limit=10) == 0


def test_a_sweep_ends_no_more_than_it_may_and_the_next_goes_on(subscription: UserSubscription) -> None:
    for window in ("minute", "hour", "day"):
        add(subscription, a_limit(5, name=window, window=window), ends_at=UNTIL)

    assert [renewals.expire_overrides(at=UNTIL, limit=2) for _ in range(3)] == [2, 1, 0]


def test_two_that_count_the_same_cannot_hold_at_once(subscription: UserSubscription) -> None:
    add(subscription)

    with pytest.raises(Conflict, match="end that one first") as refused:
        add(subscription, a_limit(5, name="other"))

    assert refused.value.error_code == "override_exists"
    assert amounts(subscription) == {"more": 99}


def test_after_it_has_ended_there_may_be_another(subscription: UserSubscription) -> None:
    overrides.end(add(subscription), by=TESTS, at=NOW)

    add(subscription, a_limit(0, name="none"))

    assert amounts(subscription) == {"none": 0}


def test_what_has_ended_cannot_end_again(subscription: UserSubscription) -> None:
    override = add(subscription)
    overrides.end(override, by=TESTS, at=NOW)

    with pytest.raises(Conflict, match="has ended already") as refused:
        overrides.end(override, by=TESTS, at=UNTIL)

    assert refused.value.error_code == "override_ended"
    assert LimitOverride.objects.get().ended_at == NOW


@pytest.mark.parametrize(
    ("terms", "options", "told"),
    [
        (MORE, {"reason": " "}, "reason: say why"),
        (MORE, {"ends_at": NOW}, "ends_at: choose a moment in the future"),
        (MORE, {"ends_at": NOW - MICROSECOND}, "ends_at"),
        (a_limit(-1, name="less"), {}, "The limit 'less': its amount must not be negative"),
        (a_limit(1, name="x", scope="provider", value="acme"), {}, "'acme' is not metered here"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(
    subscription: UserSubscription, terms: LimitTerms, options: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidRequest, match=told):
        add(subscription, terms, **options)

    assert not LimitOverride.objects.exists()
    assert amounts(subscription) == {"calls": 10}


def test_an_end_a_microsecond_away_is_an_end(subscription: UserSubscription) -> None:
    assert add(subscription, ends_at=NOW + MICROSECOND).ends_at == NOW + MICROSECOND


def test_unlimited_is_an_override_too(subscription: UserSubscription) -> None:
    add(subscription, a_limit(None, name="all"))

    assert amounts(subscription) == {"all": None}
