"""Subscriptions in the admin: how they stand, what happened, and every operation with its reason."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from subscriptions import lifecycle
from subscriptions.models import UserSubscription
from tests.support.authorizing import a_limit
from tests.support.cast import a_user, an_account
from tests.support.subscribing import TESTS, a_plan, again, load_catalog, start
from usage.models import Account

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(a_user("sam", is_staff=True, is_superuser=True))
    return client


def page(name: str, *arguments: object) -> str:
    return reverse(f"admin:subscriptions_usersubscription_{name}", args=arguments)


def press(staff: Client, name: str, subscription: UserSubscription, **fields: Any) -> str:
    """What the page behind a button answers to the filled-in form."""
    sent = {"reason": "Because.", **fields}
    return staff.post(page(name, subscription.pk), sent, follow=True).content.decode()


def buttons(staff: Client, subscription: UserSubscription) -> set[str]:
    """The operations that the subscription's page offers."""
    shown = staff.get(page("change", subscription.pk)).content.decode()
    known = ["change-plan", "pause", "resume", "extend-trial", "cancel", "withdraw", "reactivate"]
    return {name for name in known if f"/{name}" in shown}


def test_a_customer_is_subscribed_with_a_reason(staff: Client) -> None:
    account, plan = an_account(), a_plan("team", a_limit(5, name="calls"), trial_days=14)
    form = {"account": account.pk, "plan": plan.pk, "billing_cycle": "yearly", "reason": "Signed."}

    staff.post(page("add"), form)

    made = UserSubscription.objects.get()
    assert (made.account, made.plan, made.billing_cycle, made.state) == (account, plan, "yearly", "active")
    change = made.changes.get()
    assert (change.actor, change.reason) == ("sam", "Signed.")


def test_a_second_subscription_is_refused_in_words(staff: Client) -> None:
    subscription = start(a_plan())
    form = {
        "account": subscription.account_id, "plan": subscription.plan.pk, "billing_cycle": "monthly",
        "reason": "Again.",
    }  # fmt: skip

    assert "change that one" in staff.post(page("add"), form).content.decode()
    assert UserSubscription.objects.count() == 1


def test_the_page_tells_the_timeline_and_the_limits_as_they_stand(staff: Client) -> None:
    subscription = start(a_plan("team", a_limit(5, name="five calls")))
    lifecycle.pause(subscription, at=subscription.term_start, by=TESTS, reason="On holiday.")

    shown = staff.get(page("change", subscription.pk)).content.decode()

    assert "Timeline" in shown
    assert "Active → Paused" in shown
    assert "On holiday." in shown
    assert "five calls" in shown


def test_every_state_offers_what_it_allows(staff: Client) -> None:
    subscription = start(a_plan())
    assert buttons(staff, subscription) == {"change-plan", "pause", "cancel"}

    press(staff, "pause", subscription, resumes_at_0="", resumes_at_1="")
    assert buttons(staff, subscription) == {"resume", "cancel"}

    press(staff, "resume", subscription)
    press(staff, "cancel", subscription, when="term_end")
    assert buttons(staff, subscription) == {"change-plan", "pause", "cancel", "withdraw"}

    press(staff, "withdraw", subscription)
    assert not again(subscription).cancel_at_term_end

    press(staff, "cancel", subscription, when="now")
    assert buttons(staff, subscription) == {"reactivate"}


def test_a_trial_can_be_extended(staff: Client) -> None:
    subscription = start(a_plan(trial_days=14), at=timezone.now())

    press(staff, "extend_trial", subscription, ends_at_0="2090-01-01", ends_at_1="00:00")
    told = press(staff, "extend_trial", subscription, ends_at_0="2020-01-01", ends_at_1="00:00")

    assert "choose a moment after" in told


def test_a_change_of_plan_tells_what_it_costs_and_is_in_the_history(staff: Client) -> None:
    load_catalog()
    subscription = start(a_plan("small", price="10"), at=timezone.now())
    large = a_plan("large", price="100")

    assert "What a change costs now" in staff.get(page("change_plan", subscription.pk)).content.decode()
    press(staff, "change_plan", subscription, plan=large.pk, billing_cycle="monthly", when="")

    assert again(subscription).plan == large
    entry = LogEntry.objects.latest("pk")
    assert "Upgraded: Large v1, Active" in entry.change_message
    assert "Because" in entry.change_message


def test_without_a_reason_nothing_happens(staff: Client) -> None:
    subscription = start(a_plan())

    assert "This field is required" in press(staff, "pause", subscription, reason="")
    assert again(subscription).state == "active"


def test_what_is_not_there_is_not_found(staff: Client) -> None:
    assert staff.get(page("pause", 999)).status_code == 404


def test_an_account_made_in_the_admin_begins_on_the_default_plan(staff: Client) -> None:
    load_catalog()
    forms = {f"members-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    forms |= {f"api_keys-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}

    staff.post(reverse("admin:usage_account_add"), {"external_id": "acme", "name": "Acme", **forms})

    account = Account.objects.get()
    assert account.subscription.plan.key == "free"
    shown = staff.get(reverse("admin:usage_account_change", args=[account.pk])).content.decode()
    assert "Free v1, Active" in shown
