"""Content-Security-Policy: the header by area, and that real pages live with it in a real browser."""

from http.cookies import SimpleCookie

import pytest
from django.conf import settings as project_settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.support.cast import NOW, a_user, an_account
from tests.support.credentials import a_key
from usage.models import APIProviderPricing, HeldPrice, PriceSource


def directives(client: Client, address: str) -> dict[str, str]:
    header = client.get(address)["Content-Security-Policy"]
    return dict(directive.strip().split(" ", 1) for directive in header.split(";"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "scripts", "styles"),
    [
        ("/login/", "'self'", "'self'"),
        ("/api/nowhere", "'self'", "'self'"),
        ("/administrators", "'self'", "'self'"),
        ("/admin/login/", "'self' 'unsafe-eval'", "'self' 'unsafe-inline'"),
        ("/docs", "'self'", "'self' 'unsafe-inline'"),
    ],
)
def test_only_third_party_pages_are_let_off(client: Client, address: str, scripts: str, styles: str) -> None:
    policy = directives(client, address)
    assert (policy["script-src"], policy["style-src"]) == (scripts, styles)
    assert (policy["object-src"], policy["frame-ancestors"]) == ("'none'", "'none'")


def a_staff_session() -> SimpleCookie:
    client = Client()
    client.force_login(a_user("sam", is_staff=True, is_superuser=True))
    return client.cookies


def complaints(page: Page, address: str) -> list[str]:
    """What the browser's console holds against `address`: refused content and scripts that failed."""
    seen: list[str] = []

    def remember(message: ConsoleMessage) -> None:
        if message.type == "error":
            seen.append(message.text)

    page.on("console", remember)
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.goto(address, wait_until="networkidle")
    return seen


def browse(context: BrowserContext, addresses: list[str]) -> dict[str, list[str]]:
    """The complaints of every address that has any."""
    found = {address: complaints(context.new_page(), address) for address in addresses}
    return {address: seen for address, seen in found.items() if seen}


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_admin_and_the_api_documentation_work_under_their_policy(
    live_server: LiveServer, chromium: str
) -> None:
    price = {
        "provider": "openai",
        "model_name": "o3",
        "effective_from": NOW,
        "cost_per_image": 1,
        "source": PriceSource.STAFF,
    }
    APIProviderPricing.objects.create(**price)
    held = HeldPrice.objects.create(**price)
    account = an_account()
    key = a_key(account).key
    session = a_staff_session()[project_settings.SESSION_COOKIE_NAME].value
    addresses = [
        "/admin/",
        "/admin/usage/account/",
        "/admin/usage/account/add/",
        reverse("admin:usage_account_change", args=[account.pk]),
        "/admin/usage/apiusagelog/",
        f"/admin/usage/apiusagelog/?account={account.pk}",
        "/admin/usage/apikey/add/",
        reverse("admin:usage_apikey_change", args=[key.pk]),
        "/admin/usage/apiproviderpricing/",
        "/admin/usage/apiproviderpricing/add/",
        "/admin/usage/apiproviderpricing/model/?provider=openai&model_name=o3",
        f"/admin/usage/heldprice/{held.pk}/change/",
        "/docs",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies(
            [{"name": project_settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
        )
        found = browse(context, [live_server.url + address for address in addresses])
        browser.close()
    assert found == {}
