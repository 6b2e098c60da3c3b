from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.conf import settings

from subscriptions import attention, budgets, invoice_queries, invoicing, lifecycle, queries
from subscriptions.actors import Actor
from subscriptions.attention import BudgetPauses, CardExpires, Concern, TrialEnds, Unpaid
from subscriptions.budget_protection import budget_of
from subscriptions.models import InvoiceCollection
from tests.support.cast import NOW, a_member, a_user, an_account, an_event
from tests.support.invoicing import metered, paid, period_invoice, refused, start_invoice
from tests.support.paying import a_card
from tests.support.recording import prepare, record
from tests.support.subscribing import TESTS, a_plan, subscribe
from usage.models import Account, BillingPeriod, Member, Role

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get()


def concerns(*, at: datetime = NOW) -> list[Concern]:
    account = Account.objects.get(external_id="acme")
    return attention.concerns_of(
        account,
        queries.subscription_of(account),
        invoice_queries.profile_of(account),
        budget_of(account),
        at=at,
    )


def on_its_way(*, at: datetime = NOW) -> bool:
    return attention.payment_on_its_way(Account.objects.get(), at=at)


def test_an_account_that_pays_needs_nothing(acme: Account) -> None:
    a_card(acme)
    paid(start_invoice(metered()))

    assert concerns() == []


def test_an_invoice_that_waits_for_its_first_attempt_is_no_concern() -> None:
    start_invoice(metered())

    assert concerns() == []


def test_an_invoice_that_could_not_be_paid_tells_why_and_when_it_is_tried_again() -> None:
    invoice = start_invoice(metered())
    refused(invoice)

    assert concerns() == [
        Unpaid(
            amount=Decimal(30),
            invoice=invoice,
            failure="Your card was declined.",
            next_attempt_at=NOW + settings.DUNNING_STEPS[0],
            paused=False,
        )
    ]


def test_several_unpaid_invoices_are_added_up(acme: Account) -> None:
    refused(start_invoice(metered()), charge="ch_1")
    refused(period_invoice(acme), charge="ch_2")

    (unpaid,) = concerns()
    assert isinstance(unpaid, Unpaid)
    assert (unpaid.amount, unpaid.invoice.number) == (Decimal(60), "2026-000001")


def test_after_the_last_attempt_the_pause_is_told() -> None:
    invoice = start_invoice(metered())
    for attempt in range(len(settings.DUNNING_STEPS) + 1):
        refused(invoice, charge=f"ch_{attempt}", at=NOW + attempt * timedelta(days=7))

    (unpaid,) = concerns()
    assert isinstance(unpaid, Unpaid)
    assert (unpaid.paused, unpaid.next_attempt_at) == (True, None)


def test_a_pause_for_another_reason_is_not_blamed_on_the_invoice() -> None:
    subscription = metered()
    refused(start_invoice(subscription))
    lifecycle.pause(subscription, at=NOW, by=TESTS)

    (unpaid,) = concerns()
    assert isinstance(unpaid, Unpaid)
    assert not unpaid.paused


def test_once_it_is_paid_there_is_no_concern() -> None:
    invoice = start_invoice(metered())
    refused(invoice)
    paid(invoice)

    assert concerns() == []


@pytest.mark.parametrize(("days", "is_told"), [(8, False), (7, True), (1, True)])
def test_a_trial_that_ends_soon_is_told(days: int, is_told: bool) -> None:
    subscribe(a_plan(trial_days=days))

    told = [TrialEnds(
        at=NOW + timedelta(days=days), plan="Team", converts=True, fee=Decimal(30), has_card=False
    )]  # fmt: skip
    assert concerns() == (told if is_told else [])


def test_a_trial_that_somebody_has_canceled_is_not() -> None:
    lifecycle.cancel(subscribe(a_plan(trial_days=3)), at=NOW, by=TESTS)

    assert concerns() == []


@pytest.mark.parametrize(
    ("year", "month", "is_told"), [(2026, 4, False), (2026, 3, True), (2026, 2, True), (2030, 1, False)]
)
def test_a_card_that_expires_soon_is_told(acme: Account, year: int, month: int, is_told: bool) -> None:
    a_card(acme, card_exp_year=year, card_exp_month=month)

    assert [type(concern) for concern in concerns()] == [CardExpires] * is_told


def test_a_card_is_good_to_the_end_of_its_month(acme: Account) -> None:
    profile = a_card(acme, card_exp_year=2026, card_exp_month=2)
    assert attention.expiry_of(profile) == datetime(2026, 3, 1, tzinfo=UTC)

    (card,) = concerns(at=datetime(2026, 2, 28, 23, 59, tzinfo=UTC))
    assert isinstance(card, CardExpires)
    assert not card.has_expired
    (card,) = concerns(at=datetime(2026, 3, 1, tzinfo=UTC))
    assert isinstance(card, CardExpires)
    assert card.has_expired


class TestOnItsWay:
    def test_a_change_that_costs_something_is_until_it_is_paid(self) -> None:
        subscription = metered()
        assert on_its_way()

        invoice = start_invoice(subscription)
        assert on_its_way()

        paid(invoice)
        assert not on_its_way()

    def test_it_is_not_any_more_once_the_card_was_declined(self) -> None:
        refused(start_invoice(metered()))

        assert not on_its_way()

    def test_it_is_for_some_minutes_at_most(self) -> None:
        start_invoice(metered())

        assert not on_its_way(at=NOW + attention.ON_ITS_WAY_FOR)

    def test_what_costs_nothing_is_not(self) -> None:
        subscribe(a_plan("free", price="0"))

        assert not on_its_way()

    def test_an_unpaid_invoice_is_again_when_a_card_has_come(self) -> None:
        refused(start_invoice(metered()))
        InvoiceCollection.objects.update(next_payment_at=NOW, push_at=NOW)

        assert on_its_way()

    def test_a_draft_is(self, acme: Account) -> None:
        paid(start_invoice(metered()))
        period = BillingPeriod.objects.get()
        invoicing.close_period(period, at=period.period_end)

        assert on_its_way(at=period.period_end + timedelta(minutes=1))


def test_a_budget_that_is_used_up_tells_until_when_calls_are_refused(acme: Account) -> None:
    subscription = subscribe(a_plan("team"), account=acme)
    budgets.update(acme, changes={"monthly_budget": Decimal("0.0035")}, at=NOW, by=Actor(name="alice"))
    assert concerns() == []

    record(an_event("call-1"))
    budgets.protect(acme, at=NOW)

    reason = "The monthly budget of 0.0035 USD is used up."
    assert concerns() == [BudgetPauses(reason=reason, until=subscription.term_end, by="")]


def test_a_budget_that_somebody_paused_tells_who_it_was(acme: Account) -> None:
    alice = Actor(name="alice", user=a_member(acme))
    budgets.pause(acme, reason="A runaway script", at=NOW, by=alice)
    assert concerns() == [BudgetPauses(reason="A runaway script", until=None, by="alice")]

    # What is changed later does not make it somebody else's pause.
    budgets.update(acme, changes={"per_day": Decimal(5)}, at=NOW, by=Actor(name="bob"))
    assert concerns() == [BudgetPauses(reason="A runaway script", until=None, by="alice")]
    budgets.resume(acme, at=NOW + timedelta(hours=1), by=alice)
    assert concerns() == []


@pytest.mark.parametrize(("is_member", "named"), [(False, "our staff"), (True, "sam")])
def test_our_staff_are_named_where_they_are_members_alone(acme: Account, is_member: bool, named: str) -> None:
    sam = a_user("sam", is_staff=True)
    Member.objects.create(account=acme if is_member else an_account("globex"), user=sam, role=Role.OWNER)
    budgets.pause(acme, reason="Abuse.", at=NOW, by=Actor(name="sam", user=sam))

    assert concerns() == [BudgetPauses(reason="Abuse.", until=None, by=named)]
