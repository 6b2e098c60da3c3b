"""What the clock does to subscriptions: terms tile, trials end, pauses end, outages are caught up with."""

from datetime import UTC, datetime, timedelta

import pytest

from subscriptions import changes, lifecycle, renewals
from subscriptions.core.terms import BillingCycle
from subscriptions.models import ChangeKind, SubscriptionChange, UserSubscription
from tests.support.authorizing import a_limit
from tests.support.cast import NOW
from tests.support.concurrency import at_once
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

pytestmark = pytest.mark.django_db

MICROSECOND = timedelta(microseconds=1)
LAST_OF_JANUARY = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def renew(at: datetime) -> int:
    return renewals.renew_due(at=at, limit=100)


def changes_of(subscription: UserSubscription) -> list[tuple[str, str, str]]:
    rows = SubscriptionChange.objects.filter(subscription=subscription).order_by("id")
    return [(row.kind, f"{row.at:%m-%d %H:%M}", f"{row.amount_due.normalize():f}") for row in rows]


def terms_of(subscription: UserSubscription) -> list[tuple[datetime, datetime]]:
    rows = SubscriptionChange.objects.filter(subscription=subscription).order_by("id")
    return list(dict.fromkeys(rows.values_list("term_start", "term_end")))


def test_a_term_is_renewed_the_moment_it_is_over_and_not_before() -> None:
    subscription = start(a_plan())
    over = subscription.term_end

    assert renew(over - MICROSECOND) == 0
    assert renew(over) == 1
    assert renew(over) == 0

    renewed = again(subscription)
    assert (renewed.term_start, renewed.term_end) == (over, months_after(NOW, 2))
    assert renewed.renewal_count == 1


def test_terms_anchored_on_the_31st_return_to_it() -> None:
    subscription = start(a_plan(), at=LAST_OF_JANUARY)

    renew(datetime(2026, 5, 1, tzinfo=UTC))

    assert [f"{end:%m-%d}" for _, end in terms_of(subscription)] == ["02-28", "03-31", "04-30", "05-31"]


def test_months_nobody_swept_are_caught_up_with_one_by_one_dated_when_they_were_due() -> None:
    subscription = start(a_plan(), at=LAST_OF_JANUARY)

    assert renew(datetime(2026, 4, 3, tzinfo=UTC)) == 2

    assert changes_of(subscription) == [
        ("started", "01-31 09:30", "30"),
        ("renewed", "02-28 09:30", "30"),
        ("renewed", "03-31 09:30", "30"),
    ]


def test_a_yearly_term_lasts_twelve_months_and_costs_the_yearly_price() -> None:
    subscription = start(a_plan(), cycle=YEARLY, at=LAST_OF_JANUARY)

    assert renew(datetime(2026, 12, 31, tzinfo=UTC)) == 0
    renew(months_after(LAST_OF_JANUARY, 12))

    assert changes_of(subscription) == [("started", "01-31 09:30", "300"), ("renewed", "01-31 09:30", "300")]


def test_the_next_term_is_sold_the_version_published_by_then() -> None:
    plan = a_plan("team", a_limit(10, name="calls"))
    subscription = start(plan)
    a_version(plan, a_limit(20, name="calls"), price="40", at=NOW + timedelta(days=1))
    over = subscription.term_end
    a_version(plan, a_limit(30, name="calls"), price="50", at=over + timedelta(days=1))

    assert limit_amounts(subscription.account)["calls"] == 10
    renew(over + timedelta(days=2))

    assert limit_amounts(subscription.account)["calls"] == 20
    assert again(subscription).term_fee == 40


def test_a_scheduled_downgrade_happens_at_the_terms_end() -> None:
    large, small = a_plan("large", price="50"), a_plan("small", a_limit(1, name="calls"), price="10")
    subscription = start(large)
    changes.change_plan(subscription, plan=small, cycle=MONTHLY, at=NOW, by=TESTS)

    assert again(subscription).plan == large
    renew(subscription.term_end)

    now = again(subscription)
    assert (now.plan, now.pending_plan, now.term_fee) == (small, None, 10)
    assert limit_amounts(subscription.account)["calls"] == 1


def test_a_scheduled_cancellation_happens_at_the_terms_end() -> None:
    subscription = start(a_plan())
    lifecycle.cancel(subscription, at=NOW, by=TESTS)

    renew(subscription.term_end + timedelta(days=3))

    ended = again(subscription)
    assert (ended.state, ended.ended_at) == ("canceled", subscription.term_end)
    assert renew(subscription.term_end + timedelta(days=60)) == 0
    ended.account.refresh_from_db()
    assert "was canceled" in ended.account.suspended_reason


def test_a_trial_becomes_paid_at_its_end() -> None:
    subscription = start(a_plan(trial_days=14))
    ends = NOW + timedelta(days=14)

    renew(ends)

    paid = again(subscription)
    assert (paid.state, paid.term_start, paid.term_end) == ("active", ends, months_after(ends, 1))
    assert changes_of(subscription) == [("started", "03-15 12:00", "0"), ("renewed", "03-29 12:00", "30")]


def test_a_trial_of_a_plan_that_does_not_convert_expires() -> None:
    subscription = start(a_plan(trial_days=14, trial_converts=False))

    renew(NOW + timedelta(days=14))

    assert again(subscription).state == "expired"


def test_a_term_that_begins_while_paused_costs_nothing_until_resumed() -> None:
    subscription = start(a_plan(), at=datetime(2026, 4, 1, tzinfo=UTC))
    lifecycle.pause(subscription, at=datetime(2026, 4, 10, tzinfo=UTC), by=TESTS)

    renew(datetime(2026, 5, 1, tzinfo=UTC))
    lifecycle.resume(subscription, at=datetime(2026, 5, 17, 12, tzinfo=UTC), by=TESTS)

    # From 17 May noon to 1 June: 14.5 of 31 days of 30 USD.
    renewed, resumed = changes_of(subscription)[-2:]
    assert renewed == ("renewed", "05-01 00:00", "0")
    assert resumed == ("resumed", "05-17 12:00", "14.032258064516129032")


def test_a_pause_with_an_end_ends_by_itself() -> None:
    subscription = start(a_plan())
    until = NOW + timedelta(days=2)
    lifecycle.pause(subscription, at=NOW, by=TESTS, resumes_at=until)

    assert renewals.resume_due(at=until - MICROSECOND, limit=10) == 0
    assert renewals.resume_due(at=until, limit=10) == 1

    assert again(subscription).state == "active"


@pytest.mark.django_db(transaction=True)
def test_racing_workers_renew_each_term_once() -> None:
    plan = a_plan()
    one = start(plan, at=LAST_OF_JANUARY)

    at_once(lambda _: renew(datetime(2026, 6, 1, tzinfo=UTC)), times=4)
    renew(datetime(2026, 6, 1, tzinfo=UTC))

    renewed = SubscriptionChange.objects.filter(subscription=one, kind=ChangeKind.RENEWED)
    assert renewed.count() == 4
    assert again(one).renewal_count == 4
    assert again(one).cycle is BillingCycle.MONTHLY


def test_a_version_rolled_out_before_a_late_renewal_is_not_taken_back() -> None:
    plan = a_plan("team", a_limit(10, name="calls"))
    subscription = start(plan)
    late = subscription.term_end + timedelta(days=2)
    version = a_version(plan, a_limit(20, name="calls"), price="40", at=late)
    changes.apply_version(subscription, version, at=late, by=TESTS)

    renew(late)

    now = again(subscription)
    assert (now.plan_version, now.term_start) == (version, subscription.term_end)
    assert limit_amounts(subscription.account)["calls"] == 20


def test_a_change_to_a_plan_first_sold_after_the_term_was_over_does_not_stop_the_renewals() -> None:
    subscription = start(a_plan("small", price="10"))
    late = subscription.term_end + timedelta(days=2)
    large = a_plan("large", price="50", at=late)
    changes.change_plan(subscription, plan=large, cycle=MONTHLY, at=late, by=TESTS)

    # The change saw to the term that was over.
    assert renew(late) == 0
    assert [kind for kind, _, _ in changes_of(subscription)] == ["started", "renewed", "upgraded"]
    assert again(subscription).plan == large
