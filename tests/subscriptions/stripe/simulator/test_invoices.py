"""An invoice from its draft to its end."""

from typing import Any

import pytest
import stripe

from tests.support.stripe_simulator import (
    a_customer,
    a_draft,
    a_paid_invoice,
    an_open_invoice,
    charge_of,
    event_types,
    refused,
)


@pytest.fixture
def customer(api: Any) -> Any:
    """Ada, with a Visa by default."""
    return a_customer(api)


def test_a_draft_does_nothing_by_itself(api: Any, customer: Any) -> None:
    draft = a_draft(api, customer, 1000, 250)

    assert (draft.status, draft.auto_advance, draft.number) == ("draft", False, None)
    assert (draft.subtotal, draft.total, draft.amount_due, draft.attempt_count) == (1250, 1250, 1250, 0)


def test_lines_keep_what_they_were_given(api: Any, customer: Any) -> None:
    line = {
        "amount": 700,
        "description": "July",
        "quantity": 7,
        "period": {"start": 1_000, "end": 2_000},
        "metadata": {"line": "1"},
    }

    (kept,) = api.invoices.add_lines(a_draft(api, customer).id, {"lines": [line]}).lines.data

    assert (kept.amount, kept.description, kept.quantity) == (700, "July", 7)
    assert (kept.period.start, kept.period.end, kept.metadata.to_dict()) == (1_000, 2_000, {"line": "1"})
    assert (kept.pricing.unit_amount_decimal, kept.parent.type) == (100, "invoice_item_details")


def test_an_invoice_shows_ten_lines_and_lists_all(api: Any, customer: Any) -> None:
    draft = a_draft(api, customer, *[100] * 12)

    assert (len(draft.lines.data), draft.lines.has_more) == (10, True)
    assert len(list(draft.lines.auto_paging_iter())) == 12
    assert len(api.invoices.line_items.list(draft.id, {"limit": 100}).data) == 12


@pytest.mark.parametrize(("number", "is_taken"), [(250, True), (251, False)])
def test_an_invoice_has_a_largest_number_of_lines(
    api: Any, customer: Any, number: int, is_taken: bool
) -> None:
    if is_taken:
        assert a_draft(api, customer, *[1] * number).total == number
        return

    with refused():
        a_draft(api, customer, *[1] * number)


def test_an_item_becomes_a_line_of_its_draft(api: Any, customer: Any) -> None:
    draft = a_draft(api, customer)

    item = api.invoice_items.create({"customer": customer.id, "invoice": draft.id, "amount": 300})

    (line,) = api.invoices.retrieve(draft.id).lines.data
    assert (item.invoice, line.parent.invoice_item_details.invoice_item) == (draft.id, item.id)


def test_an_item_may_cost_a_unit_amount_times_a_quantity(api: Any, customer: Any) -> None:
    item = api.invoice_items.create(
        {"customer": customer.id, "currency": "usd", "unit_amount_decimal": "0.5", "quantity": 3}
    )

    assert item.amount == 2


def test_pending_items_wait_for_an_invoice_that_includes_them(api: Any, customer: Any) -> None:
    api.invoice_items.create({"customer": customer.id, "amount": 300, "currency": "usd"})

    without = a_draft(api, customer)
    with_them = a_draft(api, customer, pending_invoice_items_behavior="include")

    assert (without.total, with_them.total) == (0, 300)
    assert api.invoice_items.list({"customer": customer.id, "pending": True}).data == []


def test_a_deleted_item_leaves_the_draft(api: Any, customer: Any) -> None:
    draft = a_draft(api, customer, 1000, 250)

    api.invoice_items.delete(draft.lines.data[0].parent.invoice_item_details.invoice_item)

    assert api.invoices.retrieve(draft.id).total == 250


def test_an_item_of_another_currency_is_refused(api: Any, customer: Any) -> None:
    with refused() as error:
        api.invoice_items.create(
            {
                "customer": customer.id,
                "invoice": a_draft(api, customer).id,
                "amount": 300,
                "currency": "eur",
            }
        )

    assert error().param == "currency"


def test_a_final_invoice_has_a_number_and_a_page(api: Any, customer: Any) -> None:
    first, second = an_open_invoice(api, customer), an_open_invoice(api, customer)

    assert (first.status, first.amount_remaining) == ("open", 1000)
    assert first.number == f"{customer.invoice_prefix}-0001"
    assert second.number == f"{customer.invoice_prefix}-0002"
    assert first.hosted_invoice_url.startswith("http://127.0.0.1")
    assert first.status_transitions.finalized_at


def test_a_final_invoice_waits_for_one_payment(api: Any, customer: Any) -> None:
    invoice = an_open_invoice(api, customer)

    (payment,) = api.invoice_payments.list({"invoice": invoice.id}).data

    assert (payment.status, payment.amount_requested, payment.is_default) == ("open", 1000, True)
    by_intent = {"payment": {"type": "payment_intent", "payment_intent": payment.payment.payment_intent}}
    assert [found.id for found in api.invoice_payments.list(by_intent).data] == [payment.id]


def test_a_final_invoice_cannot_change(api: Any, customer: Any) -> None:
    invoice = an_open_invoice(api, customer)

    for change in (
        lambda: api.invoices.update(invoice.id, {"description": "x"}),
        lambda: api.invoices.add_lines(invoice.id, {"lines": [{"amount": 1}]}),
        lambda: api.invoices.delete(invoice.id),
        lambda: api.invoices.finalize_invoice(invoice.id),
    ):
        with refused() as error:
            change()
        assert error().code == "invoice_not_editable"


def test_metadata_of_a_final_invoice_can_change(api: Any, customer: Any) -> None:
    invoice = an_open_invoice(api, customer)

    assert api.invoices.update(invoice.id, {"metadata": {"a": "1"}}).metadata.a == "1"


def test_a_draft_can_be_thrown_away(api: Any, customer: Any) -> None:
    draft = a_draft(api, customer, 1000)

    assert api.invoices.delete(draft.id).deleted
    assert api.invoice_items.list({"customer": customer.id}).data == []


def test_paying_charges_the_default_card(api: Any, customer: Any) -> None:
    paid = a_paid_invoice(api, customer)

    intent = paid.payments.data[0].payment.payment_intent
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1000, 0)
    assert (intent.status, intent.amount_received) == ("succeeded", 1000)
    assert event_types(api)[-6:] == [
        "payment_intent.succeeded",
        "charge.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]


def test_paying_a_draft_makes_it_final(api: Any, customer: Any) -> None:
    assert api.invoices.pay(a_draft(api, customer, 1000).id).status == "paid"


def test_another_card_can_be_named(api: Any, customer: Any) -> None:
    other = api.payment_methods.attach("pm_card_mastercard", {"customer": customer.id})

    paid = api.invoices.pay(an_open_invoice(api, customer).id, {"payment_method": other.id})

    assert charge_of(api, paid).payment_method_details.card.brand == "mastercard"


def test_paying_twice_is_refused(api: Any, customer: Any) -> None:
    paid = a_paid_invoice(api, customer)

    with refused() as error:
        api.invoices.pay(paid.id)

    assert error().user_message == "Invoice is already paid"


def test_paying_needs_a_card(api: Any) -> None:
    with refused() as error:
        api.invoices.pay(an_open_invoice(api, a_customer(api, card=None)).id)

    assert "default_payment_method" in error().user_message


def test_a_failed_payment_can_be_tried_with_another_card(api: Any) -> None:
    customer = a_customer(api, card="pm_card_chargeCustomerFail")
    invoice = an_open_invoice(api, customer)
    with refused(stripe.CardError):
        api.invoices.pay(invoice.id)
    other = api.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    paid = api.invoices.pay(invoice.id, {"payment_method": other.id})

    assert (paid.status, paid.attempt_count) == ("paid", 2)


def test_what_is_paid_elsewhere_is_not_charged(api: Any, customer: Any) -> None:
    paid = api.invoices.pay(an_open_invoice(api, customer).id, {"paid_out_of_band": True})

    assert (paid.status, paid.amount_paid, paid.amount_paid_off_stripe) == ("paid", 1000, 1000)
    assert api.charges.list().data == []


def test_nothing_to_pay_is_paid_at_once(api: Any, customer: Any) -> None:
    invoice = api.invoices.finalize_invoice(a_draft(api, customer).id)

    assert (invoice.status, invoice.amount_paid) == ("paid", 0)
    assert event_types(api)[-2:] == ["invoice.paid", "invoice.payment_succeeded"]


@pytest.mark.parametrize(("amount", "due", "carried"), [(49, 0, 49), (50, 50, 0), (-300, 0, -300)])
def test_what_is_too_little_to_charge_is_carried_over(
    api: Any, customer: Any, amount: int, due: int, carried: int
) -> None:
    invoice = an_open_invoice(api, customer, amount)

    assert (invoice.amount_due, invoice.ending_balance) == (due, carried)
    assert api.customers.retrieve(customer.id).balance == carried


def test_a_credit_balance_pays_first(api: Any, customer: Any) -> None:
    api.customers.update(customer.id, {"balance": -300})

    invoice = an_open_invoice(api, customer, 1000)

    assert (invoice.starting_balance, invoice.amount_due, invoice.ending_balance) == (-300, 700, 0)
    assert api.customers.retrieve(customer.id).balance == 0


def test_a_void_invoice_gives_the_balance_back(api: Any, customer: Any) -> None:
    api.customers.update(customer.id, {"balance": -300})
    invoice = an_open_invoice(api, customer, 1000)

    voided = api.invoices.void_invoice(invoice.id)

    assert voided.status == "void"
    assert api.customers.retrieve(customer.id).balance == -300
    (payment,) = api.invoice_payments.list({"invoice": invoice.id}).data
    assert payment.status == "canceled"
    assert api.payment_intents.retrieve(payment.payment.payment_intent).cancellation_reason == "void_invoice"


def test_a_bad_debt_can_still_be_paid(api: Any, customer: Any) -> None:
    invoice = api.invoices.mark_uncollectible(an_open_invoice(api, customer).id)

    assert invoice.status == "uncollectible"
    assert api.invoices.pay(invoice.id).status == "paid"


@pytest.mark.parametrize("verb", ["void_invoice", "mark_uncollectible"])
def test_a_paid_invoice_stays_paid(api: Any, customer: Any, verb: str) -> None:
    paid = a_paid_invoice(api, customer)

    with refused():
        getattr(api.invoices, verb)(paid.id)


def test_a_void_invoice_cannot_be_paid(api: Any, customer: Any) -> None:
    invoice = api.invoices.void_invoice(an_open_invoice(api, customer).id)

    with refused():
        api.invoices.pay(invoice.id)


def test_an_invoice_to_be_sent_has_a_term(api: Any, customer: Any) -> None:
    invoice = an_open_invoice(api, customer, collection_method="send_invoice", days_until_due=14)

    sent = api.invoices.send_invoice(invoice.id)

    assert sent.due_date == invoice.created + 14 * 86_400
    assert event_types(api)[-1] == "invoice.sent"


def test_an_invoice_to_be_sent_needs_a_term(api: Any, customer: Any) -> None:
    with refused() as error:
        a_draft(api, customer, collection_method="send_invoice")

    assert error().param == "days_until_due"


def test_an_invoice_charged_by_itself_is_not_sent(api: Any, customer: Any) -> None:
    with refused():
        api.invoices.send_invoice(an_open_invoice(api, customer).id)


def test_an_invoice_that_advances_is_charged_when_final(api: Any, customer: Any) -> None:
    draft = a_draft(api, customer, 1000, auto_advance=True)

    assert draft.automatically_finalizes_at == draft.created + 3_600
    assert api.invoices.finalize_invoice(draft.id).status == "paid"


def test_an_invoice_that_advances_keeps_its_decline(api: Any) -> None:
    customer = a_customer(api, card="pm_card_chargeCustomerFail")

    invoice = api.invoices.finalize_invoice(a_draft(api, customer, 1000, auto_advance=True).id)

    assert (invoice.status, invoice.attempt_count) == ("open", 1)


def test_invoices_are_found_by_customer_and_status(api: Any, customer: Any) -> None:
    paid, opened = a_paid_invoice(api, customer), an_open_invoice(api, customer)
    an_open_invoice(api, a_customer(api))

    found = api.invoices.list({"customer": customer.id, "status": "open"}).data

    assert [invoice.id for invoice in found] == [opened.id]
    assert paid.id in [invoice.id for invoice in api.invoices.list({"customer": customer.id}).data]
