"""Invoices with tax as customers and staff read them, and drafts that wait for theirs."""

from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from subscriptions import business, invoice_queries, invoicing, month_close, pdf
from subscriptions.models import BillingHistory, TaxReport
from tests.support.cast import NOW, a_member, an_account
from tests.support.credentials import a_key
from tests.support.posting import look
from tests.support.staff_invoices import a_clerk, afresh, history
from tests.support.subscribing import a_plan, start

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def with_tax(settings: Any) -> Iterator[None]:
    settings.STRIPE_TAX = True
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def draft() -> BillingHistory:
    """30 USD of acme's that wait for their tax."""
    invoice = month_close.invoice_of(start(a_plan(), account=an_account()), at=NOW)
    assert invoice is not None
    return invoice


@pytest.fixture
def invoice(draft: BillingHistory) -> BillingHistory:
    """The same, with 19 % of tax."""
    return invoicing.tax(draft, amount=Decimal("5.70"), calculation_id="taxcalc_1", at=NOW)


@pytest.fixture
def staff() -> Client:
    return a_clerk("settle_billinghistory")


def shown(client: Client, address: str) -> str:
    return unescape(client.get(address).content.decode())


def page_of(invoice: BillingHistory, name: str = "change") -> str:
    return reverse(f"admin:subscriptions_billinghistory_{name}", args=[invoice.pk])


class TestCustomers:
    def test_the_page_shows_the_tax(self, client: Client, invoice: BillingHistory) -> None:
        client.force_login(a_member(invoice.account))

        page = shown(client, f"/billing/invoices/{invoice.number}/")

        assert [each in page for each in ("Subtotal", "Tax", "5.70", "35.70")] == [True] * 4

    def test_so_does_the_api(self, invoice: BillingHistory) -> None:
        body = look(f"/api/billing/invoice/{invoice.number}", key=a_key(invoice.account).plain).body

        assert (body["subtotal"], body["tax"], body["total"]) == ("30", "5.7", "35.7")

    def test_so_does_the_pdf(self, invoice: BillingHistory) -> None:
        told = pdf.document(invoice_queries.invoice_of(invoice.account, str(invoice.number)))

        assert told["totals"] == [["Subtotal", "30.00"], ["Tax", "5.70"], ["Total", "35.70"]]


class TestStaff:
    @pytest.mark.parametrize(
        ("error", "told"), [("", "not computed yet"), ("No such place.", "not computed: No such place.")]
    )
    def test_a_draft_says_why_it_has_no_tax(
        self, staff: Client, draft: BillingHistory, error: str, told: str
    ) -> None:
        BillingHistory.objects.filter(pk=draft.pk).update(tax_error=error)

        assert told in shown(staff, page_of(draft))
        assert f"30.00, tax {told}" in shown(staff, reverse("admin:subscriptions_closefailure_changelist"))

    def test_an_invoice_shows_its_tax_and_what_is_told_of_it(
        self, staff: Client, invoice: BillingHistory
    ) -> None:
        page = shown(staff, page_of(invoice))

        assert [each in page for each in ("5.70", "Tax reports at Stripe", "none yet")] == [True] * 3

    def test_a_report_that_stripe_refused_is_counted_found_and_pushed_again(
        self, staff: Client, invoice: BillingHistory
    ) -> None:
        TaxReport.objects.update(push_at=None, push_error="The calculation has expired.")
        assert (business.stuck().invoices, list(business.parked_invoices())) == (1, [invoice])

        staff.post(page_of(invoice, "push_again"))

        report = TaxReport.objects.get()
        assert (report.push_at, report.push_error, business.stuck().invoices) == (NOW, "", 0)
        assert history() == [
            "The next run pushes Tax report 2026-000001 to Stripe again. It had failed with: The calculation "
            "has expired."
        ]


def test_a_draft_that_is_taxed_is_final_in_the_same_transaction(invoice: BillingHistory) -> None:
    found = afresh(invoice)

    assert (found.number, found.total, found.amount_due) == (
        "2026-000001",
        Decimal("35.70"),
        Decimal("35.70"),
    )
    assert TaxReport.objects.get().amount == Decimal("35.70")
