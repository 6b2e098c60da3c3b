"""A customer pays: a card, an upgrade, a renewal that fails, another card. Stripe is simulated, over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from subscriptions import tasks
from subscriptions.models import BillingHistory, UserSubscription
from subscriptions.stripe.simulator.server import Simulator
from subscriptions.verification import verify
from tests.support.cast import NOW, a_member, an_account
from tests.support.subscribing import a_plan, start
from usage.core.calendar import months_after
from usage.models import Account
from usage.tasks import open_billing_periods

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# The account is eleven days into its month of 31 when it upgrades.
STARTED = NOW - timedelta(days=11)
RENEWED = months_after(STARTED, 1)
PAYS, FAILS_LATER = "4242 4242 4242 4242", "4000 0000 0000 0341"
TASKS = (
    open_billing_periods,
    tasks.renew_subscriptions,
    tasks.invoice_subscription_changes,
    tasks.close_billing_periods,
    tasks.process_stripe_events,
    tasks.push_to_stripe,
)
PATIENCE_MS = 30_000


@pytest.fixture
def acme(live_server: LiveServer) -> Account:
    """On a free plan for eleven days, with an owner named alice; Pro costs 31 USD."""
    account = an_account("acme", name="Acme Research")
    a_member(account)
    start(a_plan("free", price="0"), account=account, at=STARTED)
    a_plan("pro", price="31", description="For teams.")
    return account


@pytest.fixture
def stripe(live_server: LiveServer, tmp_path: Path, settings: Any) -> Iterator[Simulator]:
    """The simulator, telling the live server of everything."""
    running = Simulator(
        path=tmp_path / "stripe.sqlite3",
        webhook_url=f"{live_server.url}/api/subscription/webhook",
        webhook_secret=settings.STRIPE_WEBHOOK_SECRET,
        retry_delay_s=0.2,
    )
    running.start()
    settings.STRIPE_API_BASE = running.url
    yield running
    running.stop()


@pytest.fixture
def clock(acme: Account, stripe: Simulator) -> Iterator[None]:
    """The scheduled tasks, again and again as by beat and by kicks, on a thread of their own."""
    over, failures = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            while not over.wait(0.2):
                for task in TASKS:
                    task()
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    over.set()
    thread.join()
    assert failures == []


@pytest.fixture
def customer(browser: Browser, live_server: LiveServer, stripe: Simulator) -> Iterator[Page]:
    """A page that goes to us and to the simulator only, and must stay silent."""
    context = browser.new_context(base_url=live_server.url)
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page, complaints, asked = context.new_page(), list[str](), list[str]()
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith((live_server.url, stripe.url))] == []


def log_in(page: Page) -> None:
    page.goto("/login/?next=/billing/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill("correct horse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Billing", exact=True)).to_be_visible()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def save_card(page: Page, stripe: Simulator, number: str) -> None:
    """On the page of Stripe's, which then leads back."""
    page.wait_for_url(lambda url: url.startswith(stripe.url))
    expect(page.get_by_text("no real money moves")).to_be_visible()
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expiry").fill("12 / 40")
    page.get_by_label("Security code").fill("123")
    page.get_by_label("Name on the card").fill("Alice Example")
    press(page, "Save card")
    page.wait_for_url(lambda url: not url.startswith(stripe.url))


def test_a_customer_pays_upgrades_fails_to_pay_and_pays_again(
    customer: Page, acme: Account, stripe: Simulator, clock: None, tmp_path: Path
) -> None:
    page = customer
    log_in(page)
    press(page, "Add a card")
    save_card(page, stripe, PAYS)
    card_is(page, "4242")

    upgrade(page)
    download_the_invoice(page, tmp_path)

    press(page, "Replace card")
    save_card(page, stripe, FAILS_LATER)
    card_is(page, "0341")
    with later(RENEWED + timedelta(minutes=11)):
        # Meanwhile the session has expired.
        log_in_again(page)
        renewal_fails(page)
        press(page, "Update card")
        save_card(page, stripe, PAYS)
        renewal_is_paid(page)
    everything_agrees(acme)


def card_is(page: Page, last4: str) -> None:
    """The card on the billing page, once the webhook has told of it."""
    expect(page.get_by_role("region", name="Payment")).to_contain_text(f"ending in {last4}")


def upgrade(page: Page) -> None:
    page.get_by_role("link", name="Change plan").click()
    page.get_by_role("link", name="Choose Pro").click()
    # A dollar for each of the 20 days that are left.
    expect(page.get_by_text("Remaining time on Pro, monthly")).to_be_visible()
    expect(page.get_by_text("$20.00").first).to_be_visible()
    press(page, "Confirm and pay $20.00")
    expect(page.get_by_text("being processed")).to_have_count(0)
    invoice = page.get_by_role("row", name="2026-000001")
    expect(invoice).to_contain_text("Paid")
    expect(page.get_by_role("region", name="Subscription")).to_contain_text("Pro monthly")


def download_the_invoice(page: Page, folder: Path) -> None:
    page.get_by_role("link", name="2026-000001", exact=True).click()
    expect(page.get_by_role("heading", name="Invoice 2026-000001")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download PDF").click()
    download.value.save_as(folder / "invoice.pdf")
    assert (folder / "invoice.pdf").read_bytes().startswith(b"%PDF")
    page.goto("/billing/")


@contextmanager
def later(at: datetime) -> Iterator[None]:
    """The clock of this process, and so of the live server, the simulator and the tasks, moved on."""
    with time_machine.travel(at):
        yield


def log_in_again(page: Page) -> None:
    page.goto("/billing/")
    expect(page.get_by_label("Username")).to_be_visible()
    log_in(page)


def renewal_fails(page: Page) -> None:
    alert = page.get_by_role("alert")
    for _ in range(60):
        if alert.count():
            break
        page.wait_for_timeout(500)
        page.goto("/billing/")
    expect(alert).to_contain_text("$31.00 could not be paid")
    expect(alert).to_contain_text("Your calls still work.")
    expect(page.get_by_text("Past due").first).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("alert")).to_contain_text("could not be paid")


def renewal_is_paid(page: Page) -> None:
    expect(page.get_by_text("being processed")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_text("Active", exact=True).first).to_be_visible()
    expect(page.get_by_role("row", name="2026-000002")).to_contain_text("Paid")


def everything_agrees(account: Account) -> None:
    assert UserSubscription.objects.get(account=account).state == "active"
    invoices = BillingHistory.objects.select_related("account", "billing_period").order_by("id")
    assert [(each.state, str(each.amount_paid)) for each in invoices] == [
        ("paid", "20.00"),
        ("paid", "31.00"),
    ]
    assert [str(finding) for each in invoices for finding in verify(each)] == []
    assert timezone.now() < RENEWED
