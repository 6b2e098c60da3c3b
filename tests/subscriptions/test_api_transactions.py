"""GET /api/billing/transactions"""

from collections.abc import Iterator

import pytest
import time_machine

from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.invoicing import metered, paid, period_invoice, start_invoice
from tests.support.posting import look
from tests.support.recording import prepare
from usage.models import Account

TRANSACTIONS = "/api/billing/transactions"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        paid(start_invoice(metered()))
        account = Account.objects.get()
        period_invoice(account)
        yield account


def test_invoices_and_payments_are_told_together_newest_first(acme: Account) -> None:
    page = look(TRANSACTIONS, key=a_key(acme).plain).body

    told = [(each["kind"], each["invoice_number"], each["state"]) for each in page["transactions"]]
    assert told == [
        ("invoice", "2026-000002", "open"),
        ("payment", "2026-000001", "succeeded"),
        ("invoice", "2026-000001", "paid"),
    ]
    payment = page["transactions"][1]
    assert (payment["amount"], payment["currency"], payment["note"]) == ("30", "USD", "visa 4242")
    assert page["total_count"] == 3


def test_it_is_paged(acme: Account) -> None:
    page = look(f"{TRANSACTIONS}?limit=1&offset=1", key=a_key(acme).plain).body

    assert [each["kind"] for each in page["transactions"]] == ["payment"]
    assert (page["limit"], page["offset"], page["has_more"]) == (1, 1, True)


def test_a_stranger_sees_none_of_it() -> None:
    key = a_key(an_account("other")).plain

    assert look(TRANSACTIONS, key=key).body["transactions"] == []
    assert look(f"{TRANSACTIONS}?user_id=acme", key=key).status == 403


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "offset=-1", "offset=100001"])
def test_a_page_out_of_bounds_is_refused(acme: Account, query: str) -> None:
    assert look(f"{TRANSACTIONS}?{query}", key=a_key(acme).plain).status == 400
