"""Changes of plan: what they cost to the microsecond, when they happen, and who may choose what.

April has thirty days: a plan of 30 USD costs a dollar a day, one of 60 two.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from subscriptions import changes, lifecycle, plans
from subscriptions.core.terms import Term, Timing
from subscriptions.models import SubscriptionChange, SubscriptionPlan, UserSubscription
from tests.support.authorizing import a_limit, counters
from tests.support.cast import NOW, an_account, an_event
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
from usage.core.errors import Conflict, InvalidRequest, SubscriptionException
from usage.models import Account

pytestmark = pytest.mark.django_db

APRIL, MAY = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def small() -> SubscriptionPlan:
    return a_plan("small", a_limit(10, name="calls"))


def large() -> SubscriptionPlan:
    return a_plan("large", a_limit(50, name="calls"), price="60")


def change(subscription: UserSubscription, plan: SubscriptionPlan, **options: object) -> UserSubscription:
    options = {"cycle": MONTHLY, "at": APRIL, **options}
    return changes.change_plan(subscription, plan=plan, by=TESTS, **options)  # type: ignore[arg-type]


def kinds() -> list[str]:
    return list(SubscriptionChange.objects.order_by("id").values_list("kind", flat=True))


def last_due() -> Decimal:
    return SubscriptionChange.objects.latest("id").amount_due


# --- More, at once ---


@pytest.mark.parametrize(
    ("at", "due"),
    [
        (APRIL, "30"),
        (APRIL + DAY, "29"),
        (APRIL + 20 * DAY, "10"),
        (MAY - timedelta(hours=12), "0.5"),
        # A microsecond of thirty days, of 60 and of 30 USD, each to 18 decimals.
        (MAY - timedelta(microseconds=1), "0.000000000011574074"),
    ],
)
def test_an_upgrade_costs_the_difference_for_what_is_left_of_the_term(at: datetime, due: str) -> None:
    subscription = start(small(), at=APRIL)

    change(subscription, large(), at=at)

    now = again(subscription)
    assert (now.plan.key, now.term, now.term_fee) == ("large", Term(APRIL, MAY), 60)
    assert last_due() == Decimal(due)
    assert limit_amounts(now.account)["calls"] == 50


def test_what_the_two_lines_of_an_invoice_are_made_of_is_kept() -> None:
    subscription = start(small(), at=APRIL)

    change(subscription, large(), at=APRIL + 20 * DAY)

    span = {"from": "2026-04-21T00:00:00+00:00", "until": "2026-05-01T00:00:00+00:00"}
    assert SubscriptionChange.objects.latest("id").details == {
        "proration": {
            "credit": {"amount": "10", "of_fee": "30", **span},
            "charge": {"amount": "20", "of_fee": "60", **span},
        }
    }


def test_an_upgrade_and_back_on_the_same_day_costs_nothing() -> None:
    subscription, plan = start(small(), at=APRIL), large()

    change(subscription, plan, at=APRIL + 7 * DAY)
    up = last_due()
    change(subscription, subscription.plan, at=APRIL + 7 * DAY, when=Timing.NOW)

    assert (up, last_due()) == (23, -23)
    assert kinds() == ["started", "upgraded", "downgraded"]


def test_a_year_chosen_within_a_month_is_counted_from_the_months_beginning() -> None:
    """345 of 365 days of 300 USD less ten days of 30."""
    subscription = start(small(), at=APRIL)

    change(subscription, subscription.plan, cycle=YEARLY, at=APRIL + 20 * DAY)

    now = again(subscription)
    assert now.term == Term(APRIL, APRIL.replace(year=2027))
    assert last_due() == Decimal("283.561643835616438356") - 10
    assert kinds()[-1] == "upgraded"


def test_an_upgrade_within_a_year_keeps_the_term_and_costs_its_rest() -> None:
    """345 of 365 days of 600 - 300 USD."""
    subscription = start(small(), at=APRIL, cycle=YEARLY)

    change(subscription, large(), cycle=YEARLY, at=APRIL + 20 * DAY)

    assert again(subscription).term == Term(APRIL, APRIL.replace(year=2027))
    assert last_due() == Decimal("567.123287671232876712") - Decimal("283.561643835616438356")


def test_what_is_used_stays_used_and_a_new_limit_counts_what_the_period_has_seen() -> None:
    prepare()
    subscription = start(small(), account=Account.objects.get(external_id="acme"))
    record(an_event("e1"), an_event("e2"))
    plan = a_plan("large", a_limit(50, name="calls"), a_limit(9000, "tokens", name="tokens"), price="60")

    change(subscription, plan, at=NOW)

    assert (counters("calls"), counters("tokens")) == ((2, 0), (2200, 0))


@pytest.mark.parametrize(
    ("price", "kind"), [("29.99", "downgraded"), ("30", "upgraded"), ("30.01", "upgraded")]
)
def test_every_change_during_a_trial_is_at_once_and_free(price: str, kind: str) -> None:
    subscription = start(a_plan(trial_days=14), at=APRIL)
    other = a_plan("other", price=price)

    change(subscription, other, cycle=YEARLY, at=APRIL + DAY)

    now = again(subscription)
    assert (now.state, now.plan, now.billing_cycle, now.term_fee) == ("trialing", other, "yearly", 0)
    assert now.term == Term(APRIL, APRIL + 14 * DAY)
    assert (kinds()[-1], last_due()) == (kind, 0)


# --- Less, at the term's end ---


def test_a_downgrade_is_noted_and_changes_nothing_yet() -> None:
    subscription = start(large(), at=APRIL)

    change(subscription, small(), at=APRIL + DAY)

    now = again(subscription)
    assert (now.plan.key, now.pending_plan.key if now.pending_plan else "") == ("large", "small")
    assert (kinds()[-1], last_due(), limit_amounts(now.account)["calls"]) == ("change_scheduled", 0, 50)
    assert SubscriptionChange.objects.latest("id").details == {
        "plan": "Small",
        "billing_cycle": "monthly",
        "takes_effect_at": "2026-05-01T00:00:00+00:00",
    }


def test_scheduling_the_same_again_writes_nothing_and_another_replaces_it() -> None:
    subscription, smaller, smallest = start(large(), at=APRIL), small(), a_plan("smallest", price="1")

    for plan in (smaller, smaller, smallest):
        change(subscription, plan)

    assert kinds() == ["started", "change_scheduled", "change_scheduled"]
    assert again(subscription).pending_plan == smallest


def test_staff_can_have_a_downgrade_happen_at_once_with_a_credit() -> None:
    subscription = start(large(), at=APRIL)

    change(subscription, small(), at=APRIL + 20 * DAY, when=Timing.NOW)

    assert (kinds()[-1], last_due()) == ("downgraded", -10)


def test_an_upgrade_can_wait_for_the_terms_end() -> None:
    subscription = start(small(), at=APRIL)

    change(subscription, large(), when=Timing.AT_TERM_END)

    assert (again(subscription).plan.key, last_due()) == ("small", 0)


def test_choosing_what_it_has_withdraws_what_was_scheduled() -> None:
    subscription = start(large(), at=APRIL)
    change(subscription, small())

    change(subscription, subscription.plan)
    change(subscription, subscription.plan)

    assert again(subscription).pending_plan is None
    assert kinds() == ["started", "change_scheduled", "schedule_withdrawn"]


def test_a_withdrawal_takes_back_a_cancellation_too() -> None:
    subscription = start(small())
    lifecycle.cancel(subscription, at=NOW, by=TESTS)

    changes.withdraw(subscription, at=NOW, by=TESTS)

    assert not again(subscription).cancel_at_term_end


def test_a_change_at_once_forgets_what_was_scheduled() -> None:
    subscription = start(small(), at=APRIL)
    lifecycle.cancel(subscription, at=APRIL, by=TESTS)

    change(subscription, large())

    assert not again(subscription).cancel_at_term_end


# --- What is refused ---


def test_a_payment_that_is_open_comes_first() -> None:
    subscription = start(small(), at=APRIL)
    lifecycle.payment_failed(subscription, at=APRIL, by=TESTS)

    with pytest.raises(SubscriptionException, match="settle it") as refused:
        change(subscription, large())

    assert (refused.value.error_code, again(subscription).plan.key) == ("payment_due", "small")


def test_what_is_paused_or_over_is_not_changed() -> None:
    subscription, plan = start(small(), at=APRIL), large()
    lifecycle.pause(subscription, at=APRIL, by=TESTS)
    with pytest.raises(Conflict, match="is paused"):
        change(subscription, plan)
    lifecycle.cancel(subscription, at=APRIL, by=TESTS, at_term_end=False)

    with pytest.raises(Conflict, match="is canceled"):
        change(subscription, plan)


def test_a_quote_is_what_the_change_then_costs_and_changes_nothing() -> None:
    subscription, plan = start(small(), at=APRIL), large()
    at = APRIL + 11 * DAY

    term, proration = changes.quote(subscription, plan.versions.get(), MONTHLY, at=at)
    assert kinds() == ["started"]
    change(subscription, plan, at=at)

    assert (term, proration.due) == (again(subscription).term, last_due()) == (Term(APRIL, MAY), 19)


# --- Choosing ---


def test_the_first_choice_starts_and_one_after_the_end_begins_anew() -> None:
    plan = a_plan()
    subscription = subscribe(plan)
    lifecycle.cancel(subscription, at=NOW, by=TESTS, at_term_end=False)

    subscribe(plan, at=NOW + DAY)

    assert kinds() == ["started", "canceled", "reactivated"]


@pytest.mark.parametrize(
    ("terms", "by_customer", "by_staff"),
    [
        ({}, "", ""),
        ({"visibility": "hidden"}, "plan_not_for_sale", ""),
        ({"account": "acme", "visibility": "hidden"}, "", ""),
        ({"account": "globex", "visibility": "hidden"}, "plan_not_for_sale", "plan_not_for_sale"),
        ({"account": "globex"}, "plan_not_for_sale", "plan_not_for_sale"),
        ({"retired": True}, "plan_retired", "plan_retired"),
    ],
)
def test_who_may_choose_a_plan(terms: dict[str, object], by_customer: str, by_staff: str) -> None:
    accounts = {name: an_account(name) for name in ("acme", "globex")}
    whose = accounts.get(str(terms.get("account")))
    plan = a_plan("own", visibility=str(terms.get("visibility", "public")), account=whose)
    if terms.get("retired"):
        plans.retire(plan, at=NOW)

    def refused(*, staff: bool) -> str:
        try:
            plans.require_sold(plan, account=accounts["acme"], by_staff=staff)
        except SubscriptionException as known:
            return known.error_code
        return ""

    assert (refused(staff=False), refused(staff=True)) == (by_customer, by_staff)


# --- Versions for subscribers ---


def test_an_applied_version_has_its_limits_at_once_and_its_price_from_the_next_term_on() -> None:
    subscription = start(small(), at=APRIL)
    version = a_version(subscription.plan, a_limit(20, name="calls"), price="40", at=APRIL)

    assert changes.apply_version(subscription, version, at=APRIL, by=TESTS, reason="For all.")

    now = again(subscription)
    assert (now.plan_version, now.term_fee, limit_amounts(now.account)["calls"]) == (version, 30, 20)
    assert (kinds()[-1], last_due()) == ("version_applied", 0)


def test_a_version_it_has_and_one_for_an_ended_subscription_change_nothing() -> None:
    subscription = start(small())
    assert not changes.apply_version(subscription, subscription.plan_version, at=NOW, by=TESTS)
    lifecycle.cancel(subscription, at=NOW, by=TESTS, at_term_end=False)

    assert not changes.apply_version(subscription, a_version(subscription.plan), at=NOW, by=TESTS)


def test_a_draft_and_another_plans_version_cannot_be_applied() -> None:
    subscription = start(small())
    draft = plans.draft_of(subscription.plan, by=TESTS, at=NOW)

    with pytest.raises(InvalidRequest, match="is a draft"):
        changes.apply_version(subscription, draft, at=NOW, by=TESTS)
    with pytest.raises(InvalidRequest, match="Acme is on Small, not Large"):
        changes.apply_version(subscription, large().versions.get(), at=NOW, by=TESTS)
