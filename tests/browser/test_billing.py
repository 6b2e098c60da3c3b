"""Paying, as a person does it: choosing a plan, saving a card at Stripe, reading the invoice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from subscriptions import tasks
from subscriptions.models import StripeEvent
from subscriptions.stripe.simulator.server import Simulator
from tests.browser.test_dashboard import NARROW, WIDE, log_in
from tests.support.cast import NOW, a_member
from tests.support.invoicing import metered, refused, start_invoice, used
from tests.support.paying import a_card
from tests.support.processes import wait_until
from tests.support.recording import prepare
from tests.support.subscribing import a_plan
from usage.models import Account

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

INVOICE = "/billing/invoices/2026-000001/"
PATIENCE_S = 10


@pytest.fixture
def acme(live_server: LiveServer) -> Account:
    """An account with an owner named alice."""
    prepare()
    account = Account.objects.get()
    a_member(account)
    return account


@pytest.fixture
def at_stripe(live_server: LiveServer, tmp_path: Path, settings: Any) -> Iterator[Simulator]:
    """A Stripe that tells the live server what happens there."""
    running = Simulator(
        path=tmp_path / "stripe.sqlite3",
        webhook_url=f"{live_server.url}/api/subscription/webhook",
        webhook_secret=settings.STRIPE_WEBHOOK_SECRET,
    )
    running.start()
    settings.STRIPE_API_BASE = running.url
    yield running
    running.stop()


def test_a_plan_is_chosen_paid_for_and_there_without_a_script(
    context: BrowserContext, acme: Account, at_stripe: Simulator
) -> None:
    a_plan("team", description="For teams.")
    page = context.new_page()
    log_in(page)
    page.get_by_role("link", name="Billing", exact=True).click()
    page.get_by_role("link", name="Choose a plan").click()
    page.get_by_role("link", name="Choose Team").click()
    expect(page.get_by_text("a card you add on the next page")).to_be_visible()
    page.get_by_role("button", name="Continue to payment").click()

    # The page between goes on by itself, and the policy on forms has nothing against it.
    page.wait_for_url(lambda url: url.startswith(at_stripe.url))
    save_a_card(page)
    page.wait_for_url("**/billing/?since=*")
    expect(page.get_by_text("The payment is being processed…")).to_be_visible()

    done = StripeEvent.objects.filter(type="checkout.session.completed")
    assert wait_until(done.exists, seconds=PATIENCE_S)
    tasks.process_stripe_events()
    tasks.push_to_stripe()
    tasks.process_stripe_events()

    expect(page.get_by_text("Active")).to_be_visible()
    expect(page.get_by_role("row", name="2026-000001").get_by_text("Paid")).to_be_visible()
    expect(page.get_by_text("The payment is being processed…")).to_be_hidden()
    expect(page.get_by_text("4242")).to_be_visible()


def test_a_customer_reads_what_was_billed_and_downloads_it(page: Page, acme: Account) -> None:
    start_invoice(metered())
    log_in(page)
    page.get_by_role("link", name="Billing", exact=True).click()
    page.get_by_role("link", name="2026-000001", exact=True).click()
    expect(page.get_by_role("heading", name="Invoice 2026-000001")).to_be_visible()
    expect(page.get_by_role("row", name="Team, monthly").get_by_role("cell").last).to_have_text("$30.00")

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download PDF").click()

    assert downloading.value.suggested_filename == "invoice-2026-000001.pdf"


def test_the_invoice_is_printed_without_what_surrounds_it(page: Page, acme: Account) -> None:
    refused(start_invoice(metered()))
    log_in(page)
    page.goto(INVOICE)
    page.emulate_media(media="print")

    expect(page.get_by_text("Amount due")).to_be_visible()
    for hidden in (".topbar", ".footer", ".banner", ".actions", ".crumb"):
        expect(page.locator(hidden).first).to_be_hidden()


def test_a_definition_opens_beside_its_term(page: Page, acme: Account) -> None:
    start_invoice(metered())
    log_in(page)
    page.goto("/billing/")
    page.get_by_role("button", name="What “Credit” means").click()

    expect(page.locator("#about-credit")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_no_page_scrolls_sideways(page: Page, acme: Account, size: dict[str, int]) -> None:
    a_card(acme)
    used("12.345678", at=NOW, model="organisation/a-model-with-an-unreasonably-long-name-2026-03-15:free")
    refused(start_invoice(metered()))
    plan = a_plan("large", price="50", description="For teams.")
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    log_in(page)
    for path in ("/billing/", INVOICE, "/billing/plans/", f"/billing/plans/{plan.pk}/"):
        page.goto(path)
        wide, visible = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= visible, path


def save_a_card(page: Page) -> None:
    """Fill in the form on the simulator's page."""
    page.locator("#number").fill("4242 4242 4242 4242")
    page.locator("#expiry").fill("12 / 40")
    page.locator("#cvc").fill("123")
    page.locator("#name").fill("Alice")
    page.get_by_role("button", name="Save card").click()
