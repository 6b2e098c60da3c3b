"""Limits and authorizations in the admin: all to look at, nothing to change past what sets it."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from tests.support.authorizing import a_limit, ask, limit
from tests.support.cast import a_user
from tests.support.recording import prepare
from usage.models import Account, UsageLimit

pytestmark = pytest.mark.django_db


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


def test_a_plans_limit_can_only_be_looked_at(staff: Client) -> None:
    limit(a_limit(5))
    made = UsageLimit.objects.get()

    staff.post(page("change", made.pk), {"name": made.name, "amount": "7", "mode": "block"})

    made.refresh_from_db()
    assert made.amount == 5
    assert staff.get(page("change", made.pk)).status_code == 200


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
