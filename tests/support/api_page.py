"""docs/api.md as something to run: its commands, and the answers it shows to them."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.test import Client

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
# A command, and the answer that is shown right below it.
SHOWN = re.compile(r"```sh\n(curl .*?)```\n(?:```json\n(.*?)```)?", re.DOTALL)
SHOWN_FILE = re.compile(r"```sh\n(curl [^`]*)```\n```csv\n([^`]*)```")
CONTINUED = "\\\n"
OMITTED = "…"


def shown(address: str) -> tuple[str, Any]:
    """The one command for `address`, and the answer the page shows to it."""
    [(command, answer)] = [found for found in SHOWN.findall(PAGE.read_text("utf-8")) if address in found[0]]
    return command, json.loads(answer)


def shown_file(address: str) -> tuple[str, list[str]]:
    """The one command for `address`, and the lines of the file that the page shows to it."""
    [(command, lines)] = [
        found for found in SHOWN_FILE.findall(PAGE.read_text("utf-8")) if address in found[0]
    ]
    return command, lines.splitlines()


def run(command: str, **variables: str) -> Any:
    """What the API answers to a `curl` of the page, its shell variables filled in."""
    return _answer(command, variables).json()


def download(command: str, **variables: str) -> list[str]:
    """The lines of the file that the API answers with, likewise."""
    return b"".join(_answer(command, variables)).decode().splitlines()


def _answer(command: str, variables: Mapping[str, str]) -> Any:
    for name, value in {"BASE": "", **variables}.items():
        command = command.replace(f"${name}", value)
    _, address, *options = shlex.split(command.replace(CONTINUED, ""))
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in given if option == "-H")
    body = [value for option, value in given if option == "-d"]
    client = Client(headers=headers)
    if not body:
        return client.get(address)
    return client.generic("POST", address, body[0], content_type=headers["Content-Type"])


def assert_as_shown(answer: Any, expected: Any) -> None:
    """Equal, but for what the page leaves out with an ellipsis: a value, or the rest of a list or object."""
    if isinstance(expected, str) and OMITTED in expected:
        return
    if isinstance(expected, Mapping):
        named = expected.keys() - {OMITTED}
        assert answer.keys() >= named if OMITTED in expected else answer.keys() == named
        for name in named:
            assert_as_shown(answer[name], expected[name])
    elif isinstance(expected, list):
        members = [member for member in expected if member != OMITTED]
        assert len(answer) == len(members) or (OMITTED in expected and len(answer) > len(members))
        for one, member in zip(answer, members, strict=False):
            assert_as_shown(one, member)
    else:
        assert answer == expected
