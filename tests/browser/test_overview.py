"""The overview moves by itself: what is recorded shows within seconds, and nothing one has opened is lost."""

from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.test_dashboard import log_in
from tests.support.cast import NOW, TESTS, a_member, an_event
from tests.support.recording import prepare, record
from usage import keys
from usage.models import Account, Scope

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# The page asks every three seconds.
ASKS_EVERY_MS = 3_000
LONGER_THAN_IT_ASKS_MS = 4_500
# For what a page asked to be seen here.
SEEN_WITHIN_MS = 500
PART = "**/overview/now/**"
EVENT = {
    "source": "tests",
    "subject": "acme",
    "data": {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
    },
}


@pytest.fixture
def key(live_server: object) -> str:
    """May record; acme has an owner named alice, and has made one call, for 1000 × 2.50 and 100 × 10 USD per
    million: $0.0035.
    """
    prepare()
    account = Account.objects.get()
    a_member(account)
    record(an_event("e1", at=NOW - timedelta(minutes=5)))
    return keys.issue(name="tests", account=account, scopes=[Scope.INGEST], at=NOW, by=TESTS).plain


@pytest.fixture
def quiet_page(context: BrowserContext, key: str) -> Page:
    """A logged-in page in a browser that may complain."""
    page = context.new_page()
    open_overview(page)
    return page


def open_overview(page: Page) -> None:
    """Logged in, on a page whose clock runs, and can be moved on."""
    page.clock.install()
    log_in(page)
    # By then it asks by itself.
    expect(page.locator("#live")).to_be_visible()


def send(page: Page, key: str, event_id: str) -> None:
    """What a program does: no browser, no login."""
    answer = page.request.post(
        "/api/usage/events", data={"id": event_id, **EVENT}, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.json()["recorded"] == 1


def test_a_recorded_event_moves_the_numbers_and_what_is_open_stays_open(page: Page, key: str) -> None:
    open_overview(page)
    expect(page.get_by_text("exactly $0.0035")).to_be_visible()
    page.get_by_text("The same numbers as a table").click()
    page.get_by_role("button", name="What “Error rate” means").click()
    page.evaluate("window.notReloaded = true")

    send(page, key, "e2")
    page.clock.fast_forward(ASKS_EVERY_MS)

    expect(page.get_by_text("exactly $0.007")).to_be_visible()
    today = page.get_by_role("row", name="Sun 15 Mar")
    expect(today).to_be_visible()
    expect(today.get_by_role("cell").nth(1)).to_have_text("2")
    expect(page.locator("#about-errors")).to_be_visible()
    assert page.evaluate("window.notReloaded")


def test_nothing_is_asked_while_the_page_is_hidden(page: Page, key: str) -> None:
    open_overview(page)
    with page.expect_request(PART):
        page.clock.fast_forward(ASKS_EVERY_MS)
    # A browser without a screen never hides a page by itself.
    page.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(LONGER_THAN_IT_ASKS_MS)
    page.wait_for_timeout(SEEN_WITHIN_MS)
    assert asked == []

    with page.expect_request(PART):
        page.evaluate("delete document.hidden")
        page.clock.fast_forward(ASKS_EVERY_MS)


def test_a_lost_server_is_told_and_so_is_its_return(quiet_page: Page, context: BrowserContext) -> None:
    expect(quiet_page.locator("#live")).to_have_text("Live")

    context.set_offline(True)
    quiet_page.clock.fast_forward(ASKS_EVERY_MS)
    expect(quiet_page.locator("#live")).to_have_text("Not live: no answer")

    context.set_offline(False)
    quiet_page.clock.fast_forward(ASKS_EVERY_MS)
    expect(quiet_page.locator("#live")).to_have_text("Live")


def test_whose_session_is_over_is_led_to_the_login_page(quiet_page: Page, context: BrowserContext) -> None:
    context.clear_cookies()
    quiet_page.clock.fast_forward(ASKS_EVERY_MS)

    quiet_page.wait_for_url("**/login/?next=/")
    expect(quiet_page.get_by_role("navigation")).to_have_count(0)
    expect(quiet_page.get_by_label("Username")).to_have_count(1)
