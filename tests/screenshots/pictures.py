"""Pictures of pages: of all of a page in each theme and width, or of its upper part for the README."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.support.every_page import Shown, Who, session_of

SCHEMES = ("light", "dark")
WIDTHS = (360, 1024, 1600)
HEIGHT = 900
README_WIDTH = 1280


def of_pages(browser: Browser, url: str, pages: Iterable[Shown], *, into: Path) -> Iterator[Path]:
    """A picture of each page in each theme and width, whole; where each is kept."""
    windows: dict[Who, Page] = {}
    for shown in pages:
        if shown.who not in windows:
            windows[shown.who] = window_of(browser, url, shown.who)
        page = windows[shown.who]
        for scheme in SCHEMES:
            # Before it is opened: the admin looks only then.
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": max(WIDTHS), "height": HEIGHT})
            page.goto(shown.path)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": HEIGHT})
                path = into / f"{shown.name}-{scheme}-{width}.png"
                page.screenshot(path=path, full_page=True, animations="disabled")
                yield path


def for_readme(
    browser: Browser, url: str, pages: Iterable[tuple[Shown, int]], *, into: Path
) -> Iterator[Path]:
    """A picture of the upper part of each page, so many pixels high, in both themes."""
    windows: dict[Who, Page] = {}
    for shown, height in pages:
        if shown.who not in windows:
            windows[shown.who] = window_of(browser, url, shown.who)
        page = windows[shown.who]
        page.set_viewport_size({"width": README_WIDTH, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.goto(shown.path)
            path = into / f"{shown.name}-{scheme}.png"
            page.screenshot(path=path, animations="disabled")
            yield path


def window_of(browser: Browser, url: str, who: Who) -> Page:
    """A window of somebody who has logged in, or of nobody."""
    context = browser.new_context(base_url=url, reduced_motion="reduce")
    if who:
        context.add_cookies([{**session_of(who), "url": url}])
    return context.new_page()
