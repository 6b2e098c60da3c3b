"""From a declined card to a pause and back, with the clock moved; and invoices that end another way."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from subscriptions import credit_notes, payments, queries, settling
from subscriptions.core.invoices import InvoiceState
from subscriptions.core.states import State
from subscriptions.models import (
    BillingHistory,
    BillingProfile,
    CreditNote,
    CreditNoteKind,
    Payment,
    PaymentState,
    UserSubscription,
)
from subscriptions.stripe import holds, push, reconcile
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, an_account
from tests.support.paying import (
    STAFF,
    a_saved_card,
    an_invoice,
    collection_of,
    library,
    pushed,
    pushed_until_quiet,
    twin_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_stripe")]

DAY = timedelta(days=1)
DECLINED = "pm_card_chargeCustomerFail"


def state_of(invoice: BillingHistory) -> tuple[str, str]:
    """The invoice's state, and its subscription's."""
    invoice.refresh_from_db()
    return invoice.state, UserSubscription.objects.get(account=invoice.account_id).state


def test_a_declined_card_is_tried_again_until_the_pause_and_a_new_one_brings_everything_back() -> None:
    account = an_account()
    a_saved_card(account, DECLINED)
    invoice = an_invoice(account)
    seen: list[tuple[int, str, str, int]] = []

    for day in (0, 1, 3, 7, 8, 14, 15, 30):
        pushed(at=NOW + day * DAY)
        seen.append((day, *state_of(invoice), Payment.objects.filter(state=PaymentState.FAILED).count()))
    late = NOW + 31 * DAY
    a_saved_card(account, at=late)
    pushed(at=late)

    assert seen == [
        (0, "open", "past_due", 1),
        (1, "open", "past_due", 1),
        (3, "open", "past_due", 2),
        (7, "open", "past_due", 2),
        (8, "open", "past_due", 3),
        (14, "open", "past_due", 3),
        (15, "open", "paused", 4),
        (30, "open", "paused", 4),
    ]
    assert state_of(invoice) == (InvoiceState.PAID, State.ACTIVE)
    assert collection_of(invoice).payment_attempts == 5
    assert list(reconcile.differences(at=late)) == []


def test_without_a_card_an_invoice_waits_until_it_is_due() -> None:
    invoice = an_invoice()
    pushed()
    before_due = NOW + 13 * DAY
    pushed(at=before_due)
    assert state_of(invoice) == (InvoiceState.OPEN, State.ACTIVE)

    pushed(at=NOW + 14 * DAY)

    assert state_of(invoice) == (InvoiceState.OPEN, State.PAST_DUE)
    assert collection_of(invoice).last_failure_code == payments.NO_CARD
    assert twin_of(invoice).collection_method == "send_invoice"


def test_while_the_account_is_held_no_card_is_charged() -> None:
    account = an_account()
    a_saved_card(account)
    holds.put(account, "Somebody looks into it.", at=NOW)
    invoice = an_invoice(account)

    pushed()

    assert (twin_of(invoice).status, Payment.objects.count()) == ("open", 0)
    holds.lift(account, at=NOW)
    pushed()
    assert state_of(invoice) == (InvoiceState.PAID, State.ACTIVE)


def test_a_refusal_without_a_charge_counts_once() -> None:
    invoice = an_invoice()

    for _ in range(2):
        payments.refused(invoice, attempt=1, code="authentication_required", message="Confirm it.", at=NOW)

    collection = collection_of(invoice)
    assert (collection.failed_attempts, collection.last_failure_code) == (1, "authentication_required")
    assert state_of(invoice) == (InvoiceState.OPEN, State.PAST_DUE)


class TestWhatChangesMeanwhile:
    def test_a_card_that_was_taken_off_is_no_failure_of_ours(self) -> None:
        account = an_account()
        profile = a_saved_card(account)
        invoice = an_invoice(account)
        library().v1.payment_methods.detach(profile.payment_method_id)

        pushed()

        collection = collection_of(invoice)
        assert state_of(invoice) == (InvoiceState.OPEN, State.ACTIVE)
        assert (collection.push_error, collection.push_at) == ("", invoice.due_at)
        assert not BillingProfile.objects.get().has_card

    def test_an_invoice_paid_at_stripe_before_ours_was_voided_stays_paid_there(self) -> None:
        invoice = an_invoice()
        pushed()
        library().v1.invoices.pay(collection_of(invoice).stripe_invoice_id or "", {"paid_out_of_band": True})
        settling.void(invoice, at=NOW, by=STAFF, reason="A mistake.")

        pushed()

        assert twin_of(invoice).status == "paid"
        assert collection_of(invoice).push_error == ""


@pytest.mark.parametrize(
    ("month", "year", "ends"), [(2, 2026, True), (3, 2026, True), (4, 2026, False), (1, 2027, False)]
)
def test_a_card_that_ends_this_month_is_known(month: int, year: int, ends: bool) -> None:
    profile = a_saved_card(an_account())
    profile.card_exp_month, profile.card_exp_year = month, year
    profile.save()

    assert profile.card_ends_by(NOW) is ends
    assert list(queries.cards_ending(at=NOW)) == [profile] * ends


class TestOtherEnds:
    def test_a_void_invoice_is_void_there(self) -> None:
        invoice = an_invoice()
        pushed()
        settling.void(invoice, at=NOW, by=STAFF, reason="A mistake.")

        pushed()

        assert twin_of(invoice).status == "void"

    def test_one_that_is_given_up_is_uncollectible_there_and_paid_once_money_comes(self) -> None:
        invoice = an_invoice()
        pushed()
        settling.give_up(invoice, at=NOW, by=STAFF, reason="Gone.")
        pushed()
        given_up = twin_of(invoice).status
        pay_by_hand(invoice, Decimal(30))

        pushed()

        assert (given_up, twin_of(invoice).status) == ("uncollectible", "paid")

    def test_what_was_paid_by_hand_is_paid_outside_there(self) -> None:
        invoice = an_invoice()
        pushed()
        pay_by_hand(invoice, Decimal(30))

        pushed()

        assert (twin_of(invoice).status, Payment.objects.count()) == ("paid", 1)
        assert list(reconcile.differences(at=NOW)) == []

    def test_of_what_was_paid_by_hand_in_part_the_card_pays_the_rest(self) -> None:
        account = an_account()
        invoice = an_invoice(account)
        pay_by_hand(invoice, Decimal(10))
        a_saved_card(account)

        pushed()

        assert state_of(invoice) == (InvoiceState.PAID, State.ACTIVE)
        assert list(Payment.objects.order_by("pk").values_list("amount", flat=True)) == [10, 20]

    def test_stripes_page_asks_for_no_more_than_is_left_of_it(self) -> None:
        invoice = an_invoice()
        pushed()
        pay_by_hand(invoice, Decimal(10))

        pushed()

        assert twin_of(invoice).amount_remaining == 2000
        assert list(reconcile.differences(at=NOW)) == []

    def test_what_ended_before_stripe_heard_of_it_has_no_twin(self) -> None:
        invoice = an_invoice()
        settling.void(invoice, at=NOW, by=STAFF, reason="A mistake.")

        pushed()

        assert library().v1.invoices.list().data == []

    def test_what_was_done_in_stripes_dashboard_is_done_here(self) -> None:
        invoice = an_invoice()
        pushed()
        library().v1.invoices.pay(collection_of(invoice).stripe_invoice_id or "", {"paid_out_of_band": True})

        push.try_again(collection_of(invoice), at=NOW)
        pushed()

        assert state_of(invoice) == (InvoiceState.PAID, State.ACTIVE)
        assert Payment.objects.get().method == "outside Stripe"


class TestCreditNotes:
    def test_what_is_taken_off_an_open_invoice_is_taken_off_before_the_card_pays(self) -> None:
        account = an_account()
        invoice = an_invoice(account)
        issue(invoice, CreditNoteKind.REDUCE, Decimal(12))
        a_saved_card(account)

        pushed()

        assert Payment.objects.get().amount == 18
        assert state_of(invoice) == (InvoiceState.PAID, State.ACTIVE)
        assert CreditNote.objects.get().stripe_credit_note_id
        assert list(reconcile.differences(at=NOW)) == []

    def test_a_note_whose_answer_got_lost_is_taken_off_once(self, at_stripe: Simulator) -> None:
        account = an_account()
        invoice = an_invoice(account)
        issue(invoice, CreditNoteKind.REDUCE, Decimal(12))
        pay_by_hand(invoice, Decimal(10))
        a_saved_card(account)
        at_stripe.faults.add(method="POST", path="/v1/credit_notes", kind="timeout_after_commit")

        pushed_until_quiet()

        (charge,) = library().v1.charges.list().data
        assert charge.amount == 800
        assert state_of(invoice) == (InvoiceState.PAID, State.ACTIVE)

    def test_nor_is_it_twice_once_stripe_has_forgotten_the_key(self, at_stripe: Simulator) -> None:
        invoice = an_invoice()
        pushed()
        issue(invoice, CreditNoteKind.REDUCE, Decimal(12))
        at_stripe.faults.add(method="POST", path="/v1/credit_notes", kind="timeout_after_commit")
        pushed()
        at_stripe.forget_keys()

        pushed(at=NOW + 2 * DAY)

        assert [each.amount for each in library().v1.credit_notes.list().data] == [1200]
        assert twin_of(invoice).amount_remaining == 1800

    def test_taking_off_all_of_it_settles_it_there(self) -> None:
        invoice = an_invoice()
        pushed()
        issue(invoice, CreditNoteKind.REDUCE, Decimal(30))

        pushed()

        assert (twin_of(invoice).status, twin_of(invoice).amount_paid) == ("paid", 0)

    def test_a_refund_goes_back_to_the_card_and_is_told_of_the_payment(self) -> None:
        invoice = a_paid_invoice()
        note = issue(invoice, CreditNoteKind.TO_CARD, Decimal(10))

        pushed()

        note.refresh_from_db()
        payment = Payment.objects.get()
        assert (note.refund_status, payment.refunded, payment.state) == ("succeeded", 10, "succeeded")

    def test_a_payment_that_went_back_in_full_is_refunded(self) -> None:
        invoice = a_paid_invoice()
        issue(invoice, CreditNoteKind.TO_CARD, Decimal(10))
        issue(invoice, CreditNoteKind.TO_CARD, Decimal(20))

        pushed()

        assert Payment.objects.get().state == PaymentState.REFUNDED
        assert sorted(each.amount for each in library().v1.refunds.list().data) == [1000, 2000]


class TestParking:
    def test_a_twin_that_would_ask_for_another_amount_is_not_finalized(self, at_stripe: Simulator) -> None:
        invoice = an_invoice()
        at_stripe.faults.add(method="POST", path="/v1/invoices/[^/]+/add_lines", kind="connection_reset")
        pushed()
        twin = twin_of(invoice)
        library().v1.invoices.add_lines(twin.id, {"lines": [{"amount": 2999, "description": "Else"}]})

        pushed(at=NOW + DAY)

        collection = collection_of(invoice)
        assert collection.push_at is None
        assert "asks for 30 USD, its twin" in collection.push_error
        assert twin_of(invoice).status == "draft"

    def test_what_is_parked_is_pushed_again_by_hand(self) -> None:
        invoice = an_invoice()
        pushed()
        twin_id = collection_of(invoice).stripe_invoice_id
        collection = collection_of(invoice)
        collection.push_at, collection.push_error = None, "Stripe said no."
        collection.save()

        push.try_again(collection, at=NOW)
        pushed()

        collection.refresh_from_db()
        assert (collection.push_error, collection.stripe_invoice_id) == ("", twin_id)

    def test_an_outage_parks_nothing_however_long_it_lasts(self, at_stripe: Simulator) -> None:
        invoice = an_invoice()
        at_stripe.faults.add(method="POST", path=".*", kind="error_500", times=60)

        for hour in range(0, 24 * 5, 6):
            pushed(at=NOW + timedelta(hours=hour))

        assert collection_of(invoice).push_at is not None
        at_stripe.faults.clear()
        pushed(at=NOW + 6 * DAY)
        assert twin_of(invoice).status == "open"


class TestForgottenKeys:
    def test_after_a_day_a_twin_whose_id_got_lost_is_looked_for(self, at_stripe: Simulator) -> None:
        invoice = an_invoice()
        at_stripe.faults.add(method="POST", path="/v1/invoices", kind="timeout_after_commit")
        pushed()
        assert collection_of(invoice).stripe_invoice_id is None
        at_stripe.forget_keys()

        pushed(at=NOW + 2 * DAY)

        assert [each.status for each in library().v1.invoices.list().data] == ["open"]

    def test_so_is_a_customer(self, at_stripe: Simulator) -> None:
        account = an_account()
        an_invoice(account)
        at_stripe.faults.add(method="POST", path="/v1/customers", kind="timeout_after_commit", times=2)
        pushed()
        at_stripe.forget_keys()

        pushed(at=NOW + 2 * DAY)

        (customer,) = library().v1.customers.list().data
        assert BillingProfile.objects.get().stripe_customer_id == customer.id


def a_paid_invoice() -> BillingHistory:
    account = an_account()
    a_saved_card(account)
    invoice = an_invoice(account)
    pushed()
    invoice.refresh_from_db()
    return invoice


def issue(invoice: BillingHistory, kind: CreditNoteKind, amount: Decimal) -> CreditNote:
    return credit_notes.issue(invoice, kind=kind, amount=amount, reason="Sorry.", at=NOW, by=STAFF)


def pay_by_hand(invoice: BillingHistory, amount: Decimal, *, at: datetime = NOW) -> None:
    payments.record_by_hand(invoice, amount=amount, method="transfer", reference="42", at=at, by=STAFF)
