"""The commands of docs/api.md about alerts do what the page says they do."""

from collections.abc import Iterator

import pytest
import time_machine

from alerts import destinations
from alerts.models import DeliveryState
from tests.support.alerting import a_delivery, an_alert
from tests.support.alerts_api import an_admin_key
from tests.support.api_page import assert_as_shown, run, shown
from tests.support.cast import NOW, a_member, an_account
from tests.support.channel_kinds import a_pigeon
from usage.models import Account

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pigeons")]


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        account = an_account()
        a_member(account)
        yield account


@pytest.fixture
def key(acme: Account) -> str:
    return an_admin_key(acme)


def test_the_inbox_is_told_and_marked_read_as_the_page_says(acme: Account, key: str) -> None:
    alert = an_alert(acme, "80 % of OpenAI calls used", threshold=80, provider="openai")

    for address in ("alerts/acme?unread_only", "$ALERT/mark-read", "mark-all-read"):
        command, told = shown(address)
        assert_as_shown(run(command, KEY=key, ALERT=str(alert.pk)), told)


def test_what_is_told_is_shown_and_changed_as_the_page_says(acme: Account, key: str) -> None:
    destinations.all_of(acme, at=NOW)
    a_pigeon(acme)
    for address in ('api/usage/alerts" -H "X-API-Key: $KEY"\n', '"thresholds": {"limits": [50, 100]}'):
        command, told = shown(address)
        assert_as_shown(run(command, KEY=key), told)


def test_an_email_address_is_added_as_the_page_says(key: str) -> None:
    command, told = shown('"kind": "email", "address": "ops@example.com"')
    assert_as_shown(run(command, KEY=key), told)


def test_what_went_out_is_told_as_the_page_says(acme: Account, key: str) -> None:
    alert = an_alert(acme, "80 % of OpenAI calls used")
    a_delivery(alert, a_pigeon(acme))
    gone = {"state": DeliveryState.PARKED, "error": "503 Service Unavailable", "status_code": 503}
    a_delivery(alert, a_pigeon(acme, "loft:south"), attempts=10, **gone)

    command, told = shown("usage/alerts/deliveries")
    assert_as_shown(run(command, KEY=key), told)
