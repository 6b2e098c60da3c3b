"""Journeys through the pages as a person takes them."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.support.cast import a_member, a_user, an_account
from tests.support.usage_rows import a_log_row, a_period, a_rollup, a_summary
from usage.models import Account

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1600, "height": 1000}
LONG_NAME = "organisation/a-model-with-an-unreasonably-long-name-that-nobody-would-give-2026-03-15:free"

# Notes the theme at the moment the body appears, which is before anything can be painted.
THEME_BEFORE_PAINT = """
new MutationObserver((_, observer) => {
  if (!document.body) return;
  window.themeBeforePaint = document.documentElement.dataset.theme;
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""


@pytest.fixture
def acme(live_server: LiveServer) -> Account:
    """An account with a member named alice and usage in the open period."""
    account = an_account("acme", name="Acme Research")
    a_member(account)
    period = a_period(account)
    for provider, model, cost in (("openai", "gpt-4o", "47.608895"), ("huggingface", LONG_NAME, "1.5")):
        a_summary(period, provider=provider, calls=8_819, input_tokens=18_059_974, cost=cost)
        a_rollup(account, provider=provider, model=model, calls=8_819, input_tokens=18_059_974, cost=cost)
    a_log_row(period, model=LONG_NAME)
    return account


def log_in(page: Page, username: str = "alice") -> None:
    page.goto("/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill("correct horse")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login/" not in url)


def ground(page: Page) -> str:
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def test_a_customer_logs_in_and_sees_the_exact_cost(page: Page, acme: Account) -> None:
    log_in(page)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("exactly $49.108895")).to_be_visible()
    expect(page.get_by_role("img", name="Bar chart of the cost per day")).to_be_visible()
    cost = page.get_by_role("row", name="OpenAI").get_by_role("cell").first
    expect(cost).to_have_text("$47.61", use_inner_text=True)


def test_the_switch_shows_exact_amounts(page: Page, acme: Account) -> None:
    log_in(page)
    page.get_by_role("switch", name="Exact amounts").focus()
    page.keyboard.press("Space")
    cost = page.get_by_role("row", name="OpenAI").get_by_role("cell").first
    expect(cost).to_have_text("$47.608895", use_inner_text=True)


def test_the_charts_numbers_stand_in_a_table(page: Page, acme: Account) -> None:
    log_in(page)
    page.get_by_text("The same numbers as a table").click()
    today = page.get_by_role("row", name="Sun 15 Mar")
    expect(today.get_by_role("cell")).to_have_text(
        ["$47.61", "$1.50", "17,638", "$49.11"], use_inner_text=True
    )


def test_a_bar_says_what_it_stands_for_under_the_pointer(page: Page, acme: Account) -> None:
    log_in(page)
    last = page.locator(".chart-column").last
    expect(last.locator(".chart-readout")).to_be_hidden()
    last.locator(".chart-bar").first.hover()
    expect(last.locator(".chart-readout")).to_be_visible()
    expect(last.locator(".chart-readout")).to_have_text("Sun 15 Mar: $49.11, 17,638 calls")


def test_the_theme_is_picked_kept_and_there_before_the_first_paint(page: Page) -> None:
    page.add_init_script(THEME_BEFORE_PAINT)
    page.goto("/login/")
    light = ground(page)
    page.get_by_role("button", name="Switch to dark theme").click()
    dark = ground(page)
    assert dark != light
    page.reload()
    assert page.evaluate("themeBeforePaint") == "dark"
    assert ground(page) == dark
    page.get_by_role("button", name="Switch to light theme").click()
    assert ground(page) == light


def test_the_theme_follows_the_system_until_one_is_picked(page: Page) -> None:
    page.goto("/login/")
    light = ground(page)
    page.emulate_media(color_scheme="dark")
    assert ground(page) != light
    expect(page.get_by_role("button", name="Switch to light theme")).to_be_visible()


def test_the_keyboard_alone_reaches_log_out(page: Page, acme: Account) -> None:
    log_in(page)
    focused = page.locator(":focus")
    for _ in range(10):
        page.keyboard.press("Tab")
        if "user menu" in focused.inner_text():
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(focused).to_have_text("Change password")
    page.keyboard.press("Tab")
    expect(focused).to_have_text("Log out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/login/")
    page.goto("/")
    page.wait_for_url("**/login/?next=/")


def test_the_first_tab_offers_to_skip_to_the_content(page: Page, acme: Account) -> None:
    log_in(page)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_definition_opens_and_closes_by_keyboard(page: Page, acme: Account) -> None:
    log_in(page)
    page.get_by_role("button", name="What “Error rate” means").focus()
    page.keyboard.press("Enter")
    definition = page.locator("#about-errors")
    expect(definition).to_be_visible()
    expect(definition).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    expect(definition).to_be_hidden()


def test_the_first_events_command_is_copied(page: Page, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    a_member(an_account("newco"))
    log_in(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#curl-line").inner_text()
    assert '"subject": "newco"' in copied


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_no_page_scrolls_sideways(page: Page, acme: Account, size: dict[str, int]) -> None:
    a_member(an_account("newco"), username="bob")
    a_user("carol")
    a_user("staff", is_staff=True)
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    for username in ("alice", "bob", "carol", "staff"):
        page.context.clear_cookies()
        for path in ("/login/", "/password-reset/", "/"):
            if path == "/":
                log_in(page, username)
            else:
                page.goto(path)
            wide, visible = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide <= visible, (username, path)


def test_everything_works_without_javascript(
    browser: Browser, live_server: LiveServer, acme: Account
) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    log_in(page)
    expect(page.get_by_text("exactly $49.108895")).to_be_visible()
    page.get_by_role("button", name="open the user menu").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login/")
    context.close()
