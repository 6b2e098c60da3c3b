"""Credit notes: what is due is lowered first, what was paid goes back as asked."""

from typing import Any

import pytest

from tests.support.stripe_simulator import (
    a_customer,
    a_paid_invoice,
    an_open_invoice,
    charge_of,
    event_types,
    refused,
)


@pytest.fixture
def customer(api: Any) -> Any:
    """Ada in Germany, with a Visa by default."""
    return a_customer(api, country="DE")


def test_a_note_on_an_open_invoice_lowers_what_is_due(api: Any, customer: Any) -> None:
    invoice = an_open_invoice(api, customer, 1000)

    note = api.credit_notes.create({"invoice": invoice.id, "amount": 400, "reason": "order_change"})

    lowered = api.invoices.retrieve(invoice.id)
    assert (note.type, note.pre_payment_amount, note.post_payment_amount) == ("pre_payment", 400, 0)
    assert note.number == f"{invoice.number}-CN-01"
    assert (lowered.total, lowered.amount_due, lowered.amount_remaining) == (1000, 600, 600)
    assert lowered.pre_payment_credit_notes_amount == 400
    assert api.invoices.pay(invoice.id).amount_paid == 600


def test_a_note_on_all_of_an_open_invoice_settles_it(api: Any, customer: Any) -> None:
    invoice = an_open_invoice(api, customer, 1000)

    api.credit_notes.create({"invoice": invoice.id, "amount": 1000})

    settled = api.invoices.retrieve(invoice.id)
    assert (settled.status, settled.amount_paid, settled.amount_remaining) == ("paid", 0, 0)


def test_a_note_on_a_paid_invoice_refunds(api: Any, customer: Any) -> None:
    paid = a_paid_invoice(api, customer, 1000)

    note = api.credit_notes.create(
        {"invoice": paid.id, "amount": 400, "refund_amount": 400, "expand": ["refunds.refund"]}
    )

    assert (note.type, note.refunds[0].amount_refunded, note.refunds[0].refund.amount) == (
        "post_payment",
        400,
        400,
    )
    assert charge_of(api, paid).amount_refunded == 400
    assert api.invoices.retrieve(paid.id).post_payment_credit_notes_amount == 400
    assert event_types(api)[-4:] == [
        "refund.created",
        "charge.refunded",
        "credit_note.created",
        "invoice.updated",
    ]


def test_a_note_may_credit_the_next_invoice(api: Any, customer: Any) -> None:
    paid = a_paid_invoice(api, customer, 1000)

    api.credit_notes.create({"invoice": paid.id, "amount": 400, "credit_amount": 400})

    assert api.customers.retrieve(customer.id).balance == -400
    assert an_open_invoice(api, customer, 1000).amount_due == 600


def test_a_note_may_be_split(api: Any, customer: Any) -> None:
    paid = a_paid_invoice(api, customer, 1000)

    note = api.credit_notes.create(
        {
            "invoice": paid.id,
            "amount": 600,
            "refund_amount": 300,
            "credit_amount": 200,
            "out_of_band_amount": 100,
        }
    )

    assert (note.out_of_band_amount, note.post_payment_amount) == (100, 600)


def test_a_note_may_name_a_refund_made_before(api: Any, customer: Any) -> None:
    paid = a_paid_invoice(api, customer, 1000)
    refund = api.refunds.create({"charge": charge_of(api, paid).id, "amount": 300})

    note = api.credit_notes.create({"invoice": paid.id, "amount": 300, "refunds": [{"refund": refund.id}]})

    assert (note.refunds[0].refund, charge_of(api, paid).amount_refunded) == (refund.id, 300)


@pytest.mark.parametrize("given", [{}, {"refund_amount": 399}, {"refund_amount": 300, "credit_amount": 101}])
def test_what_goes_back_must_add_up(api: Any, customer: Any, given: dict[str, int]) -> None:
    paid = a_paid_invoice(api, customer, 1000)

    with refused():
        api.credit_notes.create({"invoice": paid.id, "amount": 400, **given})

    assert api.credit_notes.list({"invoice": paid.id}).data == []
    assert api.customers.retrieve(customer.id).balance == 0


@pytest.mark.parametrize(("amount", "is_taken"), [(600, True), (601, False)])
def test_notes_never_exceed_the_invoice(api: Any, customer: Any, amount: int, is_taken: bool) -> None:
    paid = a_paid_invoice(api, customer, 1000)
    api.credit_notes.create({"invoice": paid.id, "amount": 400, "credit_amount": 400})
    asked = {"invoice": paid.id, "amount": amount, "credit_amount": amount}
    if is_taken:
        assert api.credit_notes.create(asked).amount == amount
        return

    with refused() as error:
        api.credit_notes.create(asked)

    assert error().param == "amount"


def test_what_was_refunded_by_itself_cannot_be_credited_again(api: Any, customer: Any) -> None:
    paid = a_paid_invoice(api, customer, 1000)
    api.refunds.create({"charge": charge_of(api, paid).id, "amount": 700})

    with refused():
        api.credit_notes.create({"invoice": paid.id, "amount": 400, "credit_amount": 400})


def test_a_line_is_credited_with_its_tax(api: Any, customer: Any) -> None:
    paid = a_paid_invoice(api, customer, 1000, 500, automatic_tax={"enabled": True})
    line = {"type": "invoice_line_item", "invoice_line_item": paid.lines.data[0].id, "amount": 500}

    note = api.credit_notes.create({"invoice": paid.id, "lines": [line], "refund_amount": 595})

    assert (note.subtotal, note.total_taxes[0].amount, note.total) == (500, 95, 595)
    assert note.lines.data[0].invoice_line_item == paid.lines.data[0].id


def test_an_amount_has_its_share_of_tax(api: Any, customer: Any) -> None:
    paid = a_paid_invoice(api, customer, 1000, automatic_tax={"enabled": True})

    note = api.credit_notes.create({"invoice": paid.id, "amount": 595, "refund_amount": 595})

    assert (note.total, note.total_taxes[0].amount, note.total_excluding_tax) == (595, 95, 500)


def test_a_note_on_an_open_invoice_can_be_voided(api: Any, customer: Any) -> None:
    invoice = an_open_invoice(api, customer, 1000)
    note = api.credit_notes.create({"invoice": invoice.id, "amount": 400})

    voided = api.credit_notes.void_credit_note(note.id)

    assert voided.status == "void"
    assert api.invoices.retrieve(invoice.id).amount_remaining == 1000
    assert event_types(api)[-1] == "credit_note.voided"


def test_a_note_that_gave_money_back_stays(api: Any, customer: Any) -> None:
    paid = a_paid_invoice(api, customer, 1000)
    note = api.credit_notes.create({"invoice": paid.id, "amount": 400, "credit_amount": 400})

    with refused():
        api.credit_notes.void_credit_note(note.id)


def test_a_void_invoice_takes_no_note(api: Any, customer: Any) -> None:
    invoice = api.invoices.void_invoice(an_open_invoice(api, customer).id)

    with refused():
        api.credit_notes.create({"invoice": invoice.id, "amount": 400})
