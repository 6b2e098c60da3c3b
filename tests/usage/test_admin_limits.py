"""Limits in the admin: staff set their own, look at all, and every change says what was before."""

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from tests.support.authorizing import a_limit, ask, limit
from tests.support.cast import a_user
from tests.support.recording import prepare
from usage.models import Account, LimitSource, UsageLimit

pytestmark = pytest.mark.django_db

CALLS = {"name": "calls a day", "measure": "calls", "scope": "everything", "scope_value": "", "window": "day"}


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(a_user("sam", is_staff=True, is_superuser=True))
    return client


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


def page(action: str, *arguments: object, model: str = "usagelimit") -> str:
    return reverse(f"admin:usage_{model}_{action}", args=arguments)


def add(staff: Client, **fields: str) -> str:
    """What the form answers to a limit of 5 calls a day, or to `fields`."""
    account = str(Account.objects.get().pk)
    answer = staff.post(page("add"), {"account": account, **CALLS, "amount": "5", "mode": "block", **fields})
    return answer.content.decode()


def test_staff_add_an_override(staff: Client) -> None:
    add(staff)

    made = UsageLimit.objects.get()
    assert (made.source, made.amount, made.window) == ("override", 5, "day")


def test_a_limit_that_cannot_be_is_explained(staff: Client) -> None:
    assert "a scope other than everything names its value" in add(staff, scope="provider")
    assert not UsageLimit.objects.exists()


def test_an_empty_amount_is_unlimited(staff: Client) -> None:
    add(staff, amount="")

    assert UsageLimit.objects.get().amount is None


def test_a_changed_amount_is_in_the_history_with_what_it_was(staff: Client) -> None:
    limit(a_limit(5), source=LimitSource.OVERRIDE)
    made = UsageLimit.objects.get()

    staff.post(page("change", made.pk), {"name": made.name, "amount": "7", "mode": "block"})

    made.refresh_from_db()
    assert made.amount == 7
    assert "→ 7" in LogEntry.objects.get().change_message.encode().decode("unicode_escape")


def test_changing_an_amount_keeps_what_is_held(staff: Client) -> None:
    limit(a_limit(5), source=LimitSource.OVERRIDE)
    ask()
    made = UsageLimit.objects.get()

    staff.post(page("change", made.pk), {"name": made.name, "amount": "7", "mode": "block"})

    made.refresh_from_db()
    assert (made.amount, made.held) == (Decimal(7), Decimal(1))


def test_a_plans_limit_can_only_be_looked_at(staff: Client) -> None:
    limit(a_limit(5))
    made = UsageLimit.objects.get()

    staff.post(page("change", made.pk), {"name": made.name, "amount": "7", "mode": "block"})

    made.refresh_from_db()
    assert made.amount == 5
    assert staff.get(page("change", made.pk)).status_code == 200


def test_an_override_can_be_taken_away(staff: Client) -> None:
    limit(a_limit(5), source=LimitSource.OVERRIDE)

    staff.post(page("delete", UsageLimit.objects.get().pk), {"post": "yes"})

    assert not UsageLimit.objects.exists()


def test_the_lists_and_the_account_show_limits_and_authorizations(staff: Client) -> None:
    limit(a_limit(5, name="five calls"))
    granted = ask()

    assert "five calls" in staff.get(page("changelist")).content.decode()
    assert granted.id in staff.get(page("changelist", model="authorization")).content.decode()
    account = page("change", Account.objects.get().pk, model="account")
    assert "five calls" in staff.get(account).content.decode()


def test_pausing_an_account_says_so_in_its_history(staff: Client) -> None:
    account = Account.objects.get()
    inlines = {
        f"{prefix}-{name}": "0"
        for prefix in ("members", "api_keys")
        for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    address = page("change", account.pk, model="account")

    staff.post(address, {"name": account.name, "paused_reason": "Card declined.", **inlines})

    account.refresh_from_db()
    assert account.paused_reason == "Card declined."
    assert "Card declined." in LogEntry.objects.get().change_message


def test_a_second_override_does_not_silently_replace_the_first(staff: Client) -> None:
    add(staff, name="blocked", amount="0")

    assert "counts the same" in add(staff, name="friendly", amount="100")
    assert [(made.name, made.amount) for made in UsageLimit.objects.all()] == [("blocked", 0)]


@pytest.mark.parametrize(
    ("scope", "value", "told"),
    [("provider", "OpenAI", "known are"), ("kind", "zzz", "known are"), ("model", "gpt-4o", "openai/gpt-4o")],
)
def test_a_scope_that_no_call_is_of_is_refused(staff: Client, scope: str, value: str, told: str) -> None:
    assert told in add(staff, scope=scope, scope_value=value)
    assert not UsageLimit.objects.exists()
