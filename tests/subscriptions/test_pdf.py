"""Looked at as what it is made of, as pages, and as the drawing whose text a reader would copy."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from subscriptions import credit_notes, credits, invoice_queries, pdf, settling
from subscriptions.models import BillingHistory, CreditKind, CreditNoteKind
from tests.support.cast import NOW
from tests.support.invoicing import metered, paid, period_invoice, start_invoice, used
from tests.support.paying import a_card
from tests.support.recording import prepare
from tests.support.subscribing import TESTS
from usage.models import Account

pytestmark = pytest.mark.django_db

HOSTILE = '#panic("x") *Acme* $x$ #read("/etc/passwd") \\ @ref <label> \u202e'


@pytest.fixture(autouse=True)
def acme() -> Account:
    prepare()
    return Account.objects.get()


def read(invoice: BillingHistory) -> BillingHistory:
    return invoice_queries.invoice_of(invoice.account, str(invoice.pk))


def told(invoice: BillingHistory) -> dict[str, Any]:
    return pdf.document(read(invoice))


def pages_of(document: dict[str, Any], invoice: BillingHistory) -> int:
    made = pdf.compiled(document, at=invoice, format="svg")
    return 1 if isinstance(made, bytes) else len(made)


def glyphs(document: dict[str, Any], invoice: BillingHistory) -> int:
    """How many letters the one page shows."""
    made = pdf.compiled(document, at=invoice, format="svg")
    assert isinstance(made, bytes)
    return len(re.findall(b"<use ", made))


def test_it_is_a_pdf_and_the_same_one_each_time() -> None:
    invoice = read(start_invoice(metered()))

    first, second = pdf.render(invoice), pdf.render(invoice)

    assert first.startswith(b"%PDF-")
    assert first.rstrip().endswith(b"%%EOF")
    assert first == second


@pytest.fixture
def of_a_period(acme: Account) -> BillingHistory:
    """The next term's fee and usage of 12.345678 USD."""
    start_invoice(metered())
    used("12.345678")
    return read(period_invoice(acme))


def test_the_moment_it_was_finalized_at_may_have_microseconds(acme: Account) -> None:
    invoice = read(start_invoice(metered(), at=NOW + timedelta(microseconds=123_456)))

    assert invoice.finalized_at is not None
    assert invoice.finalized_at.microsecond
    assert pdf.render(invoice).startswith(b"%PDF")


def test_its_lines_and_totals_are_the_invoices(of_a_period: BillingHistory) -> None:
    document = told(of_a_period)

    lines = [
        (group["title"], line["description"], line["exact"], line["amount"])
        for group in document["groups"]
        for line in group["lines"]
    ]
    assert lines == [
        ("Fees", "Team, monthly", "30.00", "30.00"),
        ("Usage", "gpt-4o (OpenAI): 1 call, at the cost reported", "12.345678", "12.35"),
        ("Usage", "Included in Team", "−2.00", "−2.00"),
        # A tenth of 10.345678.
        ("Usage", "10 % on usage beyond what is included", "1.0345678", "1.03"),
    ]
    assert document["groups"][1]["total"] == "11.38"
    assert document["totals"] == [["Total", "41.38"]]
    assert document["due"] == {"name": "Amount due", "note": "By 29 April 2026", "amount": "41.38"}


def test_usage_says_what_it_counts_and_how_to_prove_it(of_a_period: BillingHistory) -> None:
    document = told(of_a_period)
    counted, evidence = document["groups"][1]["lines"][0]["details"]

    assert counted == "1,000 input tokens, 100 output tokens"
    assert evidence == f"Evidence\N{NO-BREAK SPACE}{of_a_period.lines.all()[1].evidence[:16]}…"
    assert any(f"verify_invoice {of_a_period.number}" in note for note in document["notes"])


def test_credits_and_payments_lead_from_the_total_to_what_is_left(acme: Account) -> None:
    credits.grant(acme, kind=CreditKind.PROMOTIONAL, amount=Decimal(10), reason="Hello.", at=NOW, by=TESTS)
    invoice = start_invoice(metered())
    paid(invoice)
    document = told(invoice)

    assert document["totals"] == [["Total", "30.00"], ["Credit applied", "−10.00"], ["Paid", "−20.00"]]
    assert document["due"]["amount"] == "0.00"
    assert document["stamp"] == {"word": "Paid", "when": "15 March 2026"}
    assert document["payments"] == [["15 March 2026", "Succeeded", "visa 4242", "20.00"]]


def test_credit_notes_are_listed_with_their_reason() -> None:
    invoice = start_invoice(metered())
    paid(invoice)
    credit_notes.issue(
        invoice, kind=CreditNoteKind.TO_CREDIT, amount=Decimal(5), reason="An outage.", at=NOW, by=TESTS
    )

    assert told(invoice)["credit_notes"] == [
        ["15 March 2026", "CN-2026-000001: Given as credit", "An outage.", "5.00"]
    ]


def test_a_void_invoice_says_so_and_asks_for_nothing() -> None:
    invoice = start_invoice(metered())
    settling.void(invoice, at=NOW + timedelta(days=1), by=TESTS, reason="Ordered by mistake.")
    document = told(invoice)

    assert document["stamp"] == {"word": "Void", "when": "16 March 2026"}
    assert (document["due"]["name"], document["due"]["amount"]) == ("Nothing to pay", "0.00")
    # Why is for our staff.
    assert "mistake" not in str(document)


def test_buyer_and_seller_are_those_of_the_day_it_was_finalized(acme: Account) -> None:
    address = {"line1": "1 Main Street", "postal_code": "94105", "city": "San Francisco", "country": "US"}
    a_card(acme, name="Acme Inc.", email="billing@example.com", address=address, tax_id="US-1")
    document = told(start_invoice(metered()))

    assert document["buyer"] == {
        "name": "Acme Inc.",
        "lines": [
            "1 Main Street",
            "94105 San Francisco",
            "US",
            "billing@example.com",
            "Tax ID US-1",
        ],
    }
    assert document["seller"]["name"] == "ALwrity Billing"


def test_a_hostile_name_is_printed_as_it_is(acme: Account) -> None:
    a_card(acme, name=HOSTILE)
    invoice = read(start_invoice(metered()))

    assert pdf.document(invoice)["buyer"]["name"] == HOSTILE
    assert pdf.render(invoice).startswith(b"%PDF-")


@pytest.mark.parametrize("odd", ["日本語の会社", "شركة", "x" * 400, "👩‍🔬", "\x01\x7f", "a\nb"])
def test_any_name_can_be_printed(acme: Account, odd: str) -> None:
    a_card(acme, name=odd[:200])

    assert pdf.render(read(start_invoice(metered()))).startswith(b"%PDF-")


def test_what_is_printed_is_what_was_told() -> None:
    invoice = read(start_invoice(metered()))
    document = {**pdf.document(invoice), "stamp": {"word": "Paid", "when": ""}}

    # The title is in the file as plain text; an outline of glyphs is one drawing per letter.
    assert b"Invoice 2026-000001" in pdf.render(invoice)
    plain, stamped = glyphs(pdf.document(invoice), invoice), glyphs(document, invoice)
    assert stamped - plain == len("PAID")


def test_three_hundred_lines_go_over_many_pages(of_a_period: BillingHistory) -> None:
    document = told(of_a_period)
    usage = document["groups"][1]
    usage["lines"] = [{**usage["lines"][0], "description": f"Line {number}"} for number in range(300)]

    assert pages_of(told(of_a_period), of_a_period) == 1
    assert pages_of(document, of_a_period) > 5
    assert isinstance(pdf.render(of_a_period, format="png"), bytes)
