"""GET /api/billing/invoices, invoice/{id}, its PDF, and invoices/upcoming"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from subscriptions import credit_notes, credits, invoicing
from subscriptions.models import BillingHistory, CreditKind, CreditNoteKind, InvoiceCollection
from tests.support.cast import NOW, a_member, an_account
from tests.support.credentials import a_key
from tests.support.invoicing import metered, paid, period_invoice, refused, start_invoice, used
from tests.support.posting import Posted, look
from tests.support.recording import prepare
from tests.support.subscribing import TESTS, a_plan, subscribe
from usage.models import Account, BillingPeriod, Role

INVOICES = "/api/billing/invoices"
UPCOMING = "/api/billing/invoices/upcoming"
ONE = "/api/billing/invoice/"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get()


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme).plain


@pytest.fixture
def first(acme: Account) -> BillingHistory:
    return start_invoice(metered())


def fetch_pdf(number: str, *, key: str, accept: str = "*/*") -> Any:
    return Client(headers={"X-API-Key": key}).get(f"{ONE}{number}/pdf", headers={"Accept": accept})


def test_an_invoice_is_told_with_its_lines_and_their_evidence(
    acme: Account, first: BillingHistory, key: str
) -> None:
    used("12.345678")
    invoice = period_invoice(acme)

    body = look(f"{ONE}{invoice.number}", key=key).body

    fee, usage, included, markup = body["lines"]
    assert (fee["kind"], fee["amount"], fee["evidence"]) == ("base_fee", "30", None)
    assert usage == {
        "position": 2,
        "kind": "usage",
        "description": "gpt-4o (OpenAI): 1 call, at the cost reported",
        "provider": "openai",
        "model": "gpt-4o",
        "quantity": "1100",
        "unit": "token",
        "precise_amount": "12.345678",
        "amount": "12.35",
        "currency": "USD",
        "period": {"start": "2026-03-15T12:00:00Z", "end": "2026-04-15T12:00:00Z"},
        "price_id": None,
        "evidence": {"events": 1, "hash": invoice.lines.get(position=2).evidence},
    }
    assert (included["precise_amount"], markup["amount"]) == ("-2", "1.03")
    assert (body["subtotal"], body["total"], body["amount_due"]) == ("41.38", "41.38", "41.38")
    assert (body["state"], body["plan"], body["bill_to"]["name"]) == ("open", "Team", "Acme")


def test_it_is_found_by_its_id_as_well(first: BillingHistory, key: str) -> None:
    by_id, by_number = look(f"{ONE}{first.pk}", key=key), look(f"{ONE}{first.number}", key=key)

    assert by_id.body == by_number.body
    assert by_id.body["pdf_url"] == f"http://testserver{ONE}{first.number}/pdf"


def test_payments_and_credit_notes_stand_with_it(first: BillingHistory, key: str) -> None:
    refused(first)
    paid(first)
    credit_notes.issue(
        first, kind=CreditNoteKind.TO_CREDIT, amount=Decimal(5), reason="An outage.", at=NOW, by=TESTS
    )

    body = look(f"{ONE}{first.number}", key=key).body

    assert [(payment["state"], payment["failure_message"]) for payment in body["payments"]] == [
        ("failed", "Your card was declined."),
        ("succeeded", ""),
    ]
    assert body["credit_notes"][0] == {
        "number": "CN-2026-000001",
        "kind": "to_credit",
        "amount": "5",
        "reason": "An outage.",
        "created_at": "2026-03-15T12:00:00Z",
    }
    assert (body["state"], body["amount_remaining"]) == ("paid", "0")


def test_it_tells_where_to_pay_while_it_is_open(first: BillingHistory, key: str) -> None:
    assert look(f"{ONE}{first.number}", key=key).body["payment_url"] is None
    InvoiceCollection.objects.update(hosted_url="https://pay.example/1")
    assert look(f"{ONE}{first.number}", key=key).body["payment_url"] == "https://pay.example/1"

    paid(first)

    assert look(f"{ONE}{first.number}", key=key).body["payment_url"] is None


@pytest.mark.parametrize("path", ["", "/pdf"])
@pytest.mark.parametrize("reference", ["2026-999999", "999999", "nothing", "%00"])
def test_what_is_no_invoice_is_not_found(first: BillingHistory, key: str, reference: str, path: str) -> None:
    answer = look(f"{ONE}{reference}", key=key)
    assert (answer.status, answer.body["code"]) == (404, "invoice_unknown")
    assert fetch_pdf(reference, key=key).status_code == 404


def test_a_strangers_invoice_is_as_unknown_as_none(first: BillingHistory) -> None:
    stranger = a_key(an_account("other")).plain

    for reference in (first.number, str(first.pk)):
        theirs, none = look(f"{ONE}{reference}", key=stranger), look(f"{ONE}2026-999999", key=stranger)
        assert (theirs.status, theirs.body) == (404, none.body)
        assert fetch_pdf(str(reference), key=stranger).status_code == 404


def test_another_accounts_invoices_are_refused(first: BillingHistory) -> None:
    stranger = a_key(an_account("other")).plain

    for address in (INVOICES, UPCOMING, f"{ONE}{first.number}"):
        assert look(f"{address}?user_id=acme", key=stranger).status == 403


def test_a_draft_is_not_shown(acme: Account, first: BillingHistory, key: str) -> None:
    period = BillingPeriod.objects.get()
    draft = invoicing.close_period(period, at=period.period_end)
    assert draft is not None

    assert look(f"{ONE}{draft.pk}", key=key).status == 404
    assert look(INVOICES, key=key).body["total_count"] == 1


def test_every_member_reads_invoices(acme: Account, first: BillingHistory) -> None:
    viewer = a_member(acme, role=Role.VIEWER)

    assert look(INVOICES, user=viewer).status == 200
    assert look(f"{ONE}{first.number}", user=viewer).status == 200


class TestPdf:
    def test_it_is_a_file_named_after_its_number(self, first: BillingHistory, key: str) -> None:
        response = fetch_pdf("2026-000001", key=key)

        assert (response.status_code, response["Content-Type"]) == (200, "application/pdf")
        assert response["Content-Disposition"] == 'attachment; filename="invoice-2026-000001.pdf"'
        assert response.content.startswith(b"%PDF-")

    @pytest.mark.parametrize("accept", ["application/pdf", "*/*", "application/json, */*"])
    def test_it_comes_whatever_the_client_says_it_takes(
        self, first: BillingHistory, key: str, accept: str
    ) -> None:
        assert fetch_pdf("2026-000001", key=key, accept=accept).status_code == 200

    def test_what_is_wrong_is_told_as_everywhere(self, key: str) -> None:
        response = fetch_pdf("2026-000001", key=key)

        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "invoice_unknown"


class TestList:
    def test_it_is_newest_first_and_paged(self, acme: Account, first: BillingHistory, key: str) -> None:
        second = period_invoice(acme)

        page = look(f"{INVOICES}?limit=1", key=key).body

        assert [invoice["number"] for invoice in page["invoices"]] == [second.number]
        assert (page["total_count"], page["limit"], page["offset"], page["has_more"]) == (2, 1, 0, True)

    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "offset=-1", "offset=100001", "limit=x"])
    def test_a_wrong_parameter_is_named(self, key: str, query: str) -> None:
        answer = look(f"{INVOICES}?{query}", key=key)

        assert (answer.status, answer.body["code"]) == (400, "invalid_request")
        assert answer.body["errors"][0]["parameter"] == query.partition("=")[0]

    def test_queries_do_not_grow_with_invoices(self, acme: Account, first: BillingHistory, key: str) -> None:
        def counted() -> tuple[Posted, int]:
            with CaptureQueriesContext(connection) as queries:
                return look(INVOICES, key=key), len(queries)

        look(INVOICES, key=key)
        _, few = counted()
        for _ in range(3):
            period_invoice(acme)

        page, queries = counted()
        assert (len(page.body["invoices"]), queries) == (4, few)


class TestUpcoming:
    def test_it_is_the_running_period_with_the_next_fee(
        self, acme: Account, first: BillingHistory, key: str
    ) -> None:
        used("12.345678", at=NOW)
        credits.grant(acme, kind=CreditKind.PREPAID, amount=Decimal(20), reason="Paid.", at=NOW, by=TESTS)

        body = look(UPCOMING, key=key).body

        lines = [(line["kind"], line["precise_amount"], line["amount"]) for line in body["lines"]]
        assert lines == [
            ("base_fee", "30", "30"),
            ("usage", "12.345678", "12.35"),
            ("included", "-2", "-2"),
            ("markup", "1.0345678", "1.03"),
        ]
        assert (body["total"], body["credit_applied"], body["amount_due"]) == ("41.38", "20", "21.38")
        assert body["due_from"] == body["period"]["end"] == "2026-04-15T12:00:00Z"

    def test_looking_changes_nothing(self, first: BillingHistory, key: str) -> None:
        assert look(UPCOMING, key=key).body == look(UPCOMING, key=key).body
        assert BillingHistory.objects.count() == 1

    def test_without_a_subscription_none_is_to_come(self, key: str) -> None:
        answer = look(UPCOMING, key=key)

        assert (answer.status, answer.body["code"]) == (404, "no_upcoming_invoice")

    def test_a_free_plan_has_one_without_lines(self, key: str) -> None:
        subscribe(a_plan("free", price="0"))

        body = look(UPCOMING, key=key).body

        assert (body["lines"], body["total"]) == ([], "0")
