"""The test cards: what each does when it is attached, saved and charged."""

import time
from typing import Any

import pytest
import stripe

from subscriptions.stripe.simulator.server import Simulator
from tests.support.stripe_simulator import a_customer, an_open_invoice, charge_of, event_types, refused

GOOD = ("pm_card_visa", "pm_card_mastercard", "pm_card_createDispute", "pm_card_createIssuerFraudRecord")
DECLINED = [
    ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
    ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
]


def a_card(api: Any, number: str) -> Any:
    return api.payment_methods.create({"type": "card", "card": {"number": number, "exp_month": 5}})


@pytest.mark.parametrize("token", GOOD)
def test_a_good_card_pays(api: Any, token: str) -> None:
    invoice = an_open_invoice(api, a_customer(api, card=token))

    paid = api.invoices.pay(invoice.id)

    charge = charge_of(api, paid)
    assert (paid.status, charge.status, charge.amount, charge.paid) == ("paid", "succeeded", 1000, True)


@pytest.mark.parametrize(("token", "code", "decline_code"), DECLINED)
def test_a_declined_card_fails_the_charge(api: Any, token: str, code: str, decline_code: str) -> None:
    invoice = an_open_invoice(api, a_customer(api, card=token))

    with refused(stripe.CardError) as error:
        api.invoices.pay(invoice.id)

    answered = error().error
    assert (error().http_status, error().code, answered.decline_code) == (402, code, decline_code)
    assert answered.payment_intent["last_payment_error"]["decline_code"] == decline_code
    assert api.charges.retrieve(answered.charge).failure_code == code
    found = api.invoices.retrieve(invoice.id)
    assert (found.status, found.attempt_count, found.attempted) == ("open", 1, True)


def test_a_declined_card_tells_what_happened(api: Any) -> None:
    invoice = an_open_invoice(api, a_customer(api, card="pm_card_chargeCustomerFail"))
    with refused(stripe.CardError):
        api.invoices.pay(invoice.id)

    assert event_types(api)[-4:] == [
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.updated",
        "invoice.payment_failed",
    ]


@pytest.mark.parametrize(("token", "code", "_"), DECLINED)
def test_a_declined_card_is_not_set_up_but_for_the_one_that_fails_later(
    api: Any, token: str, code: str, _: str
) -> None:
    asked = {"customer": a_customer(api, card=None).id, "payment_method": token, "confirm": True}
    if token == "pm_card_chargeCustomerFail":
        assert api.setup_intents.create(asked).status == "succeeded"
        return

    with refused(stripe.CardError) as error:
        api.setup_intents.create(asked)

    assert error().code == code
    assert error().error.setup_intent["status"] == "requires_payment_method"


def test_a_card_is_made_from_its_number(api: Any) -> None:
    method = a_card(api, "5555 5555 5555 4444")

    assert (method.card.brand, method.card.last4, method.card.exp_month) == ("mastercard", "4444", 5)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("4242424242424241", "incorrect_number"),
        ("12", "incorrect_number"),
        ("4111111111111111", "card_declined"),
    ],
)
def test_any_other_number_is_refused(api: Any, number: str, code: str) -> None:
    with refused(stripe.CardError) as error:
        a_card(api, number)

    assert (error().code, error().param) == (code, "number")


def test_a_card_to_be_confirmed_waits_for_its_holder(api: Any) -> None:
    customer = a_customer(api, card="pm_card_authenticationRequiredOnSetup")
    invoice = an_open_invoice(api, customer)

    with refused(stripe.CardError) as error:
        api.invoices.pay(invoice.id)

    assert error().code == "invoice_payment_intent_requires_action"
    assert error().error.payment_intent["next_action"]["type"] == "redirect_to_url"
    assert "invoice.payment_action_required" in event_types(api)


def test_a_charge_without_the_holder_needs_no_page_but_a_confirmed_card(api: Any) -> None:
    with refused(stripe.CardError) as error:
        api.payment_intents.create(
            {
                "amount": 500,
                "currency": "eur",
                "payment_method": "pm_card_authenticationRequiredOnSetup",
                "confirm": True,
                "off_session": True,
            }
        )

    assert error().code == "authentication_required"


def test_a_dispute_opens_after_the_charge(simulator: Simulator, api: Any) -> None:
    paid = api.invoices.pay(an_open_invoice(api, a_customer(api, card="pm_card_createDispute")).id)

    (dispute,) = api.disputes.list().data

    assert (dispute.amount, dispute.status, dispute.reason) == (1000, "needs_response", "fraudulent")
    assert charge_of(api, paid).disputed
    assert event_types(api).index("charge.dispute.created") > event_types(api).index("charge.succeeded")


def test_an_issuer_warns_of_fraud_until_the_money_is_back(api: Any) -> None:
    paid = api.invoices.pay(an_open_invoice(api, a_customer(api, card="pm_card_createIssuerFraudRecord")).id)
    charge = charge_of(api, paid)

    (warning,) = api.radar.early_fraud_warnings.list({"charge": charge.id}).data
    api.refunds.create({"charge": charge.id})

    assert warning.actionable
    assert not api.radar.early_fraud_warnings.retrieve(warning.id).actionable
    assert "radar.early_fraud_warning.created" in event_types(api)


def test_a_saved_card_may_turn_bad(simulator: Simulator, api: Any) -> None:
    customer = a_customer(api)
    simulator.turn_card(customer.invoice_settings.default_payment_method, number="4000000000000069")

    with refused(stripe.CardError) as error:
        api.invoices.pay(an_open_invoice(api, customer).id)

    assert error().code == "expired_card"


def test_a_new_card_expires_in_years_to_come(api: Any) -> None:
    method = api.payment_methods.retrieve("pm_card_visa")

    assert method.card.exp_year > time.gmtime().tm_year
