"""Credits: granted, applied, returned, expired and voided, each movement an entry of the ledger."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from subscriptions import credits, settling
from subscriptions.models import CreditEntry, CreditGrant, CreditKind
from tests.support.billing import broken_invoices
from tests.support.cast import an_account
from tests.support.invoices import MARCH, a_customer, first_invoice
from tests.support.subscribing import TESTS
from usage.core.errors import Conflict, InvalidRequest
from usage.models import Account

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def acme() -> Account:
    return an_account()


def given(account: Account, amount: str = "25", **options: object) -> CreditGrant:
    kind = options.pop("kind", CreditKind.PROMOTIONAL)
    return credits.grant(
        account, kind=kind, amount=Decimal(amount), reason="Welcome.", at=MARCH, by=TESTS, **options
    )  # type: ignore[arg-type]


def ledger() -> list[tuple[str, str]]:
    return [(entry.kind, str(entry.amount)) for entry in CreditEntry.objects.order_by("id")]


def test_a_grant_is_the_first_entry_of_its_ledger(acme: Account) -> None:
    credit = given(acme)

    assert (credit.balance, credit.priority) == (25, 20)
    assert ledger() == [("granted", "25.00")]


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "10000000.01", "1e30", "NaN", "Infinity"])
def test_a_grant_is_a_positive_amount_in_cents(acme: Account, amount: str) -> None:
    with pytest.raises(InvalidRequest, match="amount"):
        given(acme, amount)

    assert ledger() == []


def test_a_grant_cannot_be_over_before_it_begins(acme: Account) -> None:
    with pytest.raises(InvalidRequest, match="expires_at"):
        given(acme, expires_at=MARCH)


def test_a_voided_invoice_returns_what_it_took(acme: Account) -> None:
    credit = given(acme)
    invoice = first_invoice(a_customer(account=acme))

    settling.void(invoice, at=MARCH + DAY, by=TESTS, reason="Mistake.")

    credit.refresh_from_db()
    assert credit.balance == 25
    assert ledger() == [("granted", "25.00"), ("applied", "-25.00"), ("returned", "25.00")]
    assert broken_invoices() == []


def test_what_is_left_expires_once(acme: Account) -> None:
    credit = given(acme, "40", expires_at=MARCH + DAY)
    first_invoice(a_customer(account=acme))

    assert credits.expire_due(at=MARCH + DAY - timedelta(seconds=1), limit=10) == 0
    assert credits.expire_due(at=MARCH + DAY, limit=10) == 1
    assert credits.expire_due(at=MARCH + DAY, limit=10) == 0

    credit.refresh_from_db()
    assert credit.balance == 0
    assert ledger()[-2:] == [("applied", "-30.00"), ("expired", "-10.00")]


def test_an_expired_credit_that_no_sweep_has_seen_is_not_applied(acme: Account) -> None:
    given(acme, expires_at=MARCH + DAY)
    subscription = a_customer(account=acme, at=MARCH + 2 * DAY)

    assert first_invoice(subscription, at=MARCH + 2 * DAY).credit_applied == 0
    assert credits.balance_of(acme, at=MARCH + 2 * DAY) == 0


def test_what_is_left_can_be_voided_once(acme: Account) -> None:
    credit = given(acme)

    credits.void(credit, at=MARCH, by=TESTS, reason="Given by mistake.")

    assert ledger()[-1] == ("voided", "-25.00")
    with pytest.raises(Conflict):
        credits.void(credit, at=MARCH, by=TESTS, reason="Again.")


def test_another_account_s_credits_are_not_touched(acme: Account) -> None:
    stranger = an_account("stranger")
    given(stranger)

    assert first_invoice(a_customer(account=acme)).credit_applied == 0
    assert credits.balance_of(stranger, at=MARCH) == 25


@pytest.mark.parametrize("statement", ["UPDATE credit_entries SET amount = 1", "DELETE FROM credit_entries"])
def test_the_ledger_is_append_only(acme: Account, statement: str) -> None:
    given(acme)

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
