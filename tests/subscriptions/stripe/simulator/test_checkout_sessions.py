"""Checkout sessions over the API; `test_pages` sits at their page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from subscriptions.stripe.simulator.server import Simulator
from tests.support.processes import wait_until
from tests.support.stripe_simulator import a_customer, event_types, refused

SETUP = {"mode": "setup", "currency": "usd", "success_url": "https://shop.test/done"}
PAYMENT = {
    "mode": "payment",
    "success_url": "https://shop.test/done",
    "line_items": [
        {
            "quantity": 2,
            "price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Credits"}},
        }
    ],
}


def test_a_session_to_save_a_card_has_its_intent(api: Any) -> None:
    customer = a_customer(api, card=None)

    session = api.checkout.sessions.create(
        {**SETUP, "customer": customer.id, "setup_intent_data": {"metadata": {"a": "1"}}}
    )

    intent = api.setup_intents.retrieve(session.setup_intent)
    assert (session.status, session.payment_status, session.mode) == (
        "open",
        "no_payment_required",
        "setup",
    )
    assert (intent.customer, intent.metadata.a) == (customer.id, "1")
    assert session.url.endswith(f"/checkout/{session.id}")


def test_a_session_to_pay_adds_up(api: Any) -> None:
    session = api.checkout.sessions.create({**PAYMENT, "expand": ["line_items"]})

    assert (session.amount_total, session.currency, session.payment_status) == (1000, "usd", "unpaid")
    assert session.line_items.data[0].description == "Credits"


def test_an_expired_session_is_over(api: Any) -> None:
    session = api.checkout.sessions.create(SETUP)

    expired = api.checkout.sessions.expire(session.id)

    assert (expired.status, expired.url) == ("expired", None)
    assert api.setup_intents.retrieve(session.setup_intent).status == "canceled"
    assert event_types(api)[-1] == "checkout.session.expired"
    with refused():
        api.checkout.sessions.expire(session.id)


def test_a_session_expires_by_itself(simulator: Simulator, api: Any) -> None:
    session = api.checkout.sessions.create(SETUP)

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25)):
        simulator.webhooks.wake()
        assert wait_until(lambda: api.checkout.sessions.retrieve(session.id).status == "expired", seconds=10)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"mode": "subscription"}, "mode"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"success_url": "https://shop.test/\r\nSet-Cookie: a"}, "success_url"),
        ({"customer": "cus_nobody"}, "customer"),
        ({"ui_mode": "embedded_page"}, "ui_mode"),
        ({"expires_at": 1}, "expires_at"),
    ],
)
def test_what_makes_no_sense_is_refused(api: Any, change: dict[str, Any], param: str) -> None:
    with refused() as error:
        api.checkout.sessions.create({**SETUP, **change})

    assert error().param == param


def test_a_payment_needs_something_to_pay(api: Any) -> None:
    with refused() as error:
        api.checkout.sessions.create({**PAYMENT, "line_items": []})

    assert error().param == "line_items"


def test_sessions_are_listed_by_customer(api: Any) -> None:
    customer = a_customer(api, card=None)
    session = api.checkout.sessions.create({**SETUP, "customer": customer.id})
    api.checkout.sessions.create(SETUP)

    found = api.checkout.sessions.list({"customer": customer.id}).data

    assert [each.id for each in found] == [session.id]
