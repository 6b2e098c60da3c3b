"""A subscription's life, one sentence after the other."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from subscriptions import changes, lifecycle, term_ends
from subscriptions.core.terms import Term
from subscriptions.models import SubscriptionChange, UserSubscription
from tests.support.cast import NOW, an_account
from tests.support.subscribing import MONTHLY, TESTS, YEARLY, a_plan, again, start
from usage.core.calendar import months_after
from usage.core.errors import Conflict, InvalidRequest, SubscriptionException
from usage.models import BillingPeriod

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
APRIL, MAY = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


def last_change() -> SubscriptionChange:
    return SubscriptionChange.objects.latest("id")


def periods_of(subscription: UserSubscription) -> list[Term]:
    rows = BillingPeriod.objects.filter(account=subscription.account_id).order_by("period_start")
    return [Term(*row) for row in rows.values_list("period_start", "period_end")]


def why_no_calls(subscription: UserSubscription) -> str:
    return again(subscription).account.suspended_reason


# --- Starting ---


@pytest.mark.parametrize(("cycle", "months", "fee"), [(MONTHLY, 1, 30), (YEARLY, 12, 300)])
def test_a_start_begins_a_term_that_is_due_at_once(cycle: object, months: int, fee: int) -> None:
    subscription = again(start(a_plan(), cycle=cycle))

    assert subscription.term == Term(NOW, months_after(NOW, months))
    assert (subscription.state, subscription.anchor, subscription.term_fee) == ("active", NOW, fee)
    assert periods_of(subscription) == [Term(NOW, months_after(NOW, 1))]
    assert (last_change().kind, last_change().amount_due, last_change().state_before) == ("started", fee, "")


def test_who_started_it_and_why_is_kept() -> None:
    start(a_plan(), reason="They asked.")

    assert (last_change().actor, last_change().reason, last_change().at) == ("tests", "They asked.", NOW)


def test_a_trial_costs_nothing_and_its_end_is_the_anchor() -> None:
    subscription = again(start(a_plan(trial_days=14)))

    ends = NOW + 14 * DAY
    assert (subscription.state, subscription.term_fee, subscription.anchor) == ("trialing", 0, ends)
    assert subscription.term == periods_of(subscription)[0] == Term(NOW, ends)


def test_a_trial_can_be_left_out() -> None:
    subscription = start(a_plan(trial_days=14), trial=False)

    assert (subscription.state, subscription.term_fee) == ("active", 30)


def test_billing_months_of_a_long_trial_are_counted_back_from_its_end() -> None:
    subscription = start(a_plan(trial_days=45), at=APRIL)

    # The trial ends on 16 May: the first month, with the day it is counted from, on 16 April.
    assert periods_of(subscription) == [Term(APRIL, APRIL + 15 * DAY)]


def test_a_calendar_month_that_is_open_ends_with_the_start() -> None:
    account = an_account()
    BillingPeriod.objects.create(
        account=account, period_start=datetime(2026, 3, 1, tzinfo=UTC), period_end=APRIL
    )

    subscription = start(a_plan(), account=account)

    assert periods_of(subscription) == [
        Term(datetime(2026, 3, 1, tzinfo=UTC), NOW),
        Term(NOW, months_after(NOW, 1)),
    ]


def test_a_plan_without_a_published_version_cannot_be_started() -> None:
    plan = a_plan(at=NOW + MICROSECOND)

    with pytest.raises(SubscriptionException, match="is not sold yet"):
        start(plan)

    assert not UserSubscription.objects.exists()
    assert start(plan, at=NOW + MICROSECOND, account=an_account("globex")).state == "active"


def test_a_second_start_is_a_conflict_and_changes_nothing() -> None:
    subscription = start(a_plan())

    with pytest.raises(Conflict, match="has a subscription") as known:
        start(a_plan("other"), account=subscription.account)

    assert known.value.error_code == "subscription_exists"
    assert SubscriptionChange.objects.count() == 1


# --- Trials ---


def test_an_extended_trial_moves_the_anchor_and_the_open_period() -> None:
    subscription = start(a_plan(trial_days=14))
    later = NOW + 20 * DAY

    lifecycle.extend_trial(subscription, ends_at=later, at=NOW + DAY, by=TESTS)

    extended = again(subscription)
    assert extended.trial_ends_at == extended.anchor == extended.term_end == later
    assert periods_of(subscription) == [Term(NOW, later)]
    assert (last_change().kind, last_change().term_before_end) == ("trial_extended", NOW + 14 * DAY)


@pytest.mark.parametrize(
    ("after", "fine"),
    [
        (14 * DAY, False),
        (14 * DAY + MICROSECOND, True),
        (730 * DAY, True),
        (730 * DAY + MICROSECOND, False),
    ],
)
def test_a_trial_ends_later_than_before_and_within_two_years(after: timedelta, fine: bool) -> None:
    subscription = start(a_plan(trial_days=14))

    if fine:
        lifecycle.extend_trial(subscription, ends_at=NOW + after, at=NOW, by=TESTS)
    else:
        with pytest.raises(InvalidRequest, match="ends_at: choose a moment after 2026-03-29 12:00 UTC"):
            lifecycle.extend_trial(subscription, ends_at=NOW + after, at=NOW, by=TESTS)

    assert (again(subscription).term_end == NOW + after) is (fine or after == 14 * DAY)


def test_an_end_that_has_passed_is_no_end() -> None:
    subscription = start(a_plan(trial_days=14))
    soon = NOW + 13 * DAY

    with pytest.raises(InvalidRequest):
        lifecycle.extend_trial(subscription, ends_at=soon, at=soon, by=TESTS)


# --- Pausing ---


def test_a_pause_refuses_calls_until_it_is_resumed() -> None:
    subscription = start(a_plan())

    lifecycle.pause(subscription, at=NOW, by=TESTS, reason="Holiday.")
    assert why_no_calls(subscription) == "The subscription is paused: resume it to go on."
    lifecycle.resume(subscription, at=NOW + DAY, by=TESTS)

    assert (again(subscription).state, why_no_calls(subscription)) == ("active", "")
    assert (last_change().kind, last_change().amount_due) == ("resumed", 0)


@pytest.mark.parametrize("state", ["trialing", "active", "past_due"])
def test_resuming_leads_back_to_where_the_pause_began(state: str) -> None:
    subscription = start(a_plan(trial_days=14), trial=state == "trialing")
    if state == "past_due":
        lifecycle.payment_failed(subscription, at=NOW, by=TESTS)

    lifecycle.pause(subscription, at=NOW, by=TESTS)
    lifecycle.resume(subscription, at=NOW, by=TESTS)

    resumed = again(subscription)
    assert (resumed.state, resumed.paused_from, resumed.resumes_at) == (state, "", None)


@pytest.mark.parametrize(("until", "fine"), [(NOW - DAY, False), (NOW, False), (NOW + MICROSECOND, True)])
def test_a_pause_ends_in_the_future(until: datetime, fine: bool) -> None:
    subscription = start(a_plan())

    if fine:
        lifecycle.pause(subscription, at=NOW, by=TESTS, resumes_at=until)
    else:
        with pytest.raises(InvalidRequest, match="resumes_at"):
            lifecycle.pause(subscription, at=NOW, by=TESTS, resumes_at=until)

    assert again(subscription).state == ("paused" if fine else "active")


# --- The end ---


def test_a_cancellation_at_the_terms_end_leaves_it_usable_and_is_noted_once() -> None:
    subscription = start(a_plan())

    lifecycle.cancel(subscription, at=NOW, by=TESTS)
    lifecycle.cancel(subscription, at=NOW, by=TESTS)

    assert (again(subscription).state, again(subscription).cancel_at_term_end) == ("active", True)
    assert why_no_calls(subscription) == ""
    assert SubscriptionChange.objects.filter(kind="cancel_scheduled").count() == 1
    assert last_change().details == {"takes_effect_at": "2026-04-15T12:00:00+00:00"}


def test_a_cancellation_takes_the_place_of_a_change_that_was_scheduled() -> None:
    subscription = start(a_plan("large", price="50"))
    changes.change_plan(subscription, plan=a_plan("small", price="1"), cycle=MONTHLY, at=NOW, by=TESTS)

    lifecycle.cancel(subscription, at=NOW, by=TESTS)

    canceled = again(subscription)
    assert (canceled.pending_plan, canceled.pending_cycle, canceled.cancel_at_term_end) == (None, "", True)


def test_a_cancellation_at_once_ends_it() -> None:
    subscription = start(a_plan())
    lifecycle.cancel(subscription, at=NOW, by=TESTS)

    lifecycle.cancel(subscription, at=NOW + DAY, by=TESTS, at_term_end=False)

    ended = again(subscription)
    assert (ended.state, ended.ended_at, ended.cancel_at_term_end) == ("canceled", NOW + DAY, False)
    assert why_no_calls(subscription) == "The subscription was canceled: choose a plan to go on."


def test_what_is_past_due_expires_when_nobody_pays() -> None:
    subscription = start(a_plan())
    lifecycle.payment_failed(subscription, at=NOW, by=TESTS)

    lifecycle.expire(subscription, at=NOW + DAY, by=TESTS)

    assert (again(subscription).state, again(subscription).ended_at) == ("expired", NOW + DAY)
    assert why_no_calls(subscription) == "The subscription has expired: choose a plan to go on."


def test_a_reactivation_counts_terms_and_periods_from_then_on_and_has_no_trial() -> None:
    subscription = start(a_plan(trial_days=14), at=APRIL)
    lifecycle.cancel(subscription, at=APRIL + DAY, by=TESTS, at_term_end=False)
    back = MAY + 8 * DAY

    lifecycle.reactivate(subscription, plan=subscription.plan, cycle=YEARLY, at=back, by=TESTS)

    now = again(subscription)
    assert (now.state, now.anchor, now.term) == ("active", back, Term(back, months_after(back, 12)))
    assert (now.ended_at, now.trial_ends_at, why_no_calls(now)) == (None, None, "")
    assert (last_change().kind, last_change().amount_due) == ("reactivated", 300)
    assert periods_of(now)[-1] == Term(back, months_after(back, 1))


# --- Payments ---


def test_a_failed_payment_leaves_it_usable_until_one_is_received() -> None:
    subscription = start(a_plan())

    lifecycle.payment_failed(subscription, at=NOW, by=TESTS)
    assert (again(subscription).state, why_no_calls(subscription)) == ("past_due", "")
    lifecycle.payment_received(subscription, at=NOW, by=TESTS)

    assert again(subscription).state == "active"


# --- What is refused ---


@pytest.mark.parametrize(
    ("state", "act"),
    [
        ("active", lambda it: lifecycle.resume(it, at=NOW, by=TESTS)),
        ("active", lambda it: lifecycle.expire(it, at=NOW, by=TESTS)),
        ("active", lambda it: lifecycle.payment_received(it, at=NOW, by=TESTS)),
        ("active", lambda it: lifecycle.extend_trial(it, ends_at=MAY, at=NOW, by=TESTS)),
        ("active", lambda it: lifecycle.reactivate(it, plan=it.plan, cycle=MONTHLY, at=NOW, by=TESTS)),
        ("paused", lambda it: lifecycle.pause(it, at=NOW, by=TESTS)),
        ("paused", lambda it: lifecycle.payment_failed(it, at=NOW, by=TESTS)),
        ("canceled", lambda it: lifecycle.cancel(it, at=NOW, by=TESTS)),
        ("canceled", lambda it: lifecycle.pause(it, at=NOW, by=TESTS)),
        ("canceled", lambda it: lifecycle.expire(it, at=NOW, by=TESTS)),
        ("canceled", lambda it: changes.withdraw(it, at=NOW, by=TESTS)),
    ],
)
def test_what_its_state_does_not_allow_is_a_conflict_and_writes_nothing(state: str, act: object) -> None:
    subscription = start(a_plan())
    if state == "paused":
        lifecycle.pause(subscription, at=NOW, by=TESTS)
    elif state == "canceled":
        lifecycle.cancel(subscription, at=NOW, by=TESTS, at_term_end=False)
    before = UserSubscription.objects.values().get(), SubscriptionChange.objects.count()

    with pytest.raises(Conflict, match=f"The subscription is {state}") as refused:
        act(subscription)  # type: ignore[operator]

    assert (refused.value.error_code, refused.value.details) == ("subscription_state", {"state": state})
    assert (UserSubscription.objects.values().get(), SubscriptionChange.objects.count()) == before


def test_the_fee_is_that_of_the_cycle() -> None:
    version = a_plan().versions.get()

    assert term_ends.fee_of(version, MONTHLY) == Decimal(30)
    assert term_ends.fee_of(version, YEARLY) == Decimal(300)
