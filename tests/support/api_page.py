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
CONTINUED = "\\\n"
OMITTED = "…"


def shown(address: str) -> tuple[str, Any]:
    """The one command for `address`, and the answer the page shows to it."""
    [(command, answer)] = [found for found in SHOWN.findall(PAGE.read_text("utf-8")) if address in found[0]]
    return command, json.loads(answer)


def run(command: str, **variables: str) -> Any:
    """What the API answers to a `curl` of the page, its shell variables filled in."""
    for name, value in {"BASE": "", **variables}.items():
        command = command.replace(f"${name}", value)
    _, address, *options = shlex.split(command.replace(CONTINUED, ""))
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in given if option == "-H")
    body = [value for option, value in given if option == "-d"]
    client = Client(headers=headers)
    if not body:
        return client.get(address).json()
    return client.generic("POST", address, body[0], content_type=headers["Content-Type"]).json()


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
