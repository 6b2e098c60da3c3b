"""Channels of the kinds there are, added over the API."""

from collections.abc import Iterator

import pytest
import time_machine

from alerts.models import AlertChannel
from tests.support.alerts_api import ALERTS, an_admin_key
from tests.support.cast import NOW, an_account
from tests.support.posting import Posted, post

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def key() -> Iterator[str]:
    with time_machine.travel(NOW, tick=False):
        yield an_admin_key(an_account())


def add(kind: str, address: str, *, key: str) -> Posted:
    return post(f"{ALERTS}/channels", {"kind": kind, "address": address}, key=key)


def test_a_webhook_is_signed_with_a_secret_and_shows_its_host(key: str) -> None:
    answer = add("webhook", "https://93.184.216.34/billing/alerts?token=0123456789", key=key)

    assert answer.status == 201
    assert answer.body["secret"].startswith("whsec_")
    assert (answer.body["state"], answer.body["signed"]) == ("active", True)
    assert answer.body["address"].startswith("93.184.216.34/…")
    assert "0123456789" not in answer.body["address"]


@pytest.mark.parametrize(
    "address", ["https://10.0.0.1/", "https://127.0.0.1/", "ftp://93.184.216.34/", "alerts"]
)
@pytest.mark.parametrize("kind", ["webhook", "slack"])
def test_a_url_that_may_not_be_called_is_named(key: str, kind: str, address: str) -> None:
    answer = add(kind, address, key=key)

    assert (answer.status, answer.body["pointer"]) == (400, "/address")
    assert not AlertChannel.objects.exists()


def test_an_email_address_waits_for_its_owner(key: str) -> None:
    body = add("email", "ops@Example.com", key=key).body

    assert (body["address"], body["state"]) == ("ops@example.com", "unconfirmed")
    assert "secret" not in body


def test_what_is_no_email_address_is_named(key: str) -> None:
    answer = add("email", "ops", key=key)

    assert (answer.status, answer.body["pointer"]) == (400, "/address")
