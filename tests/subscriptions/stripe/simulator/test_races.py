"""Calls at once on one object."""

from typing import Any

import stripe

from subscriptions.stripe.simulator.server import Simulator
from tests.support.concurrency import at_once
from tests.support.stripe_simulator import a_customer, a_paid_invoice, an_open_invoice, charge_of, v1


def test_two_payments_at_once_charge_once(simulator: Simulator, api: Any) -> None:
    invoice = an_open_invoice(api, a_customer(api))

    def pay(_: int) -> str:
        try:
            v1(simulator).invoices.pay(invoice.id)
        except stripe.InvalidRequestError as refused:
            return str(refused.user_message)
        return "paid"

    assert sorted(at_once(pay, times=2)) == ["Invoice is already paid", "paid"]
    assert len(api.charges.list().data) == 1


def test_refunds_at_once_never_exceed_the_charge(simulator: Simulator, api: Any) -> None:
    charge = charge_of(api, a_paid_invoice(api, a_customer(api)))

    def refund(_: int) -> bool:
        try:
            v1(simulator).refunds.create({"charge": charge.id, "amount": 400})
        except stripe.InvalidRequestError:
            return False
        return True

    assert sorted(at_once(refund, times=4)) == [False, False, True, True]
    assert api.charges.retrieve(charge.id).amount_refunded == 800


def test_numbers_of_invoices_have_no_gap_nor_double(simulator: Simulator, api: Any) -> None:
    customer = a_customer(api)

    def finalize(_: int) -> str:
        return str(an_open_invoice(v1(simulator), customer).number[-4:])

    assert sorted(at_once(finalize, times=5)) == ["0001", "0002", "0003", "0004", "0005"]
