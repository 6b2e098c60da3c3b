"""Overrides in the admin: added with a reason, changed and ended by buttons, every step in the history."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from subscriptions.models import LimitOverride
from tests.support.authorizing import a_limit, ask, counters, is_granted
from tests.support.cast import NOW, a_user
from tests.support.recording import prepare
from tests.support.subscribing import a_plan, start
from usage.models import Account, UsageLimit

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


def page(action: str, *arguments: object) -> str:
    return reverse(f"admin:subscriptions_limitoverride_{action}", args=arguments)


def add(staff: Client, **fields: str) -> str:
    """What the form answers to a limit of 5 calls a day, or to `fields`."""
    account = str(Account.objects.get().pk)
    given = {"account": account, **CALLS, "amount": "5", "mode": "block", "reason": "As agreed.", **fields}
    return staff.post(page("add"), given).content.decode()


def button(staff: Client, name: str, **fields: str) -> str:
    """What the page behind a button of the only override in force answers."""
    override = LimitOverride.objects.get(ended_at=None)
    return staff.post(page(name, override.pk), fields, follow=True).content.decode()


def amounts() -> list[tuple[str, object]]:
    return [(limit.source, limit.amount) for limit in UsageLimit.objects.all()]


def history() -> list[str]:
    messages = LogEntry.objects.order_by("id").values_list("change_message", flat=True)
    return [message.encode().decode("unicode_escape").encode("latin-1").decode() for message in messages]


def test_staff_add_an_override_that_is_in_force_at_once(staff: Client) -> None:
    add(staff)

    made = LimitOverride.objects.get()
    assert (made.amount, made.window, made.created_by) == (5, "day", made.created_by)
    assert made.created_by is not None
    assert amounts() == [("override", 5)]


def test_its_reason_is_in_the_history(staff: Client) -> None:
    add(staff, reason="Launch week.")

    assert "Launch week." in LogEntry.objects.get().change_message


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"reason": ""}, "This field is required"),
        ({"scope": "provider"}, "a scope other than everything names its value"),
        ({"scope": "provider", "scope_value": "OpenAI"}, "known are"),
        ({"scope": "kind", "scope_value": "zzz"}, "known are"),
        ({"scope": "model", "scope_value": "gpt-4o"}, "openai/gpt-4o"),
        ({"amount": "-1"}, "negative"),
        ({"ends_at_0": "2020-01-01", "ends_at_1": "00:00"}, "in the future"),
    ],
)
def test_what_cannot_be_an_override_is_explained(staff: Client, fields: dict[str, str], told: str) -> None:
    assert told in add(staff, **fields)

    assert not LimitOverride.objects.exists()
    assert not UsageLimit.objects.exists()


def test_an_empty_amount_is_unlimited(staff: Client) -> None:
    add(staff, amount="")

    assert amounts() == [("override", None)]


def test_it_stands_in_place_of_the_plans_limit(staff: Client) -> None:
    start(a_plan("team", a_limit(1, name="calls")), account=Account.objects.get())
    add(staff, window="period", amount="2")

    assert is_granted()
    assert is_granted()
    assert not is_granted()


def test_changing_the_amount_keeps_what_is_held_and_says_what_was(staff: Client) -> None:
    add(staff, window="period")
    ask(at=NOW)

    button(staff, "change_amount", amount="7", reason="More.")

    ended, running = LimitOverride.objects.order_by("id")
    assert (ended.amount, running.amount, running.reason) == (5, 7, "More.")
    assert ended.ended_at is not None
    assert UsageLimit.objects.get().held == 1
    assert counters("calls a day") is not None


def test_an_override_can_be_ended(staff: Client) -> None:
    start(a_plan("team", a_limit(1, name="calls", window="day")), account=Account.objects.get())
    add(staff)
    assert ("override", 5) in amounts()

    button(staff, "end_now")

    assert ("plan", 1) in amounts()
    assert ("override", 5) not in amounts()
    assert LimitOverride.objects.get().ended_by == "sam"


def test_a_second_override_does_not_silently_replace_the_first(staff: Client) -> None:
    add(staff, name="blocked", amount="0")

    assert "counts the same" in add(staff, name="friendly", amount="100")
    assert [(made.name, made.amount) for made in LimitOverride.objects.all()] == [("blocked", 0)]


def test_nothing_of_an_override_is_edited_in_place(staff: Client) -> None:
    add(staff)
    override = LimitOverride.objects.get()

    staff.post(page("change", override.pk), {"name": "other", "amount": "100", "reason": "x"})

    override.refresh_from_db()
    assert (override.name, override.amount) == ("calls a day", 5)
