"""Refunds and disputes of a charge."""

from typing import Any

import httpx
import pytest

from subscriptions.stripe.simulator.server import Simulator
from tests.support.stripe_simulator import a_customer, a_paid_invoice, charge_of, event_types, refused


@pytest.fixture
def charge(api: Any) -> Any:
    """10.00 of Ada's Visa."""
    return charge_of(api, a_paid_invoice(api, a_customer(api)))


@pytest.fixture
def dispute(api: Any) -> Any:
    """Of a charge of 10.00."""
    a_paid_invoice(api, a_customer(api, card="pm_card_createDispute"))
    return api.disputes.list().data[0]


def test_a_refund_without_an_amount_is_of_all_that_is_left(api: Any, charge: Any) -> None:
    api.refunds.create({"charge": charge.id, "amount": 300})

    rest = api.refunds.create({"payment_intent": charge.payment_intent, "reason": "duplicate"})

    found = api.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (rest.amount, rest.reason, rest.status) == (700, "duplicate", "succeeded")
    assert (found.amount_refunded, found.refunded, len(found.refunds.data)) == (1000, True, 2)
    assert event_types(api)[-2:] == ["refund.created", "charge.refunded"]


@pytest.mark.parametrize(("amount", "is_taken"), [(0, False), (1, True), (1000, True), (1001, False)])
def test_a_refund_has_bounds(api: Any, charge: Any, amount: int, is_taken: bool) -> None:
    if is_taken:
        assert api.refunds.create({"charge": charge.id, "amount": amount}).amount == amount
        return

    with refused() as error:
        api.refunds.create({"charge": charge.id, "amount": amount})

    assert error().param == "amount"


def test_a_charge_is_refunded_once(api: Any, charge: Any) -> None:
    api.refunds.create({"charge": charge.id})

    with refused() as error:
        api.refunds.create({"charge": charge.id})

    assert error().code == "charge_already_refunded"


def test_a_refund_names_what_it_is_of(api: Any) -> None:
    with refused() as error:
        api.refunds.create({"amount": 100})

    assert error().code == "parameter_missing"


def test_a_disputed_charge_is_not_refunded(api: Any, dispute: Any) -> None:
    with refused() as error:
        api.refunds.create({"charge": dispute.charge})

    assert error().code == "charge_disputed"


def test_closing_a_dispute_loses_it(api: Any, dispute: Any) -> None:
    closed = api.disputes.close(dispute.id)

    assert closed.status == "lost"
    assert event_types(api)[-1] == "charge.dispute.closed"
    with refused():
        api.disputes.close(dispute.id)


def test_evidence_leaves_it_to_the_bank(api: Any, dispute: Any) -> None:
    found = api.disputes.update(dispute.id, {"evidence": {"product_description": "API calls"}})

    assert (found.status, found.evidence.product_description) == ("under_review", "API calls")


@pytest.mark.parametrize(("outcome", "last"), [("won", "funds_reinstated"), ("lost", "closed")])
def test_the_bank_decides_over_http(
    simulator: Simulator, api: Any, dispute: Any, outcome: str, last: str
) -> None:
    httpx.post(
        f"{simulator.url}/_simulator/disputes", json={"dispute": dispute.id, "outcome": outcome}
    ).raise_for_status()

    assert api.disputes.retrieve(dispute.id).status == outcome
    assert event_types(api)[-1] == f"charge.dispute.{last}"
