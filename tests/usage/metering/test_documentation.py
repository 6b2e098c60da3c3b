"""Every example of docs/metering.md, run as it stands there; only addresses lead to this machine."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from django.test import Client
from pytest_django import Settings

from alwrity_billing.celery import app as billing_app
from tests.support.authorizing import a_limit, counters, limit
from tests.support.concurrency import PATIENCE_S
from tests.support.metering_server import API_KEY, MeteringServer
from tests.support.processes import PROJECT, wait_until
from tests.support.recording import prepare
from tests.upstream import openai as shape
from tests.upstream.script import Script, Tokens
from tests.upstream.server import Upstream, running
from usage.core.errors import UsageLimitExceededException
from usage.metering.host_settings import host_settings
from usage.models import APIUsageLog

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = (PROJECT / "docs" / "metering.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FIRST_CALL, ASYNC, REFUSED, DJANGO, HOST_SETTINGS, TASK, AGENT, UNSEEN, REMOTE = BLOCKS


class Reader:
    """Someone who copies examples from the page, one below the other."""

    def __init__(self, *, replacing: dict[str, str], knowing: dict[str, Any]) -> None:
        self._replacing = replacing
        self.names = {"__name__": "a_reader", **knowing}

    def copies(self, *examples: str) -> None:
        for example in examples:
            for shown, here in self._replacing.items():
                example = example.replace(shown, here)
            exec(compile(example, "docs/metering.md", "exec", dont_inherit=True), self.names)  # noqa: S102


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running(shape) as server:
        server.script = Script(tokens=Tokens(input=1000, output=100))
        yield server


@pytest.fixture
def server() -> Iterator[MeteringServer]:
    with MeteringServer() as running_server:
        yield running_server


@pytest.fixture
def reader(
    upstream: Upstream,
    server: MeteringServer,
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Reader]:
    prepare()
    limit(a_limit(10, name="calls"), at=datetime.now(UTC))
    settings.METERING_SPOOL = tmp_path / "local.sqlite3"
    monkeypatch.setenv("OPENAI_BASE_URL", f"{upstream.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-reader")
    monkeypatch.setenv("BILLING_KEY", API_KEY)
    reader = Reader(
        replacing={
            "Transport(meter,": "Transport(meter, hosts=HERE,",
            "Transport(remote,": "Transport(remote, hosts=HERE,",
            "https://billing.example.com": server.url,
            "/var/lib/shop": str(tmp_path),
        },
        knowing={"HERE": {upstream.host: "openai"}},
    )
    yield reader
    for name in ("client", "remote_client", "meter"):
        if name in reader.names:
            reader.names[name].close()


def calls() -> tuple[Decimal, Decimal]:
    """What is used and held of the limit."""
    return counters("calls", at=datetime.now(UTC))


def test_the_first_call(reader: Reader) -> None:
    reader.copies(FIRST_CALL)

    assert calls() == (1, 0)
    assert APIUsageLog.objects.get().cost == Decimal("0.0035")


def test_the_async_call(reader: Reader) -> None:
    reader.copies(FIRST_CALL, ASYNC)

    assert asyncio.run(reader.names["ask"]("Why is the sea salt?")) == "Salt is cheap."
    assert calls() == (2, 0)


def test_the_refused_call(reader: Reader) -> None:
    reader.copies(FIRST_CALL, REFUSED)
    limit(a_limit(1, name="calls"), at=datetime.now(UTC))

    told = reader.names["ask_politely"]("Why is the sea salt?")

    assert told.startswith("The limit calls has no room")
    assert told.endswith("A larger plan raises this limit.")


def test_the_settings_of_a_django_project(reader: Reader, settings: Settings) -> None:
    reader.copies(DJANGO, HOST_SETTINGS)
    for name, value in reader.names.items():
        if name.isupper() and name != "HERE":
            setattr(settings, name, value)

    [check] = host_settings().checks
    assert check.operations[0].calls == 2
    assert Client().get("/healthz").status_code == 200


def test_the_task_in_a_worker(reader: Reader) -> None:
    app = Celery("host", broker="memory://", backend="cache+memory://", set_as_current=True)
    app.conf.broker_transport_options = {"polling_interval": 0.05}
    try:
        reader.copies(FIRST_CALL, TASK)
        with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=PATIENCE_S):
            answer = app.tasks["a_reader.summarise"].delay("acme", "The sea is salt.").get(timeout=PATIENCE_S)
    finally:
        app.close()
        billing_app.set_current()

    assert answer == "Salt is cheap."
    row = APIUsageLog.objects.get(endpoint="tasks.summarise")
    assert (row.account.external_id, row.team) == ("acme", "editors")


def test_the_agents(reader: Reader) -> None:
    reader.copies(FIRST_CALL, ASYNC, AGENT)

    asyncio.run(reader.names["research"]("salt"))
    assert calls() == (4, 0)

    asyncio.run(reader.names["research_two"]("salt"))
    assert calls() == (6, 0)
    grants = APIUsageLog.objects.values_list("authorization", flat=True)
    assert len(set(grants)) == 3


def test_an_agent_whose_work_does_not_fit_does_not_begin(reader: Reader, upstream: Upstream) -> None:
    reader.copies(FIRST_CALL, ASYNC, AGENT)
    limit(a_limit(3, name="calls"), at=datetime.now(UTC))

    with pytest.raises(UsageLimitExceededException, match="has no room"):
        asyncio.run(reader.names["research"]("salt"))

    assert len(upstream.requests) == 1


def test_the_call_that_no_transport_sees(reader: Reader) -> None:
    reader.copies(FIRST_CALL, AGENT.split("\n\n\n")[0], UNSEEN)

    reader.names["search_twice"]()

    assert APIUsageLog.objects.get(provider="tavily").cost == Decimal("0.002")


def test_the_remote_meter(reader: Reader, server: MeteringServer) -> None:
    reader.copies(FIRST_CALL, REMOTE)

    assert wait_until(lambda: len(server.events) == 1, seconds=PATIENCE_S)
    assert APIUsageLog.objects.count() == 1
