"""Rows to be pushed: one worker each, tried again later, parked, and never forgotten."""

from datetime import timedelta

import pytest

from subscriptions.models import BillingProfile, CreditNote, InvoiceCollection, Payment, StripeEvent
from subscriptions.stripe import push, reconcile, rows
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, an_account
from tests.support.concurrency import at_once
from tests.support.paying import a_card, a_saved_card, an_invoice, deliver, library, processed, pushed
from tests.support.subscribing import a_plan
from usage.models import Account

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def a_profile(account: Account | None = None) -> BillingProfile:
    profile = a_card(account or an_account())
    rows.push_again(profile, at=NOW)
    return profile


def claimed(profile: BillingProfile) -> rows.Row:
    row = rows.claim(BillingProfile, profile.pk, at=NOW)
    assert row is not None
    return row


def again(profile: BillingProfile) -> BillingProfile:
    profile.refresh_from_db()
    return profile


@pytest.mark.django_db(transaction=True)
def test_of_workers_at_once_one_gets_the_row() -> None:
    profile = a_profile()

    found = at_once(lambda _: rows.claim(BillingProfile, profile.pk, at=NOW), times=4)

    assert sum(row is not None for row in found) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_push_each_invoice_once(at_stripe: Simulator) -> None:
    for name in ("a", "b", "c"):
        account = an_account(name)
        a_saved_card(account)
        an_invoice(account, plan=a_plan(name))

    at_once(lambda _: push.push_due(at=NOW, limit=10), times=4)

    assert sorted(each.status for each in library().v1.invoices.list().data) == ["paid"] * 3
    assert Payment.objects.count() == 3
    assert set(InvoiceCollection.objects.values_list("payment_attempts", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_webhooks_taken_over_while_others_push_change_nothing(at_stripe: Simulator) -> None:
    for name in ("a", "b", "c"):
        account = an_account(name)
        a_saved_card(account)
        an_invoice(account, plan=a_plan(name))

    def work(number: int) -> None:
        for _ in range(3):
            if number % 2:
                push.push_due(at=NOW, limit=10)
            else:
                deliver()
                processed()

    at_once(work, times=4)
    deliver()
    processed()
    pushed()

    assert Payment.objects.count() == 3
    assert not StripeEvent.objects.filter(state__in=["received", "parked"]).exists()
    assert list(reconcile.differences(at=NOW)) == []


def test_a_claim_runs_out() -> None:
    profile = a_profile()
    claimed(profile)

    assert rows.claim(BillingProfile, profile.pk, at=NOW + rows.LEASE - SECOND) is None
    assert rows.claim(BillingProfile, profile.pk, at=NOW + rows.LEASE) is not None


def test_what_is_done_is_not_due_until_its_next_look() -> None:
    row = claimed(profile := a_profile())

    rows.done(row, next_at=NOW + rows.LEASE)

    assert rows.due(BillingProfile, at=NOW, limit=10) == []
    assert rows.due(BillingProfile, at=NOW + rows.LEASE, limit=10) == [profile.pk]


def test_what_somebody_wants_meanwhile_is_pushed_afterwards() -> None:
    row = claimed(profile := a_profile())
    rows.push_again(profile, at=NOW)
    meanwhile = rows.due(BillingProfile, at=NOW, limit=10)

    rows.done(row, next_at=None)

    assert meanwhile == []
    assert rows.due(BillingProfile, at=NOW, limit=10) == [profile.pk]


def test_a_worker_whose_claim_ran_out_changes_nothing_of_the_next_ones() -> None:
    slow = claimed(profile := a_profile())
    later = NOW + rows.LEASE
    rows.claim(BillingProfile, profile.pk, at=later)

    rows.park(slow, "Too late.")

    assert again(profile).push_claimed_until == later + rows.LEASE
    assert again(profile).push_error == ""


def test_failures_wait_longer_each_time_and_never_too_long() -> None:
    profile, at, waits = a_profile(), NOW, []

    for _ in range(12):
        row = rows.claim(BillingProfile, profile.pk, at=at)
        assert row is not None
        rows.later(row, "Away.", at=at)
        due_at = again(profile).push_at
        assert due_at is not None
        waits.append(due_at - at)
        at = due_at

    assert (waits[0], waits[1], waits[-1]) == (rows.FIRST_RETRY, 2 * rows.FIRST_RETRY, rows.LONGEST_RETRY)
    assert again(profile).push_attempts == 12


def test_what_is_parked_says_why_and_is_not_due() -> None:
    row = claimed(profile := a_profile())

    rows.park(row, "No such customer. " * 50)

    assert rows.due(BillingProfile, at=NOW + timedelta(days=900), limit=10) == []
    assert again(profile).push_error.startswith("No such customer.")


def test_nothing_is_due_where_nothing_is() -> None:
    assert rows.due(InvoiceCollection, at=NOW, limit=10) == rows.due(CreditNote, at=NOW, limit=10) == []


def test_who_is_invoiced_is_told_when_it_changes(at_stripe: Simulator) -> None:
    profile = a_saved_card(an_account())
    profile.name, profile.email, profile.tax_id = "Acme Ltd", "billing@acme.example", "DE123456789"
    profile.address = {"line1": "1 Main Street", "city": "Berlin", "country": "DE"}
    profile.save()
    rows.push_again(profile, at=NOW)

    push.push_due(at=NOW, limit=10)

    (customer,) = library().v1.customers.list().data
    assert (customer.name, customer.email) == ("Acme Ltd", "billing@acme.example")
    assert customer.address is not None
    assert (customer.address.city, customer.address.country) == ("Berlin", "DE")
    assert customer.metadata is not None
    assert customer.metadata["tax_id"] == "DE123456789"
