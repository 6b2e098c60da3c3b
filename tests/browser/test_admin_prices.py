"""A staff member looks at a draft price before adding it."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.support.cast import a_user, an_account
from tests.support.usage_rows import MARCH, a_log_row, a_period, a_price

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FEBRUARY = MARCH.replace(month=2)


# Runs after the page's own listeners, while the answer is waited for.
NOTE_WHAT_THE_BUTTON_SAYS = """
addEventListener("submit", ({ submitter }) => setTimeout(() => {
  sessionStorage.said = `${submitter.textContent} disabled: ${submitter.disabled}`;
}));
"""


def fill_in_a_draft(page: Page) -> None:
    page.goto("/admin/login/?next=/admin/usage/apiproviderpricing/add/?provider=openai%26model_name=gpt-4o")
    page.get_by_label("Username").fill("sam")
    page.get_by_label("Password").fill("correct horse")
    page.keyboard.press("Enter")
    page.locator("[name=effective_from_0]").fill("2026-04-01")
    page.locator("[name=effective_from_1]").fill("00:00:00")
    page.locator("[name=cost_per_input_token]").fill("0.000005")
    page.locator("[name=cost_per_output_token]").fill("0.00002")


def test_the_preview_button_says_that_it_counts_and_the_form_keeps_the_draft(
    page: Page, live_server: LiveServer
) -> None:
    a_user("sam", is_staff=True, is_superuser=True)
    period = a_period(an_account(), start=FEBRUARY, end=MARCH)
    a_log_row(period, at=FEBRUARY, price_id=a_price().pk)
    fill_in_a_draft(page)
    page.evaluate(NOTE_WHAT_THE_BUTTON_SAYS)

    page.locator("[name=_preview]").click()

    expect(page.get_by_role("heading", name="February 2026 at this price")).to_be_visible()
    expect(page.get_by_text("+0.0035", exact=True)).to_be_visible()
    expect(page.locator("[name=cost_per_input_token]")).to_have_value("0.000005")
    assert page.evaluate("sessionStorage.said") == "Counting… disabled: true"
