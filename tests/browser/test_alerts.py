"""Alerts, as a person reads and arranges them."""

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from alerts import delivery, destinations
from alerts.models import AlertChannel, ConfirmationMail, DeliveryState, UsageAlert
from tests.browser.test_dashboard import NARROW, WIDE, log_in
from tests.support.alerting import a_delivery, an_alert
from tests.support.cast import NOW, a_member, an_account
from tests.support.channel_kinds import a_pigeon
from tests.support.email_channels import an_email_channel
from usage.models import Account

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pigeons"),
]

LONG = "loft:https://hooks.example.com/an-address-that-goes-on-and-on-without-ever-taking-a-break/" + "x" * 60


@pytest.fixture
def acme(live_server: LiveServer) -> Account:
    """An account with an owner named alice."""
    account = an_account("acme", name="Acme Research")
    a_member(account)
    return account


def test_a_channel_is_added_tested_and_its_delivery_seen(
    page: Page, context: BrowserContext, acme: Account
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    log_in(page)
    page.get_by_role("link", name="Alerts", exact=True).click()
    page.get_by_role("navigation", name="Alerts", exact=True).get_by_role("link", name="Settings").click()
    page.get_by_label("Kind").select_option("Pigeon")
    page.get_by_label("Address").fill("loft:south")
    page.get_by_role("button", name="Add", exact=True).click()

    expect(page.get_by_role("heading", name="Pigeon added")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    secret = page.evaluate("navigator.clipboard.readText()")
    channel = AlertChannel.objects.get(kind="pigeon")
    assert destinations.destination_of(channel, "", at=NOW).secrets == (secret,)

    page.get_by_role("button", name="Send a test").click()
    row = page.get_by_role("row", name="This is a test")
    expect(row).to_contain_text("Waiting")
    delivery.deliver_due(clock=timezone.now, limit=10)
    # The page comes again by itself.
    expect(row).to_contain_text("Sent")
    expect(row).to_contain_text("loft:south")
    expect(row).to_contain_text("200")


def test_an_alert_is_read_by_keyboard_alone(page: Page, acme: Account) -> None:
    an_alert(acme, "older")
    an_alert(acme, "newer")
    log_in(page)
    tab = page.get_by_role("link", name="Alerts 2 unread")
    tab.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Alerts", exact=True)).to_be_visible()
    # What a page that is still loading is told by the keyboard may be lost.
    page.wait_for_load_state()
    focused = page.locator(":focus")
    for _ in range(25):
        page.keyboard.press("Tab")
        if focused.inner_text().startswith("Mark as read"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Alerts 1 unread")).to_be_visible()
    page.wait_for_load_state()
    assert UsageAlert.objects.get(read_at__isnull=False).title == "newer"

    page.get_by_role("button", name="Mark all as read").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Alerts", exact=True)).to_be_visible()
    expect(page.get_by_text("It is marked as read.")).to_be_visible()


def test_what_goes_where_is_chosen_by_keyboard(page: Page, acme: Account) -> None:
    log_in(page)
    page.goto("/alerts/settings/")
    box = page.get_by_role("checkbox", name="Pigeon: Invoices")
    expect(box).to_be_checked()
    box.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_text("What goes where is saved.")).to_be_visible()
    expect(box).not_to_be_checked()
    expect(page.get_by_role("checkbox", name="Inbox: Invoices")).to_be_checked()


def test_ones_own_emails_are_chosen_by_keyboard(page: Page, acme: Account) -> None:
    log_in(page)
    page.goto("/alerts/settings/")
    box = page.get_by_role("region", name="Your own emails").get_by_role("checkbox", name="Invoices")
    expect(box).to_be_checked()
    box.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your emails are saved.")).to_be_visible()
    expect(box).not_to_be_checked()
    expect(page.get_by_role("checkbox", name="Email: Invoices")).to_be_checked()


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_no_page_scrolls_sideways(page: Page, acme: Account, size: dict[str, int]) -> None:
    loft = a_pigeon(acme, LONG)
    facts = {"used": "9" * 40, "amount": "9" * 40, "percent": "80 %", "model": LONG}
    alert = an_alert(acme, "W" * 200, message=LONG, payload={"facts": facts}, provider="p" * 64)
    a_delivery(alert, loft, state=DeliveryState.PARKED, error="E" * 500, recipient="r" * 254)
    address = an_email_channel(acme, email=f"{'o' * 60}@{'e' * 60}.example.com", state="unconfirmed")
    ConfirmationMail.objects.create(
        account=acme, channel=address, address_hash="x", asked_at=NOW, asked_by="alice", error="E" * 500
    )
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    log_in(page)
    for path in ("/alerts/", "/alerts/settings/", "/alerts/deliveries/"):
        page.goto(path)
        for more in page.locator(".more > summary").all():
            more.click()
        wide, visible = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= visible, path
