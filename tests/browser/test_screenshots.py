"""`make screenshots`: a picture of each page in each theme and width."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from tests.screenshots.pictures import for_readme, of_pages
from tests.support import chromium_program
from tests.support.every_page import Shown, Who
from tests.support.processes import PROJECT

TIMEOUT_S = 60
LOGIN = Shown(name="login", url="login", who=Who.NOBODY)
# It looks at the theme when it is opened, and never again.
ADMIN_LOGIN = Shown(name="admin-login", url="admin:login", who=Who.NOBODY)


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height, as a PNG tells them."""
    content = picture.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("shown", [LOGIN, ADMIN_LOGIN], ids=lambda shown: shown.name)
def test_a_page_is_taken_whole_in_each_theme_and_width(
    browser: Browser, live_server: LiveServer, tmp_path: Path, shown: Shown
) -> None:
    taken = list(of_pages(browser, live_server.url, [shown], into=tmp_path))

    assert {path.name: size_of(path)[0] for path in taken} == {
        f"{shown.name}-{scheme}-{width}.png": width
        for scheme in ("light", "dark")
        for width in (360, 1024, 1600)
    }
    assert len({path.read_bytes() for path in taken}) == 6


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_for_the_readme_it_is_cut_to_a_height(
    browser: Browser, live_server: LiveServer, tmp_path: Path
) -> None:
    taken = list(for_readme(browser, live_server.url, [(LOGIN, 700)], into=tmp_path))

    assert {path.name: size_of(path) for path in taken} == {
        "login-light.png": (1280, 700),
        "login-dark.png": (1280, 700),
    }


@pytest.mark.skipif(chromium_program.ON_MACOS.exists(), reason="needs a machine without Chrome")
def test_where_no_browser_is_installed_it_says_what_to_install(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.screenshots"],
        cwd=PROJECT,
        env={**os.environ, "PATH": str(tmp_path), "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert run.returncode == 1, run.stderr
    assert "Install Chromium" in run.stdout
