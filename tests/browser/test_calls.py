"""Following a call: from the log to its story, to the invoice that bills it, and into a file."""

from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.test_dashboard import NARROW, log_in
from tests.support.authorizing import a_limit, an_operation, ask, limit, settle
from tests.support.cast import NOW, a_member, an_event
from tests.support.csv_files import rows_of, total
from tests.support.invoicing import metered, period_invoice
from tests.support.recording import prepare, record
from usage.events import Tags
from usage.models import Account

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def acme(live_server: LiveServer) -> Account:
    """Alice's account: an authorized call and two others, billed; one of them failed."""
    prepare()
    account = Account.objects.get()
    a_member(account)
    metered()
    limit(a_limit("50", "cost", name="monthly_cost"))
    settle(ask(an_operation(max_output_tokens=400), key="k1"))
    tags = Tags(team="research")
    record(an_event("chat", tags=tags, output_tokens=300))
    failed = {"status_code": 429, "error_message": "Rate limit reached", "endpoint": "/v1/" + "x" * 120}
    record(an_event("failed", tags=tags, **failed))
    return account


def test_a_call_is_found_understood_followed_and_downloaded(
    page: Page, acme: Account, tmp_path: Path
) -> None:
    invoice = period_invoice(acme)
    log_in(page)
    page.get_by_role("link", name="Usage", exact=True).click()
    page.get_by_role("navigation", name="Usage").get_by_role("link", name="Calls").click()
    expect(page.get_by_role("row")).to_have_count(4)

    page.get_by_text("More filters").click()
    page.get_by_label("Team").fill("research")
    page.get_by_label("Status").select_option("Succeeded")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("row")).to_have_count(2)
    # 1000 × 2.50 and 300 × 10 USD per million.
    expect(page.get_by_text("1 call, $0.0055 together")).to_be_visible()
    expect(page.get_by_label("Team")).to_have_value("research")

    with page.expect_download() as started:
        page.get_by_role("link", name="Download CSV").click()
    file = tmp_path / "calls.csv"
    started.value.save_as(file)
    assert started.value.suggested_filename == "acme-calls-2026-02-13-2026-03-15.csv"
    assert total(rows_of([file.read_bytes()]), "cost") == Decimal("0.0055")

    page.get_by_role("row").get_by_role("link", name="gpt-4o").click()
    expect(page.get_by_role("row", name="Output tokens").get_by_role("cell")).to_have_text(
        ["300", "× 0.00001 per token", "$0.003"]
    )
    page.get_by_role("link", name=f"Invoice {invoice.number}").click()
    expect(page.get_by_role("heading", name=f"Invoice {invoice.number}")).to_be_visible()
    expect(page.get_by_text("gpt-4o (OpenAI): 3 calls")).to_be_visible()


def test_a_mistake_in_a_filter_is_said_beside_it(page: Page, acme: Account) -> None:
    log_in(page)
    page.goto("/usage/calls/?from=2020-01-01")
    expect(page.get_by_text("Choose at most 366 days.")).to_be_visible()
    expect(page.get_by_label("From")).to_have_attribute("aria-invalid", "true")


def test_the_usage_page_gives_its_numbers_to_tools_of_finance(
    page: Page, acme: Account, tmp_path: Path
) -> None:
    log_in(page)
    page.goto("/usage/?team=research")
    # 1000 × 2.50 and 300 × 10, and 1000 × 2.50 and 100 × 10 USD per million.
    page.get_by_role("switch", name="Exact amounts").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("$0.009").first).to_be_visible()

    for link, column in (("CSV", "cost"), ("FOCUS", "BilledCost")):
        with page.expect_download() as started:
            page.get_by_role("link", name=link, exact=True).click()
        file = tmp_path / f"{link}.csv"
        started.value.save_as(file)
        assert total(rows_of([file.read_bytes()]), column) == Decimal("0.009")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_a_narrow_screen(
    browser: Browser, live_server: LiveServer, acme: Account, theme: str
) -> None:
    record(an_event("long", model="gpt-4o", request_type="r" * 64, at=NOW, end_user="u" * 128))
    context = browser.new_context(base_url=live_server.url, viewport=NARROW, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    log_in(page)
    page.goto("/usage/calls/?endpoint=&team=" + "t" * 100)
    page.goto("/usage/calls/")
    stories = [link.get_attribute("href") for link in page.get_by_role("row").get_by_role("link").all()]
    for address in ["/usage/calls/?team=nobody", "/usage/calls/?from=x", "/usage/calls/", *stories]:
        page.goto(str(address))
        widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1], address
    context.close()
