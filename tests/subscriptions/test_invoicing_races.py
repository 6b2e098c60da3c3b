"""Invoices under real connections: each thing billed once, no number left out, no credit spent twice."""

from datetime import timedelta
from decimal import Decimal

import pytest

from subscriptions import credits, invoicing, month_close, payments, settling
from subscriptions.credit_notes import issue
from subscriptions.models import (
    BillingHistory,
    CreditEntry,
    CreditKind,
    CreditNoteKind,
    InvoiceLine,
    Payment,
    UserSubscription,
)
from tests.subscriptions.test_payments import a_charge
from tests.support.billing import broken_invoices
from tests.support.cast import an_account
from tests.support.invoices import APRIL, GRACE, MARCH, a_metered_plan, first_invoice, use
from tests.support.racing import by_clients, together
from tests.support.recording import prepare
from tests.support.subscribing import TESTS, start
from usage.core.errors import BillingError
from usage.models import Account

pytestmark = pytest.mark.django_db(transaction=True)
DUE = APRIL + GRACE


def customers(count: int) -> list[UserSubscription]:
    """That many, each with a call of 11 USD in March."""
    prepare()
    plan = a_metered_plan()
    made = []
    for number in range(count):
        name = f"customer-{number}"
        made.append(start(plan, account=an_account(name), at=MARCH))
        use("11", at=MARCH, subject=name, event_id=name)
    return made


def test_workers_closing_the_same_periods_close_each_once() -> None:
    subscriptions = customers(12)

    closed = by_clients(lambda _: month_close.close_due(at=DUE, limit=50), times=4, clients=4)

    assert BillingHistory.objects.filter(reason="period_closed").count() == len(subscriptions)
    assert InvoiceLine.objects.filter(kind="usage").count() == len(subscriptions)
    assert sum(closed) == len(subscriptions)
    assert broken_invoices() == []


def test_one_change_invoiced_by_many_is_on_one_invoice() -> None:
    (subscription,) = customers(1)

    by_clients(lambda _: month_close.invoice_of(subscription, at=MARCH), times=4, clients=4)

    assert BillingHistory.objects.count() == 1


def test_a_draft_finalized_by_many_gets_one_number() -> None:
    (subscription,) = customers(1)
    draft = invoicing.invoice_changes(subscription, at=MARCH)
    assert draft is not None

    numbers = by_clients(lambda _: invoicing.finalize(draft, at=MARCH).number, times=4, clients=4)

    assert set(numbers) == {"2026-000001"}
    assert broken_invoices() == []


def test_two_invoices_of_an_account_do_not_spend_a_credit_twice() -> None:
    (subscription,) = customers(1)
    account = subscription.account
    credits.grant(account, kind=CreditKind.PREPAID, amount=Decimal(40), reason="Ahead.", at=MARCH, by=TESTS)
    first = invoicing.invoice_changes(subscription, at=MARCH)
    period = account.billing_periods.get(period_start=MARCH)
    second = invoicing.close_period(period, at=DUE)
    assert first is not None
    assert second is not None

    together(lambda: invoicing.finalize(first, at=DUE), lambda: invoicing.finalize(second, at=DUE))

    applied = CreditEntry.objects.filter(kind="applied").values_list("amount", flat=True)
    assert sum(applied) == -40
    assert broken_invoices() == []


def test_one_charge_told_of_by_many_is_recorded_once() -> None:
    invoice = first_invoice(customers(1)[0])

    by_clients(lambda _: payments.record(invoice, a_charge(), at=MARCH), times=6, clients=6)

    assert Payment.objects.count() == 1
    invoice.refresh_from_db()
    assert invoice.amount_paid == 30
    assert credits.balance_of(Account.objects.get(pk=invoice.account_id), at=MARCH) == 0


def test_a_payment_and_a_void_at_once_leave_one_of_them_or_a_credit() -> None:
    for number, subscription in enumerate(customers(5)):
        invoice = first_invoice(subscription)

        def void(invoice: BillingHistory = invoice) -> object:
            try:
                return settling.void(invoice, at=MARCH, by=TESTS, reason="Race.")
            except BillingError as refused:
                return refused

        def pay(invoice: BillingHistory = invoice, number: int = number) -> object:
            return payments.record(invoice, a_charge(f"ch_{number}"), at=MARCH)

        together(void, pay)

        invoice.refresh_from_db()
        given_back = credits.balance_of(subscription.account, at=MARCH)
        assert (invoice.state, invoice.amount_paid, given_back) in [("paid", 30, 0), ("void", 0, 30)]


def test_credit_notes_written_at_once_never_give_back_more_than_was_paid() -> None:
    (subscription,) = customers(1)
    invoice = first_invoice(subscription)
    payments.record(invoice, a_charge(), at=MARCH)

    def give_back(_: int) -> bool:
        try:
            issue(
                invoice, kind=CreditNoteKind.TO_CREDIT, amount=Decimal(20), reason="Race.", at=MARCH, by=TESTS
            )
        except BillingError:
            return False
        return True

    assert sum(by_clients(give_back, times=4, clients=4)) == 1
    assert credits.balance_of(subscription.account, at=MARCH) == 20


def test_credits_expire_once_and_not_while_they_are_applied() -> None:
    (subscription,) = customers(1)
    account, over = subscription.account, MARCH + timedelta(days=1)
    credits.grant(
        account, kind=CreditKind.PROMOTIONAL, amount=Decimal(50), reason="Now.", at=MARCH, by=TESTS,
        expires_at=over,
    )  # fmt: skip
    draft = invoicing.invoice_changes(subscription, at=MARCH)
    assert draft is not None

    expire = lambda: credits.expire_due(at=over, limit=10)  # noqa: E731
    together(expire, lambda: invoicing.finalize(draft, at=MARCH), expire)

    assert broken_invoices() == []
    assert account.credit_grants.get().balance in (0, 20)
    assert CreditEntry.objects.filter(kind="expired").count() <= 1
