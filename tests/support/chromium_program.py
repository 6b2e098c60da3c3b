"""The browser that is installed, and how it is started."""

import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ON_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
# No sandbox: containers run tests as root. The rest keeps the browser from talking to anyone but us.
LAUNCH_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> str | None:
    """The path of a Chromium or Chrome, if there is one."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    return str(ON_MACOS) if ON_MACOS.exists() else None
