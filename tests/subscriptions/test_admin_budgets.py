"""Budgets in the admin: looked at with their history, changed by the operations that customers use."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from subscriptions import budgets
from subscriptions.models import Budget, BudgetChange
from tests.support.authorizing import is_granted
from tests.support.cast import NOW, an_account, an_event
from tests.support.recording import prepare, record
from tests.support.staff_invoices import a_clerk, history
from tests.support.subscribing import TESTS, a_plan, start
from usage.models import Account

pytestmark = pytest.mark.django_db

EMPTY = {
    "monthly_budget": "", "per_request": "", "per_hour": "", "per_day": "", "alert_thresholds": "",
    "throttle_from": "", "throttle_to": "", "max_monthly_cost": "", "reason": "On the phone.",
}  # fmt: skip


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    """On a plan of 25 USD a month."""
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield start(a_plan(included_usage=Decimal(25)), account=Account.objects.get()).account


@pytest.fixture
def staff() -> Client:
    return a_clerk("change_budget")


def page(name: str, *arguments: object) -> str:
    return reverse(f"admin:subscriptions_budget_{name}", args=arguments)


def set_first(client: Client, account: Account, **fields: str) -> str:
    sent = {**EMPTY, "account": str(account.pk), "auto_pause": "on", **fields}
    return client.post(page("add"), sent, follow=True).content.decode()


def a_budget(acme: Account, amount: str = "10") -> None:
    budgets.update(acme, changes={"monthly_budget": Decimal(amount)}, at=NOW, by=TESTS)


def button(client: Client, account: Account, name: str, **fields: str) -> str:
    """What the page behind a button answers."""
    return client.post(page(name, account.pk), fields, follow=True).content.decode()


def test_staff_set_a_budget_that_holds_at_once(staff: Client, acme: Account) -> None:
    set_first(staff, acme, monthly_budget="10.50", alert_thresholds="50,80", per_day="2")

    budget = Budget.objects.get()
    assert (budget.monthly_budget, budget.per_day, budget.alert_thresholds) == (Decimal("10.5"), 2, [50, 80])
    assert budget.auto_pause
    assert acme.limits.filter(source="budget").count() == 2
    assert history() == [
        "monthly_budget: none → 10.5; per_day: none → 2; alert_thresholds: none → 50, 80. On the phone."
    ]


def test_a_second_one_is_refused_and_changes_nothing(staff: Client, acme: Account) -> None:
    a_budget(acme)

    assert "It has a budget already" in set_first(staff, acme, monthly_budget="5")
    assert Budget.objects.get().monthly_budget == 10


def test_a_change_is_audited_with_who_and_why(staff: Client, acme: Account) -> None:
    a_budget(acme)

    shown = button(staff, acme, "change_settings", **{**EMPTY, "monthly_budget": "8", "throttle_from": "80"})
    assert "Give both, from which percent and to which" in shown
    button(staff, acme, "change_settings", **{**EMPTY, "monthly_budget": "8", "auto_pause": "on"})

    latest = BudgetChange.objects.order_by("id").last()
    assert latest is not None
    assert (latest.actor, latest.reason) == ("clerk", "On the phone.")
    assert (latest.before["monthly_budget"], latest.after["monthly_budget"]) == ("10", "8")


def test_staff_cannot_loosen_the_plan_either(staff: Client, acme: Account) -> None:
    a_budget(acme)

    shown = button(staff, acme, "change_settings", **{**EMPTY, "monthly_budget": "26"})

    assert "The plan allows 25 USD a billing period" in shown
    assert Budget.objects.get().monthly_budget == 10


def test_calls_are_paused_and_resumed(staff: Client, acme: Account) -> None:
    a_budget(acme)

    button(staff, acme, "pause", reason="A runaway script.")
    assert not is_granted()
    button(staff, acme, "resume")
    assert is_granted()
    assert list(BudgetChange.objects.order_by("id").values_list("actor", flat=True)) == [
        "tests", "clerk", "clerk",
    ]  # fmt: skip


def test_what_is_used_up_is_not_resumed_and_says_what_helps(staff: Client, acme: Account) -> None:
    a_budget(acme, "0.0035")
    record(an_event())
    budgets.protect(acme, at=NOW)

    assert "Raise it first, or wait until the billing period ends" in button(staff, acme, "resume")


def test_only_the_button_that_would_do_something_is_offered(staff: Client, acme: Account) -> None:
    a_budget(acme)
    running = staff.get(page("change", acme.pk)).content.decode()
    budgets.pause(acme, reason="A runaway script.", at=NOW, by=TESTS)
    paused = staff.get(page("change", acme.pk)).content.decode()

    assert (page("pause", acme.pk) in running, page("resume", acme.pk) in running) == (True, False)
    assert (page("pause", acme.pk) in paused, page("resume", acme.pk) in paused) == (False, True)
    assert "All calls are paused: A runaway script." in paused


def test_the_page_shows_every_change_newest_first(staff: Client, acme: Account) -> None:
    a_budget(acme)
    budgets.update(acme, changes={"per_day": Decimal(3)}, at=NOW, by=TESTS, reason="Too fast.")

    shown = staff.get(page("change", acme.pk)).content.decode()

    assert shown.index("per_day: none → 3") < shown.index("monthly_budget: none → 10")
    assert "Too fast." in shown


def test_the_list_finds_what_is_paused(staff: Client, acme: Account) -> None:
    a_budget(acme)
    other = an_account("globex")
    budgets.pause(other, reason="Holidays.", at=NOW, by=TESTS)

    shown = staff.get(page("changelist"), {"doing": "paused"}).content.decode()

    assert page("change", other.pk) in shown
    assert page("change", acme.pk) not in shown


def test_the_accounts_page_leads_to_its_budget(acme: Account) -> None:
    client = a_clerk("change_budget", "view_account")
    address = reverse("admin:usage_account_change", args=[acme.pk])

    assert f"{page('add')}?account={acme.pk}" in client.get(address).content.decode()
    a_budget(acme)
    assert page("change", acme.pk) in client.get(address).content.decode()


@pytest.mark.parametrize("name", ["change_settings", "pause", "resume"])
def test_whoever_may_only_look_changes_nothing(acme: Account, name: str) -> None:
    a_budget(acme)
    viewer = a_clerk()

    assert viewer.get(page("change", acme.pk)).status_code == 200
    assert viewer.post(page(name, acme.pk), {**EMPTY, "monthly_budget": "5"}).status_code == 403
    set_first(viewer, an_account("globex"), monthly_budget="5")
    assert BudgetChange.objects.count() == 1
