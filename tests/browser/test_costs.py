"""The pages about costs, as a person reads them."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.test_dashboard import LONG_NAME, NARROW, log_in
from tests.support.cast import NOW, a_member, an_account
from tests.support.rolled_up import roll_up
from tests.support.usage_rows import MARCH, a_rollup
from usage.models import Account

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DAY = timedelta(days=1)


@pytest.fixture
def acme(live_server: LiveServer) -> Account:
    """Eight weeks at 10 USD a day but for 100 on the 10th of March, and a model with a long name since."""
    account = an_account("acme", name="Acme Research")
    a_member(account)
    for number in range(1, 57):
        noon = NOW - number * DAY
        cost = "100" if (noon.month, noon.day) == (3, 10) else "10"
        a_rollup(account, hour=noon, input_tokens=1000, cost=cost)
    a_rollup(
        account,
        hour=MARCH + 10 * DAY,
        model=LONG_NAME,
        team="red",
        endpoint=f"/v1/{LONG_NAME}",
        end_user="ann",
        calls=3,
        cost="5.254321",
    )
    roll_up(account, at=NOW)
    return account


def test_a_month_is_read_from_its_sum_to_what_is_behind_it(page: Page, acme: Account) -> None:
    page.set_viewport_size({"width": NARROW["width"], "height": NARROW["height"]})
    log_in(page)
    page.get_by_role("link", name="Costs", exact=True).click()
    expect(page.get_by_role("link", name="Costs", exact=True)).to_have_attribute("aria-current", "page")

    # Marked in the chart by a shape, and said in words below it.
    expect(page.locator(".chart-mark")).to_have_count(1)
    unusual = page.get_by_role("list", name="Unusual days").get_by_role("listitem")
    expect(unusual).to_contain_text("Tue 10 Mar $100.00")

    page.get_by_role("button", name="What “What drives the change” means").press("Enter")
    expect(page.locator("#about-comparison")).to_be_visible()
    page.keyboard.press("Escape")

    # 13 × 10 + 100 USD after 14 × 10 in as many calls of as many tokens: 90 by their price, 5.25 are new.
    changes = page.get_by_role("region", name="What drives the change")
    expect(changes.get_by_role("row", name="gpt-4o")).to_contain_text("+$90.00")
    whole = changes.get_by_role("row", name="All").get_by_role("cell").first
    expect(whole).to_have_text("+$95.25", use_inner_text=True)
    page.get_by_role("switch", name="Exact amounts").press("Space")
    expect(whole).to_have_text("+$95.254321", use_inner_text=True)

    page.get_by_role("link", name="Patterns").press("Enter")
    expect(page.get_by_role("region", name="Peak hours").get_by_role("img")).to_be_visible()
    expect(page.get_by_role("region", name="By team").get_by_role("row", name="Unallocated")).to_be_visible()
    assert_fits(page)

    page.get_by_role("link", name="February 2026").click()
    expect(page.get_by_role("link", name="Mar 2026")).to_be_visible()
    page.get_by_role("link", name="Breakdown").click()
    expect(page.get_by_text("Cost in February 2026")).to_be_visible()
    assert_fits(page)

    page.get_by_role("link", name="Mar 2026").click()
    page.get_by_role("region", name="By model").get_by_role("link", name=LONG_NAME).click()
    expect(page.get_by_role("heading", name="Usage")).to_be_visible()
    expect(page.get_by_text("1 Mar 2026 – 15 Mar 2026")).to_be_visible()


def assert_fits(page: Page) -> None:
    wide, visible = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= visible
