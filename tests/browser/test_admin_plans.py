"""Staff run the business from the admin: a plan from its first draft to subscribers on its second version."""

from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from subscriptions import rollouts
from subscriptions.models import SubscriptionPlan, UserSubscription
from tests.support.cast import NOW, a_user, an_account
from usage.models import Account, UsageLimit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def acme(live_server: LiveServer) -> Account:
    """A customer, and somebody of staff who may do everything."""
    a_user("sam", is_staff=True, is_superuser=True)
    return an_account("acme", name="Acme Research")


def log_in(page: Page) -> None:
    page.goto("/admin/login/?next=/admin/")
    page.locator("[name=username]").fill("sam")
    page.locator("[name=password]").fill("correct horse")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login/" not in url)


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"[name='{name}']").fill(value)


def choose(page: Page, **fields: str) -> None:
    for name, label in fields.items():
        page.locator(f"[name='{name}']").select_option(label=label)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def follow(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()


def add_limit(page: Page, number: int, *, name: str, amount: str, window: str = "A billing period") -> None:
    page.get_by_role("link", name="Add another Plan limit").click()
    page.locator(f"[name='limits-{number}-name']").fill(name)
    page.locator(f"[name='limits-{number}-amount']").fill(amount)
    page.locator(f"[name='limits-{number}-window']").select_option(label=window)


def make_a_plan(page: Page) -> None:
    """Team, 30 USD a month, 20 USD of usage, a thousand calls a period and ten a minute; published."""
    page.goto("/admin/subscriptions/subscriptionplan/add/")
    fill(page, key="team", name="Team")
    choose(page, visibility="Public: everybody sees and chooses it")
    press(page, "Save")
    expect(page.get_by_role("heading", name="What the customer gets")).to_be_visible()
    fill(page, price_monthly="30", price_yearly="300", included_usage="20")
    add_limit(page, 0, name="calls", amount="1000")
    add_limit(page, 1, name="requests_per_minute", amount="10", window="A minute")
    press(page, "Save and continue editing")
    expect(page.get_by_role("cell", name="1000 calls a billing period, then refused")).to_be_visible()
    follow(page, "Publish")
    press(page, "Publish")
    expect(page.get_by_text("Team v1 is sold from now on.")).to_be_visible()


def subscribe(page: Page) -> None:
    page.goto("/admin/subscriptions/usersubscription/add/")
    choose(page, account="Acme Research", plan="Team")
    fill(page, reason="Signed the order.")
    press(page, "Subscribe")
    expect(page.get_by_text("Acme Research is subscribed to Team v1.")).to_be_visible()


def edit_the_plan(page: Page) -> None:
    """Half the calls, for more money."""
    page.goto("/admin/subscriptions/subscriptionplan/")
    follow(page, "Team")
    follow(page, "Edit terms (next version)")
    press(page, "Begin a draft")
    fill(page, price_monthly="40")
    page.locator("[name='limits-0-amount']").fill("500")
    press(page, "Save and continue editing")
    expect(page.get_by_role("row", name="price a month 30 USD 40 USD")).to_be_visible()
    follow(page, "Publish")
    press(page, "Publish")


def test_staff_make_sell_edit_and_apply_a_plan(page: Page, acme: Account) -> None:
    log_in(page)
    make_a_plan(page)
    subscribe(page)
    assert UsageLimit.objects.get(account=acme, name="calls").amount == 1000

    edit_the_plan(page)
    # Published, and the subscriber keeps what was sold.
    assert UsageLimit.objects.get(account=acme, name="calls").amount == 1000

    follow(page, "Apply to subscribers")
    expect(page.get_by_role("heading", name="From v1: 1 subscribers")).to_be_visible()
    expect(page.get_by_role("row", name="price a month 30 USD 40 USD")).to_be_visible()
    expect(page.get_by_role("row", name="Acme Research v1 Active")).to_be_visible()
    fill(page, reason="New prices for all.")
    press(page, "Apply to all of them")
    expect(page.get_by_text("Team v2 is on its way to 1 subscribers.")).to_be_visible()

    assert rollouts.advance(at=NOW, limit=10) == 1
    page.goto(f"/admin/subscriptions/usersubscription/{UserSubscription.objects.get().pk}/change/")
    expect(page.get_by_role("row", name="New plan version applied Team v1 → Team v2")).to_be_visible()
    assert UsageLimit.objects.get(account=acme, name="calls").amount == Decimal(500)


def test_what_is_wrong_with_a_version_is_told_and_it_is_not_published(page: Page, acme: Account) -> None:
    log_in(page)
    page.goto("/admin/subscriptions/subscriptionplan/add/")
    fill(page, key="odd", name="Odd")
    press(page, "Save")
    choose(page, overage_policy="Bill what goes beyond, up to the maximum")
    press(page, "Save and continue editing")
    expect(page.get_by_text("it cannot be published like this")).to_be_visible()

    follow(page, "Publish")
    press(page, "Publish")

    expect(page.get_by_text("included_usage: without an amount nothing is beyond it")).to_be_visible()
    assert SubscriptionPlan.objects.get().versions.get().published_at is None


def test_staff_pause_and_resume_with_a_reason(page: Page, acme: Account) -> None:
    log_in(page)
    make_a_plan(page)
    subscribe(page)
    page.goto(f"/admin/subscriptions/usersubscription/{UserSubscription.objects.get().pk}/change/")

    follow(page, "Pause")
    fill(page, reason="On holiday.")
    press(page, "Pause")
    expect(page.get_by_role("row", name="Paused Team v1 Active → Paused")).to_be_visible()
    follow(page, "Resume")
    fill(page, reason="Back.")
    press(page, "Resume")

    expect(page.get_by_role("row", name="Resumed Team v1 Paused → Active")).to_be_visible()
