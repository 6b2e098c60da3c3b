"""The billing page and an invoice's page, as an owner sees and uses them."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from html import unescape
from itertools import count
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.asserts import assertRedirects

from subscriptions import changes, credit_notes, credits, lifecycle, settling
from subscriptions.models import BillingHistory, CreditKind, CreditNoteKind, InvoiceCollection
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, a_member, an_account
from tests.support.invoicing import metered, paid, period_invoice, refused, start_invoice, used
from tests.support.paying import a_card
from tests.support.recording import prepare
from tests.support.subscribing import MONTHLY, TESTS, a_plan, again, subscribe
from usage.models import Account

pytestmark = pytest.mark.django_db

MOST_QUERIES = 32
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
    return start_invoice(metered())


def page_of(client: Client, url: str = "/billing/") -> str:
    response = client.get(url)
    assert response.status_code == 200
    return unescape(response.content.decode())


def paying(invoice: BillingHistory, *, after: int) -> Callable[..., Any]:
    """For `execute_wrapper`: pays the invoice once so many statements were executed."""
    executed = count(1)

    def execute(following: Callable[..., Any], *statement: Any) -> Any:
        answer = following(*statement)
        if next(executed) == after:
            paid(invoice)
        return answer

    return execute


class TestBilling:
    def test_it_shows_the_plan_the_card_and_the_credit(
        self, alice: Client, acme: Account, first: BillingHistory
    ) -> None:
        a_card(acme)
        credits.grant(acme, kind=CreditKind.PREPAID, amount=Decimal(12), reason="Paid.", at=NOW, by=TESTS)

        page = page_of(alice)

        for words in ("Team", "$30.00 a month", "15 Mar 2026", "15 Apr 2026", "it renews", "Active"):
            assert words in page, words
        for words in ("4242", "12/2040", "$12.00", "Replace card"):
            assert words in page, words

    def test_the_next_invoice_has_its_lines(self, alice: Client, first: BillingHistory) -> None:
        used("12.345678", at=NOW)

        page = page_of(alice)

        for words in ("OpenAI: 1 call", "$12.345678", "−$2.00", "Written on", "15 April 2026", "$41.38"):
            assert words in page, words

    def test_invoices_are_listed_with_their_state(self, alice: Client, first: BillingHistory) -> None:
        assert ">Open</span>" in page_of(alice)
        refused(first)
        assert ">Payment failed</span>" in page_of(alice)
        paid(first)

        page = page_of(alice)

        assert ">Paid</span>" in page
        assert 'href="/billing/invoices/2026-000001/"' in page
        assert 'href="/billing/invoices/2026-000001/pdf"' in page

    def test_an_account_without_a_subscription_is_told_how_to_begin(self, alice: Client) -> None:
        page = page_of(alice)

        assert "No plan" in page
        assert "There is no invoice yet" in page
        assert "Add a card" in page

    def test_more_invoices_than_fit_are_on_further_pages(
        self, alice: Client, acme: Account, first: BillingHistory
    ) -> None:
        for _ in range(12):
            period_invoice(acme)

        newest, oldest = page_of(alice), page_of(alice, "/billing/?page=2")

        assert "2026-000001" not in newest
        assert 'href="/billing/?page=2">Older' in newest
        assert "2026-000001" in oldest
        assert 'href="/billing/?page=1">Newer' in oldest

    @pytest.mark.parametrize("page", ["0", "-1", "x", "999999999", "２"])
    def test_a_page_that_there_is_not_does_no_harm(self, alice: Client, page: str) -> None:
        assert alice.get("/billing/", {"page": page}).status_code == 200

    def test_queries_do_not_grow_with_invoices(
        self, alice: Client, acme: Account, first: BillingHistory
    ) -> None:
        def counted() -> int:
            with CaptureQueriesContext(connection) as queries_made:
                alice.get("/billing/")
            return len(queries_made)

        period_invoice(acme)
        few = counted()
        assert few <= 15
        for _ in range(4):
            period_invoice(acme)

        assert counted() == few <= MOST_QUERIES

    def test_names_are_escaped(self, client: Client) -> None:
        other = an_account("other", name=HOSTILE)
        client.force_login(a_member(other, username="eve"))
        a_card(other, name=HOSTILE, card_brand=HOSTILE[:30])
        number = start_invoice(subscribe(a_plan(), account=other)).number

        for url in ("/billing/", f"/billing/invoices/{number}/", "/billing/plans/"):
            assert HOSTILE not in client.get(url).content.decode()


class TestWaiting:
    def test_while_a_payment_is_on_its_way_the_page_comes_again(
        self, alice: Client, first: BillingHistory
    ) -> None:
        response = alice.get("/billing/")

        assert response["Refresh"] == "3"
        assert "The payment is being processed…" in response.content.decode()

    def test_once_it_is_settled_it_stays(self, alice: Client, first: BillingHistory) -> None:
        paid(first)

        assert "Refresh" not in alice.get("/billing/")

    def test_whenever_it_is_settled_meanwhile_the_page_says_so_or_comes_again(
        self, alice: Client, first: BillingHistory
    ) -> None:
        """Paid after the first statement of the page, after the second, and so on to the last."""
        with CaptureQueriesContext(connection) as statements:
            assert "Open" in page_of(alice)
        seen = set()
        for number in range(1, len(statements) + 1):
            with transaction.atomic():
                with connection.execute_wrapper(paying(first, after=number)):
                    response = alice.get("/billing/")
                seen.add(("Open" in response.content.decode(), "Refresh" in response))
                transaction.set_rollback(True)

        assert seen == {(False, False), (False, True), (True, True)}

    def test_after_a_visit_at_stripe_it_waits_for_the_card(self, alice: Client, acme: Account) -> None:
        back = f"/billing/?since={int(NOW.timestamp())}&checkout=done"
        assert "Refresh" in alice.get(back)
        a_card(acme)

        assert "Refresh" not in alice.get(back)

    @pytest.mark.parametrize(
        "query",
        [
            "checkout=done",
            "since=x&checkout=done",
            "since=99&checkout=done",
            "since=1773576000&checkout=canceled",
        ],
    )
    def test_it_does_not_wait_for_what_is_not_to_come(self, alice: Client, query: str) -> None:
        assert "Refresh" not in alice.get(f"/billing/?{query}")

    def test_where_no_cards_are_taken_it_never_waits(
        self, alice: Client, first: BillingHistory, settings: Any
    ) -> None:
        settings.STRIPE_MODE = "off"
        response = alice.get("/billing/")

        assert "Refresh" not in response
        assert "Add a card" not in response.content.decode()


class TestInvoice:
    def test_it_shows_lines_sums_and_what_happened(
        self, alice: Client, acme: Account, first: BillingHistory
    ) -> None:
        used("12.345678")
        invoice = period_invoice(acme)
        refused(invoice)
        paid(invoice)
        credit_notes.issue(
            invoice, kind=CreditNoteKind.TO_CREDIT, amount=Decimal(5), reason="An outage.", at=NOW, by=TESTS
        )

        page = page_of(alice, f"/billing/invoices/{invoice.number}/")

        for words in (
            "gpt-4o (OpenAI): 1 call, at the cost reported",
            "1,000 input tokens, 100 output tokens",
            "$12.345678",
            "$12.35",
            "−$41.38",
            "Your card was declined.",
            "Visa 4242",
            "Credit note CN-2026-000001",
            "An outage.",
            "verify_invoice 2026-000002",
        ):
            assert words in page, words

    def test_it_links_to_where_it_can_be_paid_while_it_is_open(
        self, alice: Client, first: BillingHistory
    ) -> None:
        InvoiceCollection.objects.update(hosted_url="https://pay.example/1")
        url = f"/billing/invoices/{first.number}/"
        assert 'href="https://pay.example/1"' in page_of(alice, url)
        assert "Pay $30.00" in page_of(alice, url)

        paid(first)

        assert "https://pay.example/1" not in page_of(alice, url)

    def test_why_it_was_voided_is_not_told(self, alice: Client, first: BillingHistory) -> None:
        settling.void(first, at=NOW, by=TESTS, reason="The customer is difficult.")

        page = page_of(alice, f"/billing/invoices/{first.number}/")

        assert "Voided" in page
        assert "Nothing to pay: it is void" in page
        assert "difficult" not in page

    def test_its_pdf_can_be_kept(self, alice: Client, first: BillingHistory) -> None:
        response = alice.get(f"/billing/invoices/{first.number}/pdf")

        assert response["Content-Type"] == "application/pdf"
        assert response.content.startswith(b"%PDF-")

    @pytest.mark.parametrize("path", ["", "pdf"])
    def test_a_strangers_invoice_is_not_found(self, client: Client, first: BillingHistory, path: str) -> None:
        client.force_login(a_member(an_account("other"), username="eve"))

        for number in (first.number, first.pk, "2026-999999", "%00"):
            assert client.get(f"/billing/invoices/{number}/{path}").status_code == 404

    def test_queries_do_not_grow_with_lines(
        self, alice: Client, acme: Account, first: BillingHistory
    ) -> None:
        def counted(number: str | None) -> int:
            with CaptureQueriesContext(connection) as queries_made:
                alice.get(f"/billing/invoices/{number}/")
            return len(queries_made)

        few = counted(first.number)
        for number in range(5):
            used("3", event_id=f"e{number}", model=f"model-{number}")
        many = period_invoice(acme)

        assert many.lines.count() > 5
        assert counted(many.number) == few


class TestChanges:
    def test_a_cancellation_is_scheduled_and_withdrawn(self, alice: Client) -> None:
        subscription = metered()

        assertRedirects(alice.post("/billing/cancel/"), "/billing/")
        assert again(subscription).cancel_at_term_end
        page = page_of(alice)
        assert "it ends" in page
        assert "Resume the subscription" in page
        assert "Cancel at the end of the term" not in page

        alice.post("/billing/keep/")
        assert not again(subscription).cancel_at_term_end
        assert "Resume the subscription" not in page_of(alice)

    def test_a_change_that_waits_is_withdrawn(self, alice: Client) -> None:
        subscription = subscribe(a_plan("large", price="50"))
        small = a_plan("small", price="10")
        changes.change_plan(subscription, plan=small, cycle=MONTHLY, at=NOW, by=TESTS)
        assert "Small, monthly" in page_of(alice)

        page = unescape(alice.post("/billing/keep/", follow=True).content.decode())

        assert "Your subscription stays as it is." in page
        assert again(subscription).pending_plan is None

    def test_what_cannot_be_done_any_more_is_said(self, alice: Client) -> None:
        subscription = metered()
        lifecycle.cancel(subscription, at=NOW, by=TESTS, at_term_end=False)

        page = unescape(alice.post("/billing/cancel/", follow=True).content.decode())

        assert "The subscription is canceled: this cannot be done now" in page

    def test_without_a_subscription_there_is_nothing_to_cancel(self, alice: Client) -> None:
        assertRedirects(alice.post("/billing/cancel/"), "/billing/")

    @pytest.mark.parametrize("address", ["/billing/card/", "/billing/portal/"])
    def test_cards_are_saved_at_stripe(self, alice: Client, at_stripe: Simulator, address: str) -> None:
        response = alice.post(address)

        delay, _, url = response["Refresh"].partition("; url=")
        assert delay == "0"
        assert url.startswith(at_stripe.url)
        assert f'href="{url}"' in unescape(response.content.decode())

    def test_when_stripe_is_away_the_page_says_so(self, alice: Client, settings: Any) -> None:
        settings.STRIPE_API_BASE, settings.STRIPE_NETWORK_RETRIES = "http://127.0.0.1:1", 0

        page = unescape(alice.post("/billing/card/", follow=True).content.decode())

        assert "cannot be reached just now" in page

    @pytest.mark.parametrize("address", ["/billing/card/", "/billing/portal/"])
    def test_where_no_cards_are_taken_the_page_says_so(
        self, alice: Client, settings: Any, address: str
    ) -> None:
        settings.STRIPE_MODE = "off"

        page = unescape(alice.post(address, follow=True).content.decode())

        assert "Cards are not taken here" in page
