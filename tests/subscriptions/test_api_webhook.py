"""POST /api/subscription/webhook"""

from typing import Any

import pytest
from django.test import Client

from subscriptions.models import StripeEvent
from subscriptions.stripe import inbox
from tests.support.paying import an_event_of_stripe, signed

URL = "/api/subscription/webhook"
pytestmark = pytest.mark.django_db


def send(body: str, *, signature: str | None = None, url: str = URL) -> Any:
    given = signed(body) if signature is None else signature
    client = Client(enforce_csrf_checks=True, headers={"Stripe-Signature": given})
    return client.generic("POST", url, body, content_type="application/json")


@pytest.mark.parametrize("url", [URL, URL + "/"])
def test_what_stripe_signed_is_stored_and_answered_at_once(url: str) -> None:
    answer = send(an_event_of_stripe("invoice.paid"), url=url)

    assert (answer.status_code, answer.json()) == (200, {"success": True, "data": {"received": True}})
    assert StripeEvent.objects.get().state == "received"


def test_the_same_again_is_answered_alike() -> None:
    body = an_event_of_stripe("invoice.paid")

    assert [send(body).status_code for _ in range(2)] == [200, 200]
    assert StripeEvent.objects.count() == 1


def test_what_is_not_signed_is_refused_in_the_form_of_this_group() -> None:
    answer = send(an_event_of_stripe("invoice.paid"), signature="")

    assert answer.status_code == 400
    assert (answer.json()["success"], answer.json()["code"]) == (False, "signature_invalid")
    assert not StripeEvent.objects.exists()


def test_what_is_too_long_is_refused() -> None:
    body = " " * (inbox.MAX_BODY_BYTES + 1)

    answer = send(body)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_reading_it_is_refused() -> None:
    assert Client().get(URL).status_code == 405


def test_where_no_cards_are_charged_nothing_is_taken(settings: Any) -> None:
    body = an_event_of_stripe("invoice.paid")
    signature = signed(body)
    settings.STRIPE_MODE = "off"

    answer = send(body, signature=signature)

    assert (answer.status_code, answer.json()["code"]) == (503, "card_payments_off")
    assert not StripeEvent.objects.exists()


def test_a_signature_that_is_no_ascii_is_refused() -> None:
    assert send(an_event_of_stripe("invoice.paid"), signature="t=1,v1=\xe9").status_code == 400
