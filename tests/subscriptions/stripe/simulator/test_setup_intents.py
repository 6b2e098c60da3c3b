"""Setup intents over the API."""

from typing import Any

import pytest
import stripe

from tests.support.stripe_simulator import a_customer, event_types, refused


@pytest.fixture
def intent(api: Any) -> Any:
    """For Ada, who has no card yet."""
    return api.setup_intents.create({"customer": a_customer(api, card=None).id, "metadata": {"for": "Ada"}})


def test_a_new_intent_waits_for_a_card(intent: Any) -> None:
    assert (intent.status, intent.usage) == ("requires_payment_method", "off_session")
    assert intent.client_secret.startswith(f"{intent.id}_secret_")


def test_a_confirmed_intent_saves_the_card(api: Any, intent: Any) -> None:
    done = api.setup_intents.confirm(
        intent.id, {"payment_method": "pm_card_visa", "expand": ["payment_method"]}
    )

    assert (done.status, done.payment_method.customer) == ("succeeded", intent.customer)
    assert event_types(api)[-1] == "setup_intent.succeeded"


def test_a_failed_intent_can_be_tried_again(api: Any, intent: Any) -> None:
    with refused(stripe.CardError):
        api.setup_intents.confirm(intent.id, {"payment_method": "pm_card_chargeDeclined"})
    failed = api.setup_intents.retrieve(intent.id)

    done = api.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert (failed.last_setup_error.code, failed.payment_method) == ("card_declined", None)
    assert (done.status, done.last_setup_error) == ("succeeded", None)
    assert "setup_intent.setup_failed" in event_types(api)


def test_a_card_to_be_confirmed_needs_a_page(api: Any, intent: Any) -> None:
    waiting = api.setup_intents.confirm(
        intent.id, {"payment_method": "pm_card_authenticationRequiredOnSetup"}
    )

    assert waiting.status == "requires_action"
    assert waiting.next_action.redirect_to_url.url.endswith(f"/authenticate/{intent.id}")


def test_confirming_needs_a_card(api: Any, intent: Any) -> None:
    with refused() as error:
        api.setup_intents.confirm(intent.id)

    assert error().code == "setup_intent_unexpected_state"


@pytest.mark.parametrize("verb", ["cancel", "confirm"])
def test_a_done_intent_stays_done(api: Any, intent: Any, verb: str) -> None:
    api.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    with refused() as error:
        getattr(api.setup_intents, verb)(intent.id)

    assert error().code == "setup_intent_unexpected_state"


def test_an_intent_is_canceled(api: Any, intent: Any) -> None:
    canceled = api.setup_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    assert [found.id for found in api.setup_intents.list({"customer": intent.customer}).data] == [intent.id]
