"""Exploring usage, by mouse, by keyboard, and without JavaScript."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.test_dashboard import log_in
from tests.support.cast import NOW, a_member
from tests.support.invoicing import used
from tests.support.recording import prepare
from usage.models import Account

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def acme(live_server: LiveServer) -> Account:
    """Owned by alice. In the last 30 days 3 USD for gpt-4o and 1 for o4-mini, in the 30 before them 2."""
    prepare()
    account = Account.objects.get()
    a_member(account)
    used("3", event_id="e1", at=NOW)
    used("1", event_id="e2", at=NOW - timedelta(days=3), model="o4-mini")
    used("2", event_id="e3", at=NOW - timedelta(days=40))
    return account


def cost(page: Page) -> Locator:
    """The number below “Cost”, with what stands beside it."""
    return page.locator("#answer .stat").first


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row", name=name)


def test_usage_is_explored_and_the_back_button_leads_back(page: Page, acme: Account) -> None:
    log_in(page)
    page.get_by_role("link", name="Usage", exact=True).click()
    expect(cost(page)).to_contain_text("$4.00")

    page.get_by_label("Range").select_option("Last 90 days")
    expect(cost(page)).to_contain_text("$6.00")
    page.get_by_label("Range").select_option("Last 30 days")
    expect(cost(page)).to_contain_text("$4.00")

    page.get_by_label("Grouped by").select_option("Model")
    expect(page.get_by_role("heading", name="By model")).to_be_visible()
    expect(row(page, "gpt-4o").get_by_role("cell").first).to_have_text("$3.00", use_inner_text=True)

    page.get_by_role("link", name="o4-mini").click()
    expect(cost(page)).to_contain_text("$1.00")
    page.get_by_role("switch", name="Compare").check(force=True)
    expect(cost(page)).to_contain_text("from $0.00")
    page.get_by_role("list", name="Narrowed to").get_by_role("link").click()
    expect(cost(page)).to_contain_text("$4.00")
    # 4 where it was 2.
    expect(cost(page)).to_contain_text("+100.0% from $2.00")

    page.go_back()
    expect(cost(page)).to_contain_text("$1.00")
    page.go_back()
    expect(page.get_by_role("switch", name="Compare")).not_to_be_checked()
    page.go_back()
    expect(cost(page)).to_contain_text("$4.00")
    expect(page.get_by_role("heading", name="By model")).to_be_visible()


def test_a_choice_made_before_the_scripts_are_there_is_answered(page: Page, acme: Account) -> None:
    log_in(page)
    scripts: list[Route] = []
    page.route("**/explore.js", lambda route: scripts.append(route))
    page.goto("/usage/", wait_until="commit")
    page.get_by_label("Range").select_option("Last 90 days")
    page.get_by_role("switch", name="Compare").check(force=True)
    expect(cost(page)).to_contain_text("$4.00")

    scripts[0].continue_()

    expect(cost(page)).to_contain_text("$6.00")
    expect(cost(page)).to_contain_text("from $0.00")


def test_what_was_chosen_last_is_answered(page: Page, acme: Account) -> None:
    log_in(page)
    page.goto("/usage/")
    asked: list[Route] = []
    page.route("**/usage/?*", lambda route: asked.append(route), times=1)
    with page.expect_request("**/usage/?*"):
        page.get_by_label("Range").select_option("Last 90 days")
    # While the first answer is still awaited.
    page.get_by_label("Grouped by").select_option("Model")

    asked[0].continue_()

    expect(page.get_by_role("heading", name="By model")).to_be_visible()
    expect(cost(page)).to_contain_text("$6.00")
    expect(page.get_by_label("Range")).to_have_value("90d")


def test_what_was_chosen_last_is_answered_also_when_the_answer_before_was_lost(
    context: BrowserContext, acme: Account
) -> None:
    # A browser complains of what is lost.
    page = context.new_page()
    log_in(page)
    page.goto("/usage/")
    asked: list[Route] = []
    page.route("**/usage/?*", lambda route: asked.append(route), times=1)
    with page.expect_request("**/usage/?*"):
        page.get_by_label("Range").select_option("Last 90 days")
    page.get_by_label("Grouped by").select_option("Model")

    asked[0].abort()

    expect(page.get_by_role("heading", name="By model")).to_be_visible()
    expect(cost(page)).to_contain_text("$6.00")


def test_the_keyboard_alone_explores(page: Page, acme: Account) -> None:
    log_in(page)
    page.goto("/usage/")
    page.get_by_label("Grouped by").focus()
    page.keyboard.type("Mod")
    expect(page.get_by_role("heading", name="By model")).to_be_visible()
    # What one is at stays so when the answer comes.
    expect(page.get_by_label("Grouped by")).to_be_focused()

    focused = page.locator(":focus")
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused.inner_text() == "o4-mini":
            break
    page.keyboard.press("Enter")
    expect(cost(page)).to_contain_text("$1.00")


def test_without_javascript_the_button_asks(browser: Browser, live_server: LiveServer, acme: Account) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    log_in(page)
    page.get_by_role("link", name="Usage", exact=True).click()
    page.get_by_label("Range").select_option("Last 90 days")
    page.get_by_label("Grouped by").select_option("Model")
    page.get_by_role("button", name="Show").click()
    expect(cost(page)).to_contain_text("$6.00")
    page.get_by_role("link", name="o4-mini").click()
    expect(cost(page)).to_contain_text("$1.00")
    context.close()
