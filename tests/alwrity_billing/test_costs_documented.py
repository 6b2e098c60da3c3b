"""The commands of docs/api.md about costs do what the page says they do."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

from tests.support.api_page import assert_as_shown, run, shown
from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.invoicing import used
from tests.support.prices import an_entry, load
from tests.support.subscribing import load_catalog, subscribe, the_plan
from tests.support.usage_rows import MARCH
from usage.events import Tags
from usage.models import Account

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def three_calls() -> Iterator[None]:
    """Two calls of the team search yesterday, one of nobody today; on the plan Pro since the 1st."""
    with time_machine.travel(NOW, tick=False):
        an_account("acme")
        load_catalog()
        load(an_entry(model="gpt-4o"))
        subscribe(the_plan("pro"), at=MARCH)
        yesterday = NOW - timedelta(days=1)
        chat = {"endpoint": "/v1/chat/completions"}
        used("2.5", event_id="call-1", at=yesterday, tags=Tags(team="search"), **chat)
        used("2.5", event_id="call-2", at=yesterday, tags=Tags(team="search"), **chat)
        used("0.8", event_id="call-3", at=NOW - timedelta(hours=1), **chat)
        yield


@pytest.mark.parametrize(
    "address",
    [
        "subscription/dashboard/acme",
        'billing/costs"',
        "billing/costs/analytics",
        "billing/allocation",
        "billing/audit",
    ],
)
def test_costs_are_told_as_the_page_says(address: str) -> None:
    command, told = shown(address)

    assert_as_shown(run(command, KEY=a_key(Account.objects.get()).plain), told)
