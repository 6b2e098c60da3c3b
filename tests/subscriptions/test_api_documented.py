"""The commands of docs/api.md about plans, budgets and invoices do what the page says they do."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine

from subscriptions import credits
from subscriptions.models import BillingProfile, CreditKind
from tests.support.api_page import assert_as_shown, run, shown
from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.invoicing import metered, paid, period_invoice, start_invoice, used
from tests.support.paying import a_card
from tests.support.subscribing import TESTS, load_catalog, the_plan
from usage.models import Account, Scope

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        a_card(an_account("acme"))
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


def test_budgets_are_set_paused_and_resumed_as_the_page_says(key: str) -> None:
    run(shown("subscription/subscribe/acme")[0], KEY=key, PLAN=str(the_plan("pro").pk))

    for verb in ("update", "pause", "resume"):
        command, expected = shown(f"billing/budget/{verb}")
        assert_as_shown(run(command, KEY=key), expected)


def test_invoices_are_told_as_the_page_says(key: str) -> None:
    account = Account.objects.get()
    paid(start_invoice(metered()))
    used("12.345678", at=NOW)
    upcoming, to_come = shown("billing/invoices/upcoming")
    assert_as_shown(run(upcoming, KEY=key), to_come)
    period_invoice(account)

    for address in ("billing/invoice/2026-000002", "billing/invoices?", "billing/transactions"):
        command, told = shown(address)
        assert_as_shown(run(command, KEY=key), told)


def test_credits_are_told_as_the_page_says(key: str) -> None:
    credits.grant(
        Account.objects.get(),
        kind=CreditKind.PROMOTIONAL,
        amount=Decimal(25),
        reason="Welcome.",
        at=NOW,
        by=TESTS,
    )
    command, told = shown("billing/credits")

    assert_as_shown(run(command, KEY=key), told)


@pytest.mark.usefixtures("at_stripe")
@pytest.mark.parametrize(
    "address",
    [
        "subscription/create-checkout-session",
        "subscription/create-portal-session",
        "billing/payment-method",
    ],
)
def test_stripes_pages_have_an_address_as_the_page_says(key: str, address: str) -> None:
    BillingProfile.objects.all().delete()
    ask, told = shown(address)

    assert_as_shown(run(ask, KEY=key, PLAN=str(the_plan("pro").pk)), told)
