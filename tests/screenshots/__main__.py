"""`make screenshots`: every page, light and dark, in three widths, into var/screenshots."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import time_machine
from django.test.utils import modify_settings
from playwright.sync_api import Browser, sync_playwright
from pytest_django.live_server_helper import LiveServer
from rich.console import Console

from alwrity_billing.demo.traffic import DAYS
from tests.screenshots.pictures import for_readme, of_pages
from tests.support import chromium_program
from tests.support.every_page import ADMIN_HOME, EVERY_PAGE, furnish
from tests.support.processes import PROJECT
from tests.support.servers import own_server
from usage import partitions

# A Wednesday afternoon. The same moment gives the same pictures.
AT = datetime(2026, 9, 16, 15, 20, tzinfo=UTC)
PICTURES = PROJECT / "var" / "screenshots"
# The pictures of the README: so many pixels high, and no heavier than this.
OF_README = {"overview": 940, "usage": 900, "costs": 900}
README_PICTURES = PROJECT / "docs" / "images"
MOST_BYTES = 150_000

NO_BROWSER = f"""No browser was found. Install Chromium (Debian: apt install chromium; macOS: Google Chrome),
so that one of these can be started: {", ".join(chromium_program.NAMES)}."""


def main() -> int:
    """Take the pictures; 1 when they cannot be taken, or one of the README's is too heavy."""
    options = parser().parse_args()
    console = Console(soft_wrap=True, highlight=False)
    program = chromium_program.find()
    if program is None:
        console.print(NO_BROWSER)
        return 1
    console.print(f"Making the demo, with the calls of {options.days} days …")
    heavy = 0
    with demo_in_a_browser(program, days=options.days) as (browser, url):
        for path in taken(browser, url, readme=options.readme, only=options.only):
            size = path.stat().st_size
            is_heavy = options.readme and size > MOST_BYTES
            heavy += is_heavy
            told = f"{path.relative_to(PROJECT)}  {size // 1_000} kB{', too heavy' if is_heavy else ''}"
            console.print(told)
    return 1 if heavy else 0


def taken(browser: Browser, url: str, *, readme: bool, only: str) -> Iterator[Path]:
    """Take the pictures that were asked for, of pages with `only` in their name."""
    pages = [page for page in (*EVERY_PAGE, ADMIN_HOME) if only in page.name]
    if readme:
        shown = [(page, OF_README[page.name]) for page in pages if page.name in OF_README]
        return for_readme(browser, url, shown, into=README_PICTURES)
    return of_pages(browser, url, pages, into=PICTURES)


@contextmanager
def demo_in_a_browser(program: str, *, days: int) -> Iterator[tuple[Browser, str]]:
    """A browser, and the address of the demo as it is at AT, on a database of its own."""
    with (
        TemporaryDirectory(prefix="screenshots-", ignore_cleanup_errors=True) as folder,
        own_server(Path(folder).resolve(), database="screenshots"),
        time_machine.travel(AT),
        sync_playwright() as playwright,
        modify_settings(ALLOWED_HOSTS={"append": "localhost"}),
    ):
        partitions.ensure_ahead(at=AT, months=1)
        furnish(Path(folder), at=AT, days=days)
        browser = playwright.chromium.launch(executable_path=program, args=chromium_program.LAUNCH_ARGUMENTS)
        server = LiveServer("localhost")
        try:
            yield browser, server.url
        finally:
            browser.close()
            server.stop()


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="make screenshots ARGS=…", description=__doc__)
    options.add_argument("--readme", action="store_true", help="those of the README, into docs/images")
    options.add_argument("--only", default="", metavar="WORD", help="of pages with this in their name")
    options.add_argument("--days", type=int, default=DAYS, help="how many days of calls the demo has")
    return options


if __name__ == "__main__":
    sys.exit(main())
