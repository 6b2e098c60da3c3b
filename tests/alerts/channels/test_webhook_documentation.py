"""docs/webhooks.md says what is so: its example verifies what we send, its payload is the one we send."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from alerts.channels import CHANNELS
from alerts.core.messages import Destination
from alerts.core.retries import JITTER_PERCENT, WAITS
from alerts.core.rules import RULES
from tests.support.messages import CREATED, a_message
from tests.support.processes import PROJECT
from tests.support.receivers import Received, receiving

PAGE = (PROJECT / "docs" / "webhooks.md").read_text(encoding="utf-8")
[RECEIVER] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
[PAYLOAD] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
SECRET, ANOTHER = "whsec_" + "a" * 32, "whsec_" + "b" * 32


@pytest.fixture
def request_of_ours(private_allowed: None) -> Received:
    with receiving() as server:
        CHANNELS["webhook"].send(
            [a_message()], Destination(address=server.url, secrets=(SECRET,)), at=CREATED
        )
    return server.received[0]


def reader(monkeypatch: pytest.MonkeyPatch, *, secret: str) -> Any:
    """What somebody has who copied the example."""
    monkeypatch.setenv("ALERTS_SECRET", secret)
    names: dict[str, Any] = {}
    exec(compile(RECEIVER, "docs/webhooks.md", "exec", dont_inherit=True), names)  # noqa: S102
    return names["receive"]


def test_the_example_takes_what_we_send_once(
    request_of_ours: Received, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    receive = reader(monkeypatch, secret=SECRET)

    with time_machine.travel(CREATED, tick=False):
        answers = [receive(request_of_ours.body, request_of_ours.headers) for _ in range(2)]

    assert answers == [200, 200]
    assert capsys.readouterr().out == "80 % of OpenAI tokens used\n"


def test_the_example_refuses_what_others_send(
    request_of_ours: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = reader(monkeypatch, secret=ANOTHER)

    with time_machine.travel(CREATED, tick=False):
        assert receive(request_of_ours.body, request_of_ours.headers) == 401


def test_the_payload_is_the_one_we_send(request_of_ours: Received) -> None:
    assert json.loads(PAYLOAD) == json.loads(request_of_ours.body)


def test_each_field_is_explained(request_of_ours: Received) -> None:
    told = json.loads(request_of_ours.body)
    fields = {"type", "timestamp", *(f"data.{name}" for name in told["data"])}

    assert fields == set(re.findall(r"`([a-z_.]+)`", " ".join(first_cells("field"))))


def test_each_rule_is_listed() -> None:
    listed = re.findall(r"`alert\.([a-z_]+)`", " ".join(first_cells("type")))

    assert listed == list(RULES)
    assert all(f"| {rule.meaning} |" in PAGE for rule in RULES.values())


def test_the_schedule_is_the_one_we_keep() -> None:
    *waits, last = [in_words(wait) for wait in WAITS]

    assert f"tried again after {', '.join(waits)} and {last}, each up to {JITTER_PERCENT} % longer" in PAGE


def first_cells(heading: str) -> list[str]:
    """The first cells of the table whose first heading that is."""
    [rows] = re.findall(rf"^\| {heading} \|.*\n\| --- \|.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [row.split("|")[1] for row in rows.splitlines()]


def in_words(wait: timedelta) -> str:
    seconds = int(wait.total_seconds())
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"
