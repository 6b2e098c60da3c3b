"""An operation on a subscription whose term is over ends that term first, as the clock would have."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from subscriptions import changes, lifecycle, renewals
from subscriptions.models import SubscriptionChange, UserSubscription
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, an_account, an_event
from tests.support.invariants import broken_invariants
from tests.support.recording import prepare, record
from tests.support.subscribing import (
    MONTHLY,
    TESTS,
    YEARLY,
    a_plan,
    a_version,
    again,
    limit_amounts,
    start,
    subscribe,
)
from usage.core.calendar import months_after
from usage.core.errors import Conflict
from usage.models import Account

pytestmark = pytest.mark.django_db

ENDED = months_after(NOW, 1)
# The clock has been out of order for ten days when somebody does something.
LATE = ENDED + timedelta(days=10)


def history(subscription: UserSubscription) -> list[tuple[str, datetime, Decimal]]:
    rows = SubscriptionChange.objects.filter(subscription=subscription).order_by("id")[1:]
    return [(row.kind, row.at, row.amount_due.quantize(Decimal("0.01"))) for row in rows]


def test_an_upgrade_is_charged_from_when_it_was_made_in_the_term_that_runs() -> None:
    subscription = start(a_plan("small", price="31"))

    changes.change_plan(subscription, plan=a_plan("large", price="62"), cycle=MONTHLY, at=LATE, by=TESTS)

    # The term from 15 April has 30 days, of which 20 are left: 20/30 × (62 − 31).
    assert history(subscription) == [
        ("renewed", ENDED, Decimal("31.00")),
        ("upgraded", LATE, Decimal("20.67")),
    ]
    assert again(subscription).term == (ENDED, months_after(NOW, 2))


def test_a_year_begins_with_the_month_that_runs_and_the_one_before_is_renewed() -> None:
    plan = a_plan()
    subscription = start(plan)

    changes.change_plan(subscription, plan=plan, cycle=YEARLY, at=LATE, by=TESTS)

    assert [kind for kind, _, _ in history(subscription)] == ["renewed", "upgraded"]
    assert again(subscription).term == (ENDED, months_after(NOW, 13))


def test_a_pause_waives_no_term_that_had_begun_before() -> None:
    subscription = start(a_plan())

    lifecycle.pause(subscription, at=LATE, by=TESTS)

    assert history(subscription) == [
        ("renewed", ENDED, Decimal("30.00")),
        ("paused", LATE, Decimal("0.00")),
    ]
    assert not again(subscription).fee_waived


def test_a_cancellation_at_once_comes_after_the_term_it_ends() -> None:
    subscription = start(a_plan())

    lifecycle.cancel(subscription, at=LATE, by=TESTS, at_term_end=False)

    assert [kind for kind, _, _ in history(subscription)] == ["renewed", "canceled"]


def test_what_was_to_be_canceled_has_been_and_can_be_begun_anew() -> None:
    plan = a_plan()
    subscription = start(plan, account=an_account())
    lifecycle.cancel(subscription, at=NOW, by=TESTS)

    begun = subscribe(plan, at=LATE)

    assert [kind for kind, _, _ in history(subscription)] == ["cancel_scheduled", "canceled", "reactivated"]
    assert (begun.state, begun.term_start) == ("active", LATE)


def test_a_trial_that_is_over_is_not_extended() -> None:
    subscription = start(a_plan(trial_days=14))

    with pytest.raises(Conflict):
        lifecycle.extend_trial(subscription, ends_at=LATE + timedelta(days=9), at=LATE, by=TESTS)

    # Nothing is half done: the clock sees to the trial.
    assert history(subscription) == []
    renewals.renew_due(at=LATE, limit=1)
    assert again(subscription).state == "active"


def test_a_version_is_given_in_the_term_that_runs() -> None:
    plan = a_plan("team", a_limit(1, name="calls"))
    subscription = start(plan)
    version = a_version(plan, a_limit(2, name="calls"), at=LATE)

    changes.apply_version(subscription, version, at=LATE, by=TESTS)

    assert [kind for kind, _, _ in history(subscription)] == ["renewed", "version_applied"]
    assert limit_amounts(subscription.account)["calls"] == 2


def test_one_that_cannot_be_renewed_does_not_hold_up_the_others() -> None:
    broken = start(a_plan("one"), account=an_account("one"))
    sound = start(a_plan("two"), account=an_account("two"))
    # Damage that only somebody at the database could do: a plan that is not sold by then.
    later = a_plan("later", at=LATE)
    UserSubscription.objects.filter(pk=broken.pk).update(pending_plan=later, pending_cycle="monthly")

    with pytest.raises(ExceptionGroup, match="1 subscriptions could not be renewed, 1 terms ended"):
        renewals.renew_due(at=ENDED, limit=10)

    assert again(sound).renewal_count == 1
    assert again(broken).renewal_count == 0


def test_an_upgrade_is_the_way_on_for_what_was_paused_because_its_usage_was_used_up() -> None:
    prepare()
    subscription = start(
        a_plan("small", included_usage=Decimal("0.0035"), overage_policy="pause"),
        account=Account.objects.get(),
    )
    record(an_event())
    assert renewals.pause_exhausted(at=NOW, limit=10) == 1

    large = a_plan("large", price="60", included_usage=Decimal(9), overage_policy="pause")
    changes.change_plan(subscription, plan=large, cycle=MONTHLY, at=NOW, by=TESTS)

    assert again(subscription).state == "active"
    assert renewals.pause_exhausted(at=NOW, limit=10) == 0
    assert broken_invariants(only_authorized=False) == []


def test_a_downgrade_can_be_scheduled_during_a_pause() -> None:
    subscription = start(a_plan("large", price="60"))
    lifecycle.pause(subscription, at=NOW, by=TESTS)

    changes.change_plan(subscription, plan=a_plan("small"), cycle=MONTHLY, at=NOW, by=TESTS)

    assert again(subscription).state == "paused"
    assert again(subscription).pending_cycle == "monthly"
