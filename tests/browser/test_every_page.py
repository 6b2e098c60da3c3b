"""What holds of every page: axe-core finds nothing, nothing moves while it loads, it fits, it is light."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import time_machine
from axe_playwright_python.sync_playwright import Axe
from django.test.utils import modify_settings
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from tests.support.cast import NOW
from tests.support.emptying import empty_tables
from tests.support.every_page import EVERY_PAGE, Shown, Who, furnish, session_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

DAYS_OF_CALLS = 4
MOST_BYTES = 150 * 1024
NARROW, USUAL, WIDE = ({"width": width, "height": 900} for width in (360, 1280, 1600))
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = Axe()
WEIGHTS: dict[str, int] = {}

# Sums up how far things moved without anybody having touched them (cumulative layout shift).
NOTE_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
UNFOLD = "document.querySelectorAll('details').forEach((each) => (each.open = true))"
ASSETS = """
performance.getEntriesByType("resource").map((each) => each.name).filter((url) => url.includes("/static/"))
"""
TOO_WIDE = "document.documentElement.scrollWidth - innerWidth"


@dataclass
class Seen:
    """What a look at a page found."""

    status: int = 0
    violations: list[str] = field(default_factory=list)
    shifted: float = 0
    too_wide_px: dict[int, int] = field(default_factory=dict)
    bytes: int = 0
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def server(browser: Browser, django_db_blocker: Any) -> Iterator[LiveServer]:
    """The demo and a newcomer, served to all tests of this file."""
    with (
        django_db_blocker.unblock(),
        time_machine.travel(NOW),
        TemporaryDirectory(prefix="pages-") as folder,
        modify_settings(ALLOWED_HOSTS={"append": "localhost"}),
    ):
        running = None
        try:
            furnish(Path(folder), at=NOW, days=DAYS_OF_CALLS)
            running = LiveServer("localhost")
            yield running
        finally:
            if running:
                running.stop()
            empty_tables(None)


class Window:
    """A browser window of somebody who is logged in, or of nobody."""

    def __init__(self, browser: Browser, server: LiveServer, who: Who) -> None:
        context = browser.new_context(base_url=server.url)
        if who:
            context.add_cookies([{**session_of(who), "url": server.url}])
        context.add_init_script(NOTE_SHIFTS)
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url, server.url))

    def _note(self, url: str, ours: str) -> None:
        if not url.startswith(ours):
            self.complaints.append(f"asked for {url}")

    def look_at(self, shown: Shown) -> Seen:
        """On light, as usual; then on dark, narrow; then wide."""
        page, seen = self.page, Seen()
        self.complaints.clear()
        for size, scheme in ((USUAL, "light"), (NARROW, "dark")):
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            answer = page.goto(shown.path)
            assert answer
            page.evaluate(TWO_FRAMES)
            seen.shifted += page.evaluate("shifted")
            page.evaluate(UNFOLD)
            seen.too_wide_px[size["width"]] = page.evaluate(TOO_WIDE)
            seen.violations += [f"{scheme}: {found}" for found in violations(page)]
            seen.status, seen.bytes = answer.status, compressed(answer.body()) + bytes_of_assets(page)
        page.set_viewport_size(WIDE)
        seen.too_wide_px[WIDE["width"]] = page.evaluate(TOO_WIDE)
        seen.complaints = list(self.complaints)
        return seen


@pytest.fixture(scope="module")
def windows(browser: Browser, server: LiveServer) -> Iterator[dict[Who, Window]]:
    windows = {who: Window(browser, server, who) for who in Who}
    yield windows
    for window in windows.values():
        window.page.context.close()


@pytest.fixture(scope="module")
def look(windows: dict[Who, Window]) -> Callable[[Shown], Seen]:
    """Looks at a page: once, however many tests ask."""
    known: dict[str, Seen] = {}

    def look(shown: Shown) -> Seen:
        if shown.name not in known:
            known[shown.name] = windows[shown.who].look_at(shown)
        return known[shown.name]

    return look


def compressed(body: bytes) -> int:
    return len(gzip.compress(body))


def bytes_of_assets(page: Page) -> int:
    """What sheets, scripts and pictures of the page weigh where nothing of it is in the browser yet."""
    assets = page.evaluate(ASSETS)
    for url in assets:
        if url not in WEIGHTS:
            WEIGHTS[url] = compressed(page.request.get(url).body())
    return sum(WEIGHTS[url] for url in assets)


def violations(page: Page) -> list[str]:
    found = AXE.run(page, options={"runOnly": RULES, "resultTypes": ["violations"]})
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node['failureSummary']}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


EACH = pytest.mark.parametrize("shown", EVERY_PAGE, ids=lambda shown: shown.name)


@EACH
def test_the_page_answers_and_the_browser_has_no_complaint(
    look: Callable[[Shown], Seen], shown: Shown
) -> None:
    seen = look(shown)
    assert seen.status == shown.status
    of_its_own = "Failed to load resource: the server responded with a status of"
    assert [
        line for line in seen.complaints if not (shown.status != 200 and line.startswith(of_its_own))
    ] == []


@EACH
def test_axe_finds_nothing(look: Callable[[Shown], Seen], shown: Shown) -> None:
    assert look(shown).violations == []


@EACH
def test_nothing_moves_while_it_loads(look: Callable[[Shown], Seen], shown: Shown) -> None:
    assert look(shown).shifted == 0


@EACH
def test_it_never_scrolls_sideways(look: Callable[[Shown], Seen], shown: Shown) -> None:
    assert look(shown).too_wide_px == {360: 0, 1280: 0, 1600: 0}


@EACH
def test_a_first_visit_is_light(look: Callable[[Shown], Seen], shown: Shown) -> None:
    assert 0 < look(shown).bytes < MOST_BYTES


def test_what_moves_is_noticed(windows: dict[Who, Window]) -> None:
    page = windows[Who.NOBODY].page
    page.goto("/login/")
    page.evaluate(TWO_FRAMES)
    page.evaluate("document.body.prepend(Object.assign(document.createElement('h1'), {textContent: 'Late'}))")
    page.evaluate(TWO_FRAMES)
    assert page.evaluate("shifted") > 0


def test_what_axe_is_against_is_found(windows: dict[Who, Window]) -> None:
    page = windows[Who.NOBODY].page
    page.goto("/login/")
    page.evaluate("document.querySelector('main').append(document.createElement('input'))")
    assert [found.split()[0] for found in violations(page)] == ["label"]
