"""Credits and adjustments in the admin: given and taken back with a reason, never edited."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from subscriptions import adjustments, credits, month_close
from subscriptions.models import CreditEntry, CreditGrant, CreditKind, InvoiceItem
from tests.support.cast import NOW, an_account
from tests.support.staff_invoices import a_clerk, history, offered
from tests.support.subscribing import TESTS, a_plan, start
from usage.models import Account

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def staff() -> Client:
    return a_clerk("settle_billinghistory")


def page(model: str, name: str, *arguments: object) -> str:
    return reverse(f"admin:subscriptions_{model}_{name}", args=arguments)


def give(client: Client, to: Account, **fields: str) -> str:
    """What the form answers to a promotional credit of 10 USD, or to `fields`."""
    sent = {
        "account": str(to.pk), "kind": "promotional", "amount": "10", "priority": "", "reason": "Hello.",
        "expires_at_0": "", "expires_at_1": "", **fields,
    }  # fmt: skip
    return client.post(page("creditgrant", "add"), sent, follow=True).content.decode()


def add(client: Client, to: Account, **fields: str) -> str:
    """What the form answers to 5 USD for the customer, or to `fields`."""
    sent = {
        "account": str(to.pk), "amount": "-5", "description": "Outage.", "corrects": "", **fields,
    }  # fmt: skip
    return client.post(page("invoiceitem", "add"), sent, follow=True).content.decode()


def a_credit(account: Account) -> CreditGrant:
    return credits.grant(
        account, kind=CreditKind.PREPAID, amount=Decimal(10), reason="Paid.", at=NOW, by=TESTS
    )


def test_a_credit_is_given_with_its_turn_and_end(staff: Client) -> None:
    give(staff, an_account(), priority="7", expires_at_0="2026-12-31", expires_at_1="00:00")

    made = CreditGrant.objects.get()
    assert (made.amount, made.balance, made.priority, made.reason) == (10, 10, 7, "Hello.")
    assert f"{made.expires_at:%Y-%m-%d}" == "2026-12-31"
    assert CreditEntry.objects.get().actor == "clerk"
    assert history() == ["Promotional credit of 10 USD for Acme. Hello."]


def test_without_a_priority_it_is_its_kind_s(staff: Client) -> None:
    give(staff, an_account(), kind="prepaid")

    assert CreditGrant.objects.get().priority == credits.DEFAULT_PRIORITY


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"amount": "0"}, "a positive amount in whole cents"),
        ({"amount": "-1"}, "a positive amount in whole cents"),
        ({"amount": "10000000.01"}, "at most 10000000 USD"),
        ({"reason": ""}, "This field is required"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "choose a moment in the future"),
        ({"priority": "-1"}, "greater than or equal to 0"),
        ({"account": "999"}, "Select a valid choice"),
    ],
)
def test_a_credit_that_cannot_be_is_explained(staff: Client, fields: dict[str, str], told: str) -> None:
    assert told in give(staff, an_account(), **fields)
    assert not CreditGrant.objects.exists()


def test_a_credit_is_voided_with_a_reason(staff: Client) -> None:
    credit = a_credit(an_account())
    assert offered(staff, page("creditgrant", "change", credit.pk), {"void"}) == {"void"}

    staff.post(page("creditgrant", "void", credit.pk), {"reason": "Chargeback."})

    credit.refresh_from_db()
    assert (credit.balance, credit.voided_at) == (0, NOW)
    assert history() == ["10.00 USD of the Prepaid credit of 10.00 USD are taken back. Chargeback."]
    assert offered(staff, page("creditgrant", "change", credit.pk), {"void"}) == set()


def test_the_ledger_is_on_the_credit_s_page_and_in_a_list(staff: Client) -> None:
    credit = a_credit(an_account())
    invoice = month_close.invoice_of(start(a_plan(), account=credit.account), at=NOW)

    assert invoice is not None
    shown = staff.get(page("creditgrant", "change", credit.pk)).content.decode()
    assert f"Invoice {invoice.number}" in shown
    assert "-10.00" in shown
    assert "-10.00" in staff.get(page("creditentry", "changelist")).content.decode()


def test_an_adjustment_waits_and_is_linked_once_billed(staff: Client) -> None:
    account = an_account()
    add(staff, account)
    item = InvoiceItem.objects.get()
    assert (item.amount, item.actor) == (-5, "clerk")
    assert "waiting" in staff.get(page("invoiceitem", "changelist")).content.decode()

    month_close.invoice_of(start(a_plan(), account=account), at=NOW)

    assert "Invoice 2026-000001" in staff.get(page("invoiceitem", "changelist")).content.decode()
    assert offered(staff, page("invoiceitem", "change", item.pk), {"withdraw"}) == set()
    assert history() == ["-5 USD on the next invoice of Acme: Outage."]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"amount": "0"}, "whole cents other than 0"),
        ({"amount": "1000000.01"}, "between -1000000 and 1000000 USD"),
        ({"amount": "0.001"}, "no more than 2 decimal places"),
        ({"description": ""}, "This field is required"),
        ({"corrects": "2026-000009"}, "There is no invoice 2026-000009"),
    ],
)
def test_an_adjustment_that_cannot_be_is_explained(staff: Client, fields: dict[str, str], told: str) -> None:
    assert told in add(staff, an_account(), **fields)
    assert not InvoiceItem.objects.exists()


def test_a_waiting_adjustment_is_withdrawn_once(staff: Client) -> None:
    item = adjustments.add(an_account(), amount=Decimal(5), description="A wish.", at=NOW, by=TESTS)
    address = page("invoiceitem", "change", item.pk)
    assert offered(staff, address, {"withdraw"}) == {"withdraw"}

    staff.post(page("invoiceitem", "withdraw", item.pk), {"reason": "A mistake."})

    assert sum(InvoiceItem.objects.values_list("amount", flat=True)) == 0
    assert offered(staff, address, {"withdraw"}) == set()
    assert history() == ["Withdrawn: A wish.: 5 USD. A mistake."]


def test_without_the_permission_nothing_is_given_or_taken() -> None:
    viewer, account = a_clerk(), an_account()
    credit = a_credit(account)
    item = adjustments.add(account, amount=Decimal(5), description="A wish.", at=NOW, by=TESTS)

    for address in (
        page("creditgrant", "add"),
        page("creditgrant", "void", credit.pk),
        page("invoiceitem", "add"),
        page("invoiceitem", "withdraw", item.pk),
    ):
        assert viewer.post(address, {"reason": "x"}).status_code == 403
    assert viewer.get(page("creditgrant", "change", credit.pk)).status_code == 200
    assert offered(viewer, page("creditgrant", "change", credit.pk), {"void"}) == set()
    assert (CreditGrant.objects.count(), InvoiceItem.objects.count()) == (1, 1)
