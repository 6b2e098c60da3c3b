"""The commands of docs/api.md do what the page says they do."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine

from tests.support.api_page import assert_as_shown, run, shown
from tests.support.authorizing import a_limit, counters, limit
from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.prices import load_every_price
from usage.models import Account, Scope

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        an_account("acme")
        load_every_price()
        yield


@pytest.fixture
def key(clock: None) -> str:
    return a_key(Account.objects.get(), scopes=(Scope.INGEST, Scope.READ)).plain


def test_the_first_call_is_metered_as_the_page_says(key: str) -> None:
    limit(a_limit(5, "cost", name="monthly_cost"))
    ask, permission = shown('/authorizations"')
    settle, settled = shown("$ID/settle")

    granted = run(ask, KEY=key)
    assert_as_shown(granted, permission)
    assert_as_shown(run(settle, KEY=key, ID=granted["id"]), settled)

    assert counters("monthly_cost") == (Decimal(settled["cost"]), 0)


def test_a_workflow_is_checked_as_the_page_says(key: str) -> None:
    command, expected = shown("preflight-check")

    assert_as_shown(run(command, KEY=key), expected)
