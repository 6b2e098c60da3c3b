"""GET /api/billing/credits"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine

from subscriptions import credits
from subscriptions.models import CreditKind
from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.invoicing import metered, start_invoice
from tests.support.posting import look
from tests.support.recording import prepare
from tests.support.subscribing import TESTS
from usage.models import Account

CREDITS = "/api/billing/credits"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get()


def give(account: Account, amount: str, *, days: int | None = None) -> None:
    credits.grant(
        account,
        kind=CreditKind.PREPAID,
        amount=Decimal(amount),
        reason="Paid ahead.",
        expires_at=None if days is None else NOW + timedelta(days=days),
        at=NOW,
        by=TESTS,
    )


def test_grants_and_their_ledger_are_told(acme: Account) -> None:
    give(acme, "50")
    start_invoice(metered())

    body = look(CREDITS, key=a_key(acme).plain).body

    assert (body["balance"], body["currency"]) == ("20", "USD")
    (grant,) = body["grants"]
    assert (grant["amount"], grant["balance"], grant["reason"]) == ("50", "20", "Paid ahead.")
    told = [(entry["kind"], entry["amount"], entry["invoice_number"]) for entry in body["ledger"]]
    assert told == [("applied", "-30", "2026-000001"), ("granted", "50", None)]
    assert {entry["grant_id"] for entry in body["ledger"]} == {grant["id"]}


def test_what_has_expired_is_no_balance(acme: Account) -> None:
    give(acme, "50", days=1)
    key = a_key(acme).plain

    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        assert look(CREDITS, key=key).body["balance"] == "0"


def test_the_ledger_is_paged(acme: Account) -> None:
    for amount in ("1", "2", "3"):
        give(acme, amount)

    body = look(f"{CREDITS}?limit=2", key=a_key(acme).plain).body

    assert [entry["amount"] for entry in body["ledger"]] == ["3", "2"]
    assert (body["total_count"], body["has_more"], body["balance"]) == (3, True, "6")


def test_an_account_without_credits_has_none() -> None:
    key = a_key(an_account("other")).plain

    body = look(CREDITS, key=key).body

    assert (body["balance"], body["grants"], body["ledger"]) == ("0", [], [])
    assert look(f"{CREDITS}?user_id=acme", key=key).status == 403
