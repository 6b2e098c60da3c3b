"""Correcting a final invoice in the customer's favour."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from subscriptions import credit_notes, credits, payments, settling
from subscriptions.models import BillingHistory, CreditNote, CreditNoteKind, Payment
from tests.subscriptions.test_payments import a_charge, fail
from tests.support.cast import an_account
from tests.support.invoices import MARCH, a_customer, first_invoice
from tests.support.subscribing import TESTS, again
from usage.core.errors import Conflict, InvalidRequest

pytestmark = pytest.mark.django_db
REDUCE, TO_CARD, TO_CREDIT = CreditNoteKind.REDUCE, CreditNoteKind.TO_CARD, CreditNoteKind.TO_CREDIT


@pytest.fixture
def invoice() -> BillingHistory:
    """30 USD, open."""
    return first_invoice(a_customer(account=an_account()))


def issue(invoice: BillingHistory, kind: CreditNoteKind, amount: str) -> CreditNote:
    return credit_notes.issue(
        invoice, kind=kind, amount=Decimal(amount), reason="An outage.", at=MARCH, by=TESTS
    )


def creditable(invoice: BillingHistory, kind: CreditNoteKind) -> Decimal:
    invoice.refresh_from_db()
    return credit_notes.creditable(invoice, kind)


def test_what_is_open_is_reduced(invoice: BillingHistory) -> None:
    note = issue(invoice, REDUCE, "12.50")

    invoice.refresh_from_db()
    assert note.number == "CN-2026-000001"
    assert (invoice.state, invoice.amount_remaining) == ("open", Decimal("17.50"))


def test_all_of_it_credited_makes_it_paid_and_ends_the_arrears(invoice: BillingHistory) -> None:
    fail(invoice, 1)

    issue(invoice, REDUCE, "30")

    invoice.refresh_from_db()
    assert (invoice.state, invoice.amount_credited, invoice.amount_paid) == ("paid", 30, 0)
    assert again(invoice.account.subscription).state == "active"


def test_too_little_to_be_charged_is_not_left_over(invoice: BillingHistory) -> None:
    with pytest.raises(InvalidRequest, match="too little to be charged"):
        issue(invoice, REDUCE, "29.51")

    assert issue(invoice, REDUCE, "29.50").amount == Decimal("29.50")


@pytest.mark.parametrize("amount", ["0", "-1", "30.01", "1.001"])
def test_no_more_is_credited_than_is_open(invoice: BillingHistory, amount: str) -> None:
    with pytest.raises(InvalidRequest, match=r"between 0\.01 and 30 USD"):
        issue(invoice, REDUCE, amount)


def test_what_was_paid_by_card_goes_back_to_it_or_to_the_account_s_credit_but_once(
    invoice: BillingHistory,
) -> None:
    payments.record(invoice, a_charge(), at=MARCH)

    refund = issue(invoice, TO_CARD, "10")
    issue(invoice, TO_CREDIT, "15")

    assert refund.push_at == MARCH
    assert credits.balance_of(invoice.account, at=MARCH) == 15
    with pytest.raises(InvalidRequest, match=r"between 0\.01 and 5 USD"):
        issue(invoice, TO_CARD, "5.01")


class TestWhatLeftTheChargeAnotherWay:
    def test_what_was_refunded_at_stripe_is_not_given_again(self, invoice: BillingHistory) -> None:
        payment = payments.record(invoice, a_charge(), at=MARCH)
        Payment.objects.filter(pk=payment.pk).update(refunded=20)

        for kind in (TO_CARD, TO_CREDIT):
            assert creditable(invoice, kind) == 10

    @pytest.mark.parametrize("state", ["disputed", "lost"])
    def test_what_is_disputed_or_was_lost_is_not_given_again(
        self, invoice: BillingHistory, state: str
    ) -> None:
        payment = payments.record(invoice, a_charge(), at=MARCH)
        Payment.objects.filter(pk=payment.pk).update(state=state)

        for kind in (TO_CARD, TO_CREDIT):
            assert creditable(invoice, kind) == 0

    def test_a_refund_that_was_made_is_counted_once(self, invoice: BillingHistory) -> None:
        payment = payments.record(invoice, a_charge(), at=MARCH)
        note = issue(invoice, TO_CARD, "20")
        CreditNote.objects.filter(pk=note.pk).update(stripe_refund_id="re_1", refund_status="succeeded")
        Payment.objects.filter(pk=payment.pk).update(refunded=20)

        for kind in (TO_CARD, TO_CREDIT):
            assert creditable(invoice, kind) == 10

    def test_a_refund_that_failed_can_be_given_another_way(self, invoice: BillingHistory) -> None:
        payments.record(invoice, a_charge(), at=MARCH)
        note = issue(invoice, TO_CARD, "20")
        CreditNote.objects.filter(pk=note.pk).update(stripe_refund_id="re_1", refund_status="failed")

        assert creditable(invoice, TO_CREDIT) == 30

    def test_one_refund_is_of_one_charge(self, invoice: BillingHistory) -> None:
        for number, amount in enumerate(("12", "18")):
            payments.record(invoice, a_charge(f"ch_{number}", amount=amount), at=MARCH)

        assert (creditable(invoice, TO_CARD), creditable(invoice, TO_CREDIT)) == (18, 30)


def test_money_that_did_not_come_by_card_cannot_go_back_to_one(invoice: BillingHistory) -> None:
    payments.record_by_hand(
        invoice, amount=Decimal(30), method="bank transfer", reference="", at=MARCH, by=TESTS
    )

    with pytest.raises(Conflict, match="nothing of it can be credited"):
        issue(invoice, TO_CARD, "1")
    assert issue(invoice, TO_CREDIT, "30").grant is not None


def test_a_void_invoice_has_nothing_to_credit(invoice: BillingHistory) -> None:
    settling.void(invoice, at=MARCH, by=TESTS, reason="Mistake.")

    for kind in CreditNoteKind:
        with pytest.raises(Conflict):
            issue(invoice, kind, "1")


def test_a_credit_note_stays_as_it_was_written(invoice: BillingHistory) -> None:
    issue(invoice, REDUCE, "1")

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE credit_notes SET amount = 2")
