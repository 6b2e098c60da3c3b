"""An account's page in the admin: how it pays, what its next invoice is heading for, and its latest ones."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine
from django.urls import reverse

from subscriptions import adjustments, credits
from subscriptions.models import CreditKind
from tests.support.cast import NOW, an_account
from tests.support.staff_invoices import a_clerk, a_profile, an_invoice, declined, queries_of
from tests.support.subscribing import TESTS
from usage.models import Account

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def page(account: Account) -> str:
    return reverse("admin:usage_account_change", args=[account.pk])


def shown(account: Account) -> str:
    return a_clerk().get(page(account)).content.decode()


def test_an_account_that_was_never_billed_says_so() -> None:
    told = shown(an_account())

    assert "no billing period of a subscription is open" in told
    assert "Latest invoices" in told


def test_the_next_invoice_is_told_with_what_credits_take_of_it() -> None:
    account = an_invoice().account
    adjustments.add(account, amount=Decimal("2.50"), description="Setup help.", at=NOW, by=TESTS)
    credits.grant(account, kind=CreditKind.PREPAID, amount=Decimal(12), reason="Paid.", at=NOW, by=TESTS)

    told = shown(account)

    # The next month's 30 and the 2.50 that wait, less the credit of 12.
    assert "32.50 USD, of which credits take 12.00; 20.50 USD are due from 2026-04-15 12:00 UTC on." in told
    assert "Setup help." in told


def test_card_debts_and_arrears_are_told() -> None:
    invoice = declined(an_invoice())
    a_profile(invoice.account, hold_reason="A dispute.")

    told = shown(invoice.account)

    for expected in ("visa 4242, 2030-04", "30.00 on 1", "a payment of an open invoice failed", "A dispute."):
        assert expected in told
    assert f"Invoice {invoice.number}" in told


def test_the_page_takes_as_many_queries_however_much_waits() -> None:
    account = an_invoice().account
    client = a_clerk()
    few = queries_of(client, page(account))
    for number in range(4):
        adjustments.add(account, amount=Decimal(1), description=f"{number}", at=NOW, by=TESTS)

    assert len(queries_of(client, page(account))) == len(few)
