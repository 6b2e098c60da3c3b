"""A real browser against a live server. Whatever the browser complains about fails the test."""

from collections.abc import Iterator

import pytest
import time_machine
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.support.cast import NOW
from tests.support.chromium_program import LAUNCH_ARGUMENTS

TIMEOUT_MS = 10_000


@pytest.fixture(scope="package")
def browser(chromium: str, django_db_setup: None) -> Iterator[Browser]:
    """One browser for this folder, gone before other tests run: its event loop would be in their way."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's event loop in this thread has nothing to do with the ORM calls of a test.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=chromium, args=LAUNCH_ARGUMENTS)
        yield browser
        browser.close()
        # Django gives whoever has an event loop a connection of its own, which would keep the database busy.
        connections.close_all()


@pytest.fixture(autouse=True)
def march_2026() -> Iterator[None]:
    """The live server lives in this process, and so in this time."""
    with time_machine.travel(NOW):
        yield


@pytest.fixture
def context(browser: Browser, live_server: LiveServer) -> Iterator[BrowserContext]:
    expect.set_options(timeout=TIMEOUT_MS)
    context = browser.new_context(base_url=live_server.url, color_scheme="light")
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, live_server: LiveServer) -> Iterator[Page]:
    """A page that must stay silent: no script error, no policy violation, no error, no outside request."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    yield page
    assert complaints == []
    assert [url for url in requests if not url.startswith(live_server.url)] == []
