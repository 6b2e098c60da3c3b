"""The settings, as a person arranges them."""

import json
import urllib.error
import urllib.request
from decimal import Decimal

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.test_dashboard import NARROW, WIDE, log_in
from tests.support.cast import NOW, TESTS, a_member, an_event
from tests.support.recording import prepare, record
from tests.support.subscribing import a_plan, subscribe
from usage import invitations, keys
from usage.events import Tags
from usage.models import Account, APIUsageLog, Role, Scope

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "x" * 60


@pytest.fixture
def acme(live_server: LiveServer) -> Account:
    """An account with an owner named alice, and prices."""
    prepare()
    account = Account.objects.get()
    a_member(account)
    return account


def send(base: str, key: str, event_id: str) -> int:
    """The status that an event of one call is answered with."""
    event = {
        "id": event_id,
        "source": "journey",
        "subject": "acme",
        "data": {
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 100,
        },
    }
    request = urllib.request.Request(  # noqa: S310  # our own server
        f"{base}/api/usage/events",
        data=json.dumps(event).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_a_key_is_created_used_rotated_and_revoked(
    page: Page, context: BrowserContext, live_server: LiveServer, acme: Account
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    log_in(page)
    page.goto("/settings/")
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_text("No key is in use.")).to_be_visible()
    page.get_by_label("Name").fill("web")
    page.get_by_role("button", name="Create key").click()

    expect(page.get_by_role("heading", name="Key created")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    first = page.evaluate("navigator.clipboard.readText()")
    assert send(live_server.url, first, "first") == 200
    assert APIUsageLog.objects.get().account == acme

    page.get_by_role("link", name="I have kept it").click()
    expect(page.get_by_text(first)).to_have_count(0)
    row = page.get_by_role("listitem").filter(has_text=f"{first[:8]}…").first
    expect(row).to_contain_text("last used 15 Mar 2026, 12:00")

    # By keyboard: open what can be done, choose, rotate.
    page.wait_for_load_state()
    row.get_by_text("Change").focus()
    page.keyboard.press("Enter")
    row.get_by_label("This key ends").select_option("at once")
    row.get_by_role("button", name="Rotate").press("Enter")
    expect(page.get_by_role("heading", name="A new key")).to_be_visible()
    second = page.locator("#secret").inner_text()
    assert send(live_server.url, first, "second") == 401
    assert send(live_server.url, second, "second") == 200

    page.get_by_role("link", name="I have kept it").click()
    row = page.get_by_role("listitem").filter(has_text=f"{second[:8]}…").first
    row.get_by_text("Change").click()
    row.get_by_role("button", name="Revoke for good").click()
    expect(page.get_by_text("is revoked: it is refused from now on.")).to_be_visible()
    assert send(live_server.url, second, "third") == 401
    assert APIUsageLog.objects.count() == 2


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_no_page_scrolls_sideways(page: Page, acme: Account, size: dict[str, int]) -> None:
    subscribe(a_plan("team", included_usage=Decimal(25)), account=acme)
    a_member(acme, username=LONG, role=Role.VIEWER)
    keys.create(acme, name="w" * 50, scopes=list(Scope), at=NOW, by=TESTS)
    invitation = invitations.invite(
        acme, email=f"{LONG}@{LONG}.example.com", role="viewer", at=NOW, by=TESTS, by_staff=True
    )
    record(an_event("e1", tags=Tags(team=LONG * 2)))
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    log_in(page)
    paths = ("", "keys/", "budget/", "teams/")
    for path in [*(f"/settings/{each}" for each in paths), f"/join/{invitations.token_for(invitation)}/"]:
        page.goto(path)
        for more in page.locator(".more > summary").all():
            more.click()
        wide, visible = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= visible, path
