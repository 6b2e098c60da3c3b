"""The admin's first page: figures with the arithmetic visible, and what needs a look."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django_celery_results.models import TaskResult

from alerts.models import UsageAlert
from subscriptions import lifecycle
from tests.support.alerting import an_alert
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, a_user, an_account, an_event
from tests.support.recording import prepare, record
from tests.support.staff_invoices import a_clerk, queries_of
from tests.support.subscribing import TESTS, YEARLY, a_plan, start
from tests.support.usage_rows import a_rollup
from usage.models import Account

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def home() -> str:
    client = Client()
    sam = User.objects.filter(username="sam").first() or a_user("sam", is_staff=True, is_superuser=True)
    client.force_login(sam)
    return " ".join(client.get(reverse("admin:index")).content.decode().split())


def test_an_empty_installation_has_a_home() -> None:
    shown = home()

    assert "Monthly recurring revenue" in shown
    assert "None has used 80 % of what its billing period allows." in shown


def test_recurring_revenue_is_what_running_terms_cost_a_month() -> None:
    team = a_plan("team", price="30")
    start(team, account=an_account("one"))
    # 300 a year is 25 a month.
    start(team, account=an_account("two"), cycle=YEARLY)
    ended = start(team, account=an_account("three"))
    lifecycle.cancel(ended, at=NOW, by=TESTS, at_term_end=False)
    start(a_plan("tried", price="99", trial_days=14), account=an_account("four"))

    shown = home()

    assert "$55.00" in shown
    assert "1 canceled, 1 trialing" in shown


def test_the_margin_is_revenue_less_the_usage_cost_of_thirty_days() -> None:
    start(a_plan("team", price="30"), account=an_account("one"))
    account = Account.objects.get()
    a_rollup(account, cost="12")
    a_rollup(account, hour=NOW - timedelta(days=29), model="o3", cost="3")
    a_rollup(account, hour=NOW - timedelta(days=31), model="old", cost="1000")

    shown = home()

    assert "$15.00" in shown
    assert "50 % of revenue" in shown


def test_an_account_near_a_limit_is_named_with_its_fullest() -> None:
    prepare()
    start(
        a_plan("team", a_limit(5, name="calls"), a_limit("9", "cost", "day", name="many")),
        account=Account.objects.get(),
    )
    record(*[an_event(f"e{number}") for number in range(3)])
    assert "None has used 80 %" in home()

    record(an_event("e4"))
    shown = home()

    assert "None has used 80 %" not in shown
    # Four of five calls are 80 percent.
    assert re.search(
        r"> 4 <.*> 5 <.*> 80 % <", re.sub(r"\s+", " ", shown.replace(">", "> ").replace("<", " <"))
    )


def test_a_failed_task_is_told_for_a_day() -> None:
    TaskResult.objects.create(
        task_id="1", task_name="usage.tasks.expire_holds", status="FAILURE", result="no"
    )
    TaskResult.objects.create(task_id="2", task_name="usage.tasks.fine", status="SUCCESS")

    assert "usage.tasks.expire_holds" in home()
    with time_machine.travel(NOW + timedelta(days=1, seconds=1), tick=False):
        assert "usage.tasks.expire_holds" not in home()


def test_what_our_staff_were_told_and_holds_is_there_newest_first_until_it_is_marked_read() -> None:
    assert "Alerts for our staff" not in home()
    an_alert(an_account(), "A customer's")
    an_alert(None, "Over", ended_at=NOW)
    an_alert(None, "Read", read_at=NOW)
    an_alert(None, "Older", severity="error", path="/admin/usage/heldprice/")
    an_alert(None, "Newer")

    shown = home()

    # Before all figures.
    assert shown.index("Newer") < shown.index("Older") < shown.index("Active subscriptions")
    assert 'href="/admin/usage/heldprice/">Older<' in shown
    assert "Error" in shown
    assert [title for title in ("A customer&#x27;s", "Over<", "Read<") if title in shown] == []
    alert = UsageAlert.objects.get(title="Newer")
    assert reverse("admin:alerts_usagealert_mark_read", args=[alert.pk]) in shown


def test_the_alerts_on_the_first_page_are_bounded_and_take_one_statement() -> None:
    for number in range(11):
        an_alert(None, f"Alert {number}.")
    clerk = a_clerk()

    asked = queries_of(clerk, reverse("admin:index"))
    shown = clerk.get(reverse("admin:index")).content.decode()

    assert len([each for each in asked if 'FROM "usage_alerts"' in each]) == 1
    assert [number for number in range(11) if f"Alert {number}." in shown] == list(range(1, 11))
    assert "The newest 10 of them." in shown
    # Whoever may only look is not led to a page that refuses.
    assert "mark-read" not in shown
