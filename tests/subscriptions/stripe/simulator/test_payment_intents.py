"""Payment intents over the API."""

from typing import Any

import pytest
import stripe

from tests.support.stripe_simulator import a_customer, an_open_invoice, event_types, refused

ASKED = {"amount": 2500, "currency": "eur"}


def test_an_intent_is_confirmed_at_once(api: Any) -> None:
    intent = api.payment_intents.create(
        {**ASKED, "payment_method": "pm_card_visa", "confirm": True, "expand": ["latest_charge"]}
    )

    assert (intent.status, intent.amount_received, intent.latest_charge.amount) == ("succeeded", 2500, 2500)
    assert event_types(api) == ["payment_intent.created", "payment_intent.succeeded", "charge.succeeded"]


def test_a_declined_intent_takes_another_card(api: Any) -> None:
    intent = api.payment_intents.create(ASKED)
    with refused(stripe.CardError):
        api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_chargeDeclined"})

    done = api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert (done.status, done.last_payment_error) == ("succeeded", None)
    assert [charge.status for charge in api.charges.list({"payment_intent": intent.id}).data] == [
        "succeeded",
        "failed",
    ]


def test_a_paid_intent_cannot_be_canceled(api: Any) -> None:
    intent = api.payment_intents.create({**ASKED, "payment_method": "pm_card_visa", "confirm": True})

    with refused() as error:
        api.payment_intents.cancel(intent.id)

    assert error().code == "payment_intent_unexpected_state"


def test_an_open_intent_is_canceled(api: Any) -> None:
    intent = api.payment_intents.create(ASKED)

    canceled = api.payment_intents.cancel(intent.id, {"cancellation_reason": "duplicate"})

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "duplicate")


@pytest.mark.parametrize(
    ("amount", "code"), [(49, "amount_too_small"), (50, None), (100_000_000, "amount_too_large")]
)
def test_an_amount_has_bounds(api: Any, amount: int, code: str | None) -> None:
    asked = {"amount": amount, "currency": "usd"}
    if code is None:
        assert api.payment_intents.create(asked).amount == amount
        return

    with refused() as error:
        api.payment_intents.create(asked)

    assert error().code == code


def test_an_invoices_intent_can_be_paid_by_itself(api: Any) -> None:
    invoice = an_open_invoice(api, a_customer(api))
    (payment,) = api.invoice_payments.list({"invoice": invoice.id}).data

    api.payment_intents.confirm(payment.payment.payment_intent, {"payment_method": "pm_card_visa"})

    assert api.invoices.retrieve(invoice.id).status == "paid"
    assert api.invoice_payments.retrieve(payment.id).status == "paid"


def test_somebody_elses_card_is_refused(api: Any) -> None:
    card = a_customer(api).invoice_settings.default_payment_method

    with refused() as error:
        api.payment_intents.create(
            {**ASKED, "customer": a_customer(api, card=None).id, "payment_method": card}
        )

    assert error().param == "payment_method"
