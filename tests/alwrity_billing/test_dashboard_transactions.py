"""The page of transactions: what was invoiced, paid and given back, and what became of credits."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from subscriptions import credit_notes, credits
from subscriptions.models import BillingHistory, CreditKind, CreditNoteKind
from tests.support.cast import NOW, a_member, an_account
from tests.support.invoicing import metered, paid, period_invoice, refused, start_invoice
from tests.support.recording import prepare
from tests.support.subscribing import TESTS
from usage.models import Account, Role

pytestmark = pytest.mark.django_db

URL = "/billing/transactions/"
MOST_QUERIES = 15
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get()


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


@pytest.fixture
def first(acme: Account) -> BillingHistory:
    """The invoice 2026-000001 of 30 USD."""
    return start_invoice(metered())


def page_of(client: Client, url: str = URL) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return unescape(response.content.decode())


def give(account: Account, amount: str, *, reason: str = "Paid ahead.") -> None:
    credits.grant(
        account,
        kind=CreditKind.PREPAID,
        amount=Decimal(amount),
        reason=reason,
        at=NOW,
        by=TESTS,
        expires_at=NOW + timedelta(days=30),
    )


def test_what_was_invoiced_refused_paid_and_given_back_is_listed_newest_first(
    alice: Client, first: BillingHistory
) -> None:
    refused(first, at=NOW + timedelta(minutes=1))
    paid(first, at=NOW + timedelta(minutes=2))
    credit_notes.issue(
        first,
        kind=CreditNoteKind.TO_CREDIT,
        amount=Decimal(5),
        reason="An outage.",
        at=NOW + timedelta(minutes=3),
        by=TESTS,
    )

    page = page_of(alice)

    told = [
        ("Credit note CN-2026-000001", "An outage.", "Given as credit", "$5.00"),
        ("Payment", "Visa 4242", "Succeeded", "$30.00"),
        ("Payment", "Visa 4242", "Failed", "$30.00"),
        ("Invoice", "Subscription changed", "Paid", "$30.00"),
    ]
    rows = page.split("<tbody>")[1].split("</tbody>")[0].split("</tr>")[:-1]
    assert len(rows) == len(told)
    for row, words in zip(rows, told, strict=True):
        for word in words:
            assert f">{word}<" in row, (word, row)
        assert 'href="/billing/invoices/2026-000001/">2026-000001</a>' in row
    assert "4 in all" in page


def test_what_became_of_a_credit_is_told(alice: Client, acme: Account) -> None:
    give(acme, "12")
    start_invoice(metered())

    credit = page_of(alice).partition('id="credits-heading"')[2]

    # 12 USD were given, and the invoice of 30 took them all.
    for words in (
        "$0.00 left",
        "Granted",
        "$12.00",
        "Applied",
        "−$12.00",
        "Paid ahead.",
        "until 14 Apr 2026",
    ):
        assert words in credit, words
    assert "2026-000001" in credit


def test_an_account_without_any_is_told_what_will_be_there(alice: Client) -> None:
    page = page_of(alice)

    assert "Nothing was invoiced or paid yet." in page
    assert "You have had no credit yet." in page


def test_more_than_fit_are_on_further_pages(alice: Client, acme: Account, first: BillingHistory) -> None:
    # Invoices 2026-000001 to 2026-000026, of which 25 fit; as many credits.
    for _ in range(25):
        period_invoice(acme)
    for number in range(26):
        give(acme, "1", reason=f"Credit {number:02d}.")

    newest, oldest = page_of(alice), page_of(alice, f"{URL}?page=2")
    assert 'href="/billing/transactions/?page=2">Older' in newest
    assert ">2026-000001<" not in newest
    assert ">2026-000001<" in oldest
    assert 'href="/billing/transactions/?page=1">Newer' in oldest

    first_credits = page_of(alice, f"{URL}?credits=2")
    assert "Credit 00." not in newest
    assert "Credit 00." in first_credits
    assert "There is nothing older." in page_of(alice, f"{URL}?credits=3")


@pytest.mark.parametrize("number", ["0", "-1", "x", "999999999", "２"])
def test_a_page_that_there_is_not_does_no_harm(alice: Client, number: str) -> None:
    assert alice.get(URL, {"page": number, "credits": number}).status_code == 200


def test_it_takes_few_queries_however_much_there_is(
    alice: Client, acme: Account, first: BillingHistory
) -> None:
    def counted() -> int:
        with CaptureQueriesContext(connection) as queries_made:
            alice.get(URL)
        return len(queries_made)

    give(acme, "1")
    few = counted()
    for number in range(4):
        paid(period_invoice(acme), charge=f"ch_{number}")
        give(acme, "1")

    assert counted() == few <= MOST_QUERIES


def test_a_viewer_reads_it_and_a_stranger_does_not(acme: Account, first: BillingHistory) -> None:
    viewer, stranger = Client(), Client()
    viewer.force_login(a_member(acme, username="vera", role=Role.VIEWER))
    stranger.force_login(a_member(an_account("other"), username="eve"))

    assert "2026-000001" in page_of(viewer)
    assert "2026-000001" not in page_of(stranger)
    assert stranger.get(f"{URL}?account=acme").status_code == 403


def test_what_staff_wrote_is_escaped(alice: Client, acme: Account) -> None:
    give(acme, "1", reason=HOSTILE)

    assert HOSTILE not in alice.get(URL).content.decode()
