from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine

from subscriptions import changes, credits, lifecycle, month_close, offers, payments, plans, queries
from subscriptions.core.terms import BillingCycle
from subscriptions.models import CreditKind, InvoiceItem, SubscriptionPlan
from subscriptions.offers import Offer, OfferKind
from tests.support.cast import NOW, an_account
from tests.support.subscribing import MONTHLY, TESTS, YEARLY, a_plan, subscribe
from usage.core.calendar import months_after
from usage.models import Account

LATER = NOW + timedelta(days=10)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account()


def offer(plan: SubscriptionPlan, cycle: BillingCycle = MONTHLY) -> Offer:
    account = Account.objects.get(external_id="acme")
    subscription = queries.subscription_of(account)
    return offers.offer_of(account, subscription, plans.version_at(plan, at=LATER), cycle, at=LATER)


def subscribed(plan: SubscriptionPlan, cycle: BillingCycle = MONTHLY) -> None:
    """Since NOW, with the start invoiced."""
    month_close.invoice_of(subscribe(plan, cycle=cycle), at=NOW)


def lines(shown: Offer) -> list[tuple[str, Decimal]]:
    return [(line.description, line.amount) for line in shown.lines]


def test_a_first_subscription_costs_its_fee_at_once() -> None:
    shown = offer(a_plan())

    assert (shown.kind, shown.due) == (OfferKind.START, Decimal(30))
    assert lines(shown) == [("Team, monthly", Decimal(30))]
    assert shown.term == (LATER, months_after(LATER, 1))


def test_a_trial_costs_nothing_today() -> None:
    shown = offer(a_plan(trial_days=14))

    assert (shown.kind, shown.due, shown.lines, shown.fee) == (OfferKind.TRIAL, 0, [], Decimal(30))
    assert shown.term.end == LATER + timedelta(days=14)


def test_what_gives_more_takes_effect_at_once_and_is_prorated() -> None:
    subscribed(a_plan("small", price="10"))

    shown = offer(a_plan("large", price="50"))

    # 21 of 31 days are left.
    assert shown.kind is OfferKind.AT_ONCE
    assert lines(shown) == [
        ("Unused time on Small", Decimal("-6.77")),
        ("Remaining time on Large, monthly", Decimal("33.87")),
    ]
    assert shown.total == shown.due == Decimal("27.10")


@pytest.mark.parametrize(("before", "after"), [(MONTHLY, MONTHLY), (MONTHLY, YEARLY), (YEARLY, YEARLY)])
def test_what_is_shown_is_what_is_invoiced(acme: Account, before: BillingCycle, after: BillingCycle) -> None:
    subscribed(a_plan("small", price="10"), before)
    InvoiceItem.objects.create(
        account=acme, description="A correction", amount=Decimal("-1.234"), created_at=NOW, actor="staff"
    )
    credits.grant(acme, kind=CreditKind.PROMOTIONAL, amount=Decimal(3), reason="Hello.", at=NOW, by=TESTS)
    large = a_plan("large", price="50")
    shown = offer(large, after)

    subscribe(large, cycle=after, at=LATER)
    subscription = queries.subscription_of(acme)
    assert subscription is not None
    invoice = month_close.invoice_of(subscription, at=LATER)

    assert invoice is not None
    assert (shown.total, shown.credit, shown.due) == (
        invoice.total,
        invoice.credit_applied,
        invoice.amount_due,
    )
    assert lines(shown) == list(invoice.lines.order_by("position").values_list("description", "amount"))
    assert shown.term == subscription.term


def test_what_gives_less_waits_for_the_terms_end() -> None:
    subscribed(a_plan("large", price="50"))

    shown = offer(a_plan("small", price="10"))

    assert (shown.kind, shown.due, shown.lines) == (OfferKind.AT_TERM_END, 0, [])
    assert shown.term == (months_after(NOW, 1), months_after(NOW, 2))


def test_what_is_left_of_a_dear_term_is_credited_later() -> None:
    subscribed(a_plan("small", price="30"), YEARLY)

    shown = offer(a_plan("large", price="50"))

    assert (shown.kind, shown.due, shown.lines) == (OfferKind.AT_ONCE, 0, [])
    assert shown.later < -200


def test_the_plan_one_has_is_kept() -> None:
    plan = a_plan()
    subscribed(plan)

    assert (offer(plan).kind, offer(plan).due) == (OfferKind.KEEP, 0)
    assert offer(plan, YEARLY).kind is OfferKind.AT_ONCE


def test_a_change_during_a_trial_is_at_once_and_free() -> None:
    subscribe(a_plan("small", price="10", trial_days=14))

    shown = offer(a_plan("large", price="50"))

    assert (shown.kind, shown.lines, shown.term.end) == (OfferKind.AT_ONCE, [], NOW + timedelta(days=14))


def test_what_has_ended_begins_anew_at_full_price() -> None:
    plan = a_plan(trial_days=14)
    lifecycle.cancel(subscribe(plan), at=NOW, by=TESTS, at_term_end=False)

    assert (offer(plan).kind, offer(plan).due) == (OfferKind.START, Decimal(30))


def test_credit_pays_first(acme: Account) -> None:
    credits.grant(acme, kind=CreditKind.PREPAID, amount=Decimal(100), reason="Paid.", at=NOW, by=TESTS)

    shown = offer(a_plan())

    assert (shown.total, shown.credit, shown.due) == (Decimal(30), Decimal(30), 0)


def test_what_is_too_little_to_be_charged_is_not_due(acme: Account) -> None:
    credits.grant(acme, kind=CreditKind.PREPAID, amount=Decimal("29.51"), reason="Paid.", at=NOW, by=TESTS)
    assert offer(a_plan()).due == 0


class TestRefusals:
    def test_while_past_due_nothing_can_be_changed(self) -> None:
        lifecycle.payment_failed(subscribe(a_plan("small", price="10")), at=NOW, by=TESTS)

        assert "not paid yet" in offer(a_plan("large", price="50")).refusal

    def test_what_ended_with_an_unpaid_invoice_cannot_begin_anew(self) -> None:
        subscription = subscribe(a_plan("small", price="10"))
        invoice = month_close.invoice_of(subscription, at=NOW)
        assert invoice is not None
        payments.lacks_card(invoice, at=NOW)
        lifecycle.cancel(subscription, at=NOW, by=TESTS, at_term_end=False)

        assert "not paid yet" in offer(a_plan("large", price="50")).refusal

    def test_while_paused_by_hand_more_cannot_be_had(self) -> None:
        lifecycle.pause(subscribe(a_plan("small", price="10")), at=NOW, by=TESTS)

        assert "paused" in offer(a_plan("large", price="50")).refusal
        assert offer(a_plan("tiny", price="5")).refusal == ""

    def test_once_what_is_included_is_used_up_more_is_the_way_on(self) -> None:
        lifecycle.pause(subscribe(a_plan("small", price="10")), at=NOW, by=TESTS, automatic=True)

        assert offer(a_plan("large", price="50")).refusal == ""

    def test_a_term_that_is_over_is_renewed_first(self, acme: Account) -> None:
        subscribe(a_plan("small", price="10"), at=NOW - timedelta(days=60))

        assert "being renewed" in offer(a_plan("large", price="50")).refusal

    def test_what_is_not_refused_can_be_chosen(self) -> None:
        subscription = subscribe(a_plan("small", price="10"))
        large = a_plan("large", price="50")

        assert offer(large).refusal == ""
        changes.change_plan(subscription, plan=large, cycle=MONTHLY, at=LATER, by=TESTS)
