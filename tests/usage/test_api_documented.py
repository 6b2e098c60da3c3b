"""The commands of docs/api.md do what the page says they do."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client

from tests.support.authorizing import a_limit, counters, limit
from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.prices import load_every_price
from usage.models import Account, Scope

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
# A command, and the answer that is shown right below it.
SHOWN = re.compile(r"```sh\n(curl .*?)```\n(?:```json\n(.*?)```)?", re.DOTALL)
CONTINUED = "\\\n"
OMITTED = "…"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        an_account("acme")
        load_every_price()
        yield


@pytest.fixture
def key(clock: None) -> str:
    return a_key(Account.objects.get(), scopes=(Scope.INGEST, Scope.READ)).plain


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
    body = next(value for option, value in given if option == "-d")
    response = Client(headers=headers).generic("POST", address, body, content_type=headers["Content-Type"])
    return response.json()


def assert_as_shown(answer: Any, expected: Any) -> None:
    """Equal, but for what the page leaves out with an ellipsis."""
    if isinstance(expected, str) and OMITTED in expected:
        return
    if isinstance(expected, Mapping):
        assert answer.keys() == expected.keys()
        for name, member in expected.items():
            assert_as_shown(answer[name], member)
    elif isinstance(expected, list):
        assert len(answer) == len(expected)
        for one, member in zip(answer, expected, strict=True):
            assert_as_shown(one, member)
    else:
        assert answer == expected


def test_the_first_call_is_metered_as_the_page_says(key: str) -> None:
    limit(a_limit(5, "cost", name="monthly_cost"))
    ask, permission = shown('/authorizations"')
    settle, settled = shown("$ID/settle")

    granted = run(ask, KEY=key)
    assert_as_shown(granted, permission)
    assert_as_shown(run(settle, KEY=key, ID=granted["id"]), settled)

    assert counters("monthly_cost") == (Decimal(settled["cost"]), 0)


def test_a_workflow_is_checked_as_the_page_says(key: str) -> None:
    command, expected = shown("preflight-check")

    assert_as_shown(run(command, KEY=key), expected)
