from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from subscriptions import credit_notes, invoice_queries, invoicing
from subscriptions.models import BillingHistory, CreditNoteKind, InvoiceCollection
from tests.support.cast import NOW, an_account, an_event
from tests.support.invoicing import SOON, metered, paid, period_invoice, refused, start_invoice, used
from tests.support.recording import prepare, record
from tests.support.subscribing import TESTS
from usage.core.errors import NotFound
from usage.models import Account, APIUsageLog, BillingPeriod

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Account:
    prepare()
    return Account.objects.get()


@pytest.fixture
def first() -> BillingHistory:
    return start_invoice(metered())


def test_invoices_are_newest_first(acme: Account, first: BillingHistory) -> None:
    second = period_invoice(acme)

    page = invoice_queries.invoices_of(acme, limit=10, offset=0)

    assert [invoice.number for invoice in page.rows] == [second.number, first.number]
    assert (page.total_count, page.has_more) == (2, False)


def test_a_page_knows_whether_more_follow(acme: Account, first: BillingHistory) -> None:
    period_invoice(acme)

    page = invoice_queries.invoices_of(acme, limit=1, offset=0)

    assert (len(page.rows), page.total_count, page.has_more) == (1, 2, True)


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (1, -1), (1, 100_001)])
def test_a_page_out_of_bounds_is_refused(acme: Account, limit: int, offset: int) -> None:
    with pytest.raises(ValueError, match="a page needs"):
        invoice_queries.invoices_of(acme, limit=limit, offset=offset)


def test_an_invoice_is_found_by_its_number_and_by_its_id(acme: Account, first: BillingHistory) -> None:
    assert invoice_queries.invoice_of(acme, "2026-000001") == first
    assert invoice_queries.invoice_of(acme, str(first.pk)) == first


@pytest.mark.parametrize("reference", ["2026-000002", "0", "9" * 30, "", "\x00", "２"])
def test_what_is_no_invoice_is_not_found(acme: Account, first: BillingHistory, reference: str) -> None:
    with pytest.raises(NotFound):
        invoice_queries.invoice_of(acme, reference)


def test_another_accounts_invoice_is_not_found(first: BillingHistory) -> None:
    other = an_account("other")

    with pytest.raises(NotFound):
        invoice_queries.invoice_of(other, "2026-000001")
    assert invoice_queries.invoices_of(other, limit=1, offset=0).total_count == 0
    assert invoice_queries.transactions_of(other, limit=1, offset=0).total_count == 0


def test_a_draft_is_nobodys_business_yet(acme: Account, first: BillingHistory) -> None:
    period = BillingPeriod.objects.get()
    draft = invoicing.close_period(period, at=period.period_end)
    assert draft is not None

    assert invoice_queries.invoices_of(acme, limit=9, offset=0).rows == [first]
    with pytest.raises(NotFound):
        invoice_queries.invoice_of(acme, str(draft.pk))


def test_it_is_paid_where_it_is_hosted_while_something_is_due(acme: Account, first: BillingHistory) -> None:
    InvoiceCollection.objects.update(hosted_url="https://pay.example/1")
    assert invoice_queries.payment_url(invoice_queries.invoice_of(acme, "2026-000001")) != ""

    paid(first)

    assert invoice_queries.payment_url(invoice_queries.invoice_of(acme, "2026-000001")) == ""


def test_transactions_are_invoices_payments_and_credit_notes_newest_first(
    acme: Account, first: BillingHistory
) -> None:
    paid(first)
    credit_notes.issue(
        first, kind=CreditNoteKind.TO_CREDIT, amount=Decimal(5), reason="An outage.", at=NOW, by=TESTS
    )
    second = period_invoice(acme)
    refused(second, at=second.period_end)

    page = invoice_queries.transactions_of(acme, limit=10, offset=0)

    told = [
        (each.kind.value, each.number, each.invoice_number, each.amount, each.state) for each in page.rows
    ]
    assert sorted(told) == [
        ("credit_note", "CN-2026-000001", "2026-000001", Decimal(5), "to_credit"),
        ("invoice", "2026-000001", "2026-000001", Decimal(30), "paid"),
        ("invoice", "2026-000002", "2026-000002", Decimal(30), "open"),
        ("payment", "", "2026-000001", Decimal(30), "succeeded"),
        ("payment", "", "2026-000002", Decimal(25), "failed"),
    ]
    assert [each.at for each in page.rows] == sorted((each.at for each in page.rows), reverse=True)
    assert page.total_count == 5


def test_pages_of_transactions_tile(acme: Account, first: BillingHistory) -> None:
    paid(first)
    period_invoice(acme)
    whole = invoice_queries.transactions_of(acme, limit=10, offset=0).rows

    pages = [invoice_queries.transactions_of(acme, limit=1, offset=offset) for offset in range(3)]

    assert [page.rows[0] for page in pages] == whole
    assert [page.has_more for page in pages] == [True, True, False]


def test_the_number_of_queries_does_not_grow_with_rows(acme: Account, first: BillingHistory) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            for each in invoice_queries.invoices_of(acme, limit=50, offset=0).rows:
                invoice_queries.payment_url(each)
            invoice_queries.transactions_of(acme, limit=50, offset=0)
            found = invoice_queries.invoice_of(acme, "2026-000002")
            for related in (found.lines, found.events, found.payments, found.credit_notes):
                assert list(related.all()) is not None
        return len(counted)

    used("3")
    used("4", event_id="e2", model="o3")
    second = period_invoice(acme)
    few = queries()
    for number in range(3):
        refused(second, charge=f"ch_{number}")
        period_invoice(acme)

    assert queries() == few


def test_each_call_is_billed_by_the_line_of_its_kind_model_and_price(acme: Account) -> None:
    subscription = metered()
    used("2", event_id="in time")
    used("1", event_id="search", provider="tavily", model="")
    record(an_event("rated", at=NOW + SOON), at=NOW + SOON)
    record(an_event("late", at=subscription.term_start - timedelta(days=3)), at=NOW + SOON)
    invoice = period_invoice(acme)
    period = BillingPeriod.objects.get(account=acme, invoice=invoice)

    lines = {row.event_id: invoice_queries.line_billing(row, period) for row in APIUsageLog.objects.all()}

    assert {
        name: line and (line.kind, line.provider, line.price_id is None) for name, line in lines.items()
    } == {
        "in time": ("usage", "openai", True),
        "search": ("usage", "tavily", True),
        "rated": ("usage", "openai", False),
        "late": ("late_usage", "openai", False),
    }
    assert all(line and line.event_count == 1 for line in lines.values())


def test_no_line_bills_a_call_before_its_invoice_has_a_number(acme: Account) -> None:
    metered()
    used("5")
    row = APIUsageLog.objects.get()
    period = BillingPeriod.objects.get(pk=row.billing_period_id)

    assert invoice_queries.line_billing(row, period) is None
    draft = invoicing.close_period(period, at=period.period_end)
    assert invoice_queries.line_billing(row, period) is None
    assert draft is not None
    final = invoicing.finalize(draft, at=period.period_end)
    line = invoice_queries.line_billing(row, period)
    assert line is not None
    assert line.invoice == final
