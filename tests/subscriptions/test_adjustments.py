"""Adjustments: what staff put on the next invoice, and take back while it waits."""

from decimal import Decimal

import pytest

from subscriptions import adjustments, invoicing, month_close
from subscriptions.models import InvoiceItem
from tests.support.cast import NOW, an_account
from tests.support.staff_invoices import an_invoice
from tests.support.subscribing import TESTS, a_plan, start
from usage.core.errors import Conflict, InvalidRequest
from usage.models import Account

pytestmark = pytest.mark.django_db


def add(account: Account, amount: str = "-5", **fields: object) -> InvoiceItem:
    given: dict[str, object] = {"description": "For the outage of March.", "corrects": None, **fields}
    return adjustments.add(account, amount=Decimal(amount), at=NOW, by=TESTS, **given)  # type: ignore[arg-type]


def next_total(account: Account) -> Decimal:
    """What the account's next invoice comes to, its first fee of 30 USD with what waited."""
    invoice = month_close.invoice_of(start(a_plan(), account=account), at=NOW)
    assert invoice is not None
    return invoice.total


def test_an_adjustment_is_on_the_next_invoice() -> None:
    account = an_account()
    add(account, "-5.25")

    assert next_total(account) == Decimal("24.75")


def test_it_keeps_who_added_it_and_which_invoice_was_wrong() -> None:
    invoice = an_invoice()

    item = add(invoice.account, corrects=invoice)

    assert (item.actor, item.corrects, item.created_at) == ("tests", invoice, NOW)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "0.005"}, "amount"),
        ({"amount": "1000000.01"}, "amount"),
        ({"amount": "-1000000.01"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "1e40"}, "amount"),
        ({"description": " "}, "description"),
        ({"description": "x" * 301}, "description"),
    ],
)
def test_what_cannot_be_an_adjustment_is_named(fields: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}: "):
        add(an_account(), **fields)
    assert not InvoiceItem.objects.exists()


@pytest.mark.parametrize("amount", ["0.01", "-0.01", "1000000", "-1000000"])
def test_the_bounds_themselves_are_allowed(amount: str) -> None:
    assert add(an_account(), amount).amount == Decimal(amount)


def test_it_corrects_a_final_invoice_of_the_same_account() -> None:
    theirs = an_invoice("other")
    draft = invoicing.invoice_changes(start(a_plan("b"), account=an_account("acme")), at=NOW)
    assert draft is not None

    with pytest.raises(InvalidRequest, match=r"corrects: .* another account's"):
        add(draft.account, corrects=theirs)
    with pytest.raises(InvalidRequest, match="corrects: a draft"):
        add(draft.account, corrects=draft)


def test_a_withdrawn_one_costs_nothing_and_both_are_kept() -> None:
    account = an_account()
    item = add(account, "12")

    opposite = adjustments.withdraw(item, reason="A mistake.", at=NOW, by=TESTS)

    assert (opposite.amount, opposite.withdraws) == (-12, item)
    assert opposite.description == "Withdrawn: For the outage of March. (A mistake.)"
    assert next_total(account) == 30


def test_one_is_withdrawn_once() -> None:
    item = add(an_account())
    opposite = adjustments.withdraw(item, reason="A mistake.", at=NOW, by=TESTS)

    with pytest.raises(Conflict, match="withdrawn already"):
        adjustments.withdraw(item, reason="Again.", at=NOW, by=TESTS)
    with pytest.raises(Conflict, match="withdraws another"):
        adjustments.withdraw(opposite, reason="After all.", at=NOW, by=TESTS)


def test_what_is_billed_cannot_be_withdrawn() -> None:
    account = an_account()
    item = add(account)
    next_total(account)

    with pytest.raises(Conflict, match="An invoice has billed it"):
        adjustments.withdraw(item, reason="Too late.", at=NOW, by=TESTS)


def test_withdrawing_takes_a_reason() -> None:
    with pytest.raises(InvalidRequest, match=r"^reason: "):
        adjustments.withdraw(add(an_account()), reason=" ", at=NOW, by=TESTS)
