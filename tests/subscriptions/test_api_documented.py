"""The commands of docs/api.md about plans and subscriptions do what the page says they do."""

from collections.abc import Iterator

import pytest
import time_machine

from tests.support.api_page import assert_as_shown, run, shown
from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.subscribing import load_catalog, the_plan
from usage.models import Account, Scope

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        an_account("acme")
        load_catalog()
        yield


@pytest.fixture
def key(clock: None) -> str:
    return a_key(Account.objects.get(), scopes=(Scope.READ, Scope.ADMIN)).plain


def test_plans_are_shown_as_the_page_says() -> None:
    command, expected = shown("subscription/plans")

    assert_as_shown(run(command), expected)


@pytest.mark.parametrize(
    "address", ["billing/subscription", "subscription/status/acme", "subscription/renewal-history/acme"]
)
def test_a_plan_is_chosen_and_then_told_as_the_page_says(key: str, address: str) -> None:
    choose, chosen = shown("subscription/subscribe/acme")
    look, told = shown(address)

    assert_as_shown(run(choose, KEY=key, PLAN=str(the_plan("pro").pk)), chosen)
    assert_as_shown(run(look, KEY=key), told)
