"""Money on the admin's first page: what is owed, what a month left, what needs somebody; each with a list."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from subscriptions import credit_notes, settling
from subscriptions.models import (
    BillingProfile,
    CloseFailure,
    CreditNote,
    CreditNoteKind,
    InvoiceCollection,
    StripeEvent,
)
from tests.support.cast import NOW, a_user, an_account
from tests.support.invoices import a_customer, close, use
from tests.support.staff_invoices import a_profile, an_invoice, charged, declined, queries_of
from tests.support.subscribing import TESTS
from tests.support.usage_rows import a_rollup
from usage.models import Account, BillingPeriod

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC)
HOME = "admin:index"


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(a_user("sam", is_staff=True, is_superuser=True))
    return client


def figure(client: Client, title: str) -> tuple[str, str, str]:
    """Value, explanation and address of a figure."""
    found = {each["title"]: each for each in client.get(reverse(HOME)).context["figures"]}
    return found[title]["value"], found[title]["about"], found[title]["href"]


def test_open_and_overdue_amounts_lead_to_their_lists(staff: Client) -> None:
    an_invoice("one")
    charged(an_invoice("part"), amount="10")
    an_invoice("late", at=NOW - timedelta(days=14, seconds=1))
    settling.void(an_invoice("void"), at=NOW, by=TESTS, reason="x")

    value, about, href = figure(staff, "Open invoices")
    # 30 + (30 − 10) + 30.
    assert (value, about) == ("$80.00", "3 to be paid.")
    assert len(staff.get(href).context["cl"].result_list) == 3
    value, about, href = figure(staff, "Overdue")
    assert (value, about[0]) == ("$30.00", "1")
    assert len(staff.get(href).context["cl"].result_list) == 1


def test_failed_payments_lead_to_their_invoices(staff: Client) -> None:
    declined(an_invoice("poor"))
    an_invoice("rich")

    value, _, href = figure(staff, "Payment failed")
    assert value == "1"
    assert len(staff.get(href).context["cl"].result_list) == 1


def test_the_margin_is_what_last_month_invoiced_less_what_its_usage_cost(staff: Client) -> None:
    an_invoice("one", at=FEBRUARY)
    an_invoice("two", at=FEBRUARY)
    settling.void(an_invoice("void", at=FEBRUARY), at=NOW, by=TESTS, reason="x")
    an_invoice("march", at=NOW)
    a_rollup(Account.objects.get(external_id="one"), hour=FEBRUARY, cost="15")
    a_rollup(Account.objects.get(external_id="two"), hour=NOW, cost="1000")

    value, about, _ = figure(staff, "Margin, February")

    # 2 × 30 − 15, which is three quarters of 60.
    assert value == "$45.00"
    assert about == "75 % of revenue. $60.00 invoiced, overage included, less $15.00 of usage."


def test_a_month_that_cost_more_than_it_brought_is_negative(staff: Client) -> None:
    an_invoice("one", at=FEBRUARY)
    a_rollup(Account.objects.get(), hour=FEBRUARY, cost="45")

    assert figure(staff, "Margin, February")[0] == "−$15.00"


def test_before_anything_was_invoiced_the_margin_is_of_recurring_revenue(staff: Client) -> None:
    an_invoice("one", at=NOW)
    a_rollup(Account.objects.get(), cost="12")

    value, about, _ = figure(staff, "Margin")
    assert value == "$18.00"
    assert "nothing was invoiced last month" in about


def test_what_is_parked_leads_to_where_it_is(staff: Client) -> None:
    invoice = an_invoice()
    a_profile(invoice.account)
    credit_notes.issue(invoice, kind=CreditNoteKind.REDUCE, amount=Decimal(5), reason="x", at=NOW, by=TESTS)
    assert figure(staff, "Pushes to Stripe parked")[0] == "0"

    for model in (BillingProfile, CreditNote, InvoiceCollection):
        model._default_manager.update(push_at=None, push_error="No such thing")
        value, _, href = figure(staff, "Pushes to Stripe parked")
        assert len(staff.get(href).context["cl"].result_list) == 1
    assert value == "3"


def test_parked_events_lead_to_their_list(staff: Client) -> None:
    StripeEvent.objects.create(
        event_id="evt_1", type="x", created_at=NOW, received_at=NOW, body="{}", state="parked"
    )

    value, _, href = figure(staff, "Stripe events parked")
    assert value == "1"
    assert len(staff.get(href).context["cl"].result_list) == 1


def test_periods_that_failed_to_close_lead_to_month_close(staff: Client) -> None:
    period = BillingPeriod.objects.create(
        account=an_account(), period_start=FEBRUARY, period_end=FEBRUARY + timedelta(days=28)
    )
    CloseFailure.objects.create(billing_period=period, error="x", first_failed_at=NOW, next_attempt_at=NOW)

    value, _, href = figure(staff, "Periods that failed to close")
    assert value == "1"
    assert re.search("Month close", staff.get(href).content.decode())


def test_home_takes_as_many_queries_however_much_is_owed(staff: Client) -> None:
    declined(an_invoice("one", at=FEBRUARY))
    few = queries_of(staff, reverse(HOME))
    for number in range(4):
        declined(an_invoice(f"more-{number}", at=FEBRUARY))

    assert len(queries_of(staff, reverse(HOME))) == len(few)


def test_the_lowest_margins_come_first_and_lead_to_the_account(staff: Client) -> None:
    cheap = a_customer(account=an_account("cheap", name="Cheap"), at=JANUARY)
    roomy = {"key": "roomy", "included_usage": Decimal(100)}
    dear = a_customer(account=an_account("dear", name="Dear"), at=JANUARY, **roomy)
    use("5", at=JANUARY, subject="cheap")
    use("72", at=JANUARY, subject="dear")
    for subscription in (cheap, dear):
        close(subscription, of=JANUARY)
    settling.void(an_invoice("gone", at=FEBRUARY), at=NOW, by=TESTS, reason="x")

    panels = {each.title: each for each in staff.get(reverse(HOME)).context["panels"]}
    rows = panels["Lowest margins, February"].rows
    # Both were invoiced two fees of 30 when January was over: 60 − 72 and 60 − 5.
    assert [row[1:] for row in rows] == [
        ["$60.00", "$72.00", "−$12.00"],
        ["$60.00", "$5.00", "$55.00"],
    ]
    assert reverse("admin:usage_account_change", args=[dear.account_id]) in rows[0][0]
