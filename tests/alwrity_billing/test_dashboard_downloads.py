"""Downloads from the pages: the numbers of the page, as files, for those who may see it."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.http import StreamingHttpResponse
from django.test import Client

from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.csv_files import rows_of, total
from tests.support.usage_rows import a_log_row, a_period, a_rollup
from usage.models import Account, Role

pytestmark = pytest.mark.django_db

CALLS, USAGE, FOCUS = "/usage/calls.csv", "/usage/export.csv", "/usage/focus.csv"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        account = an_account("acme", name="Acme Research")
        period = a_period(account)
        for number in range(3):
            tags = {"team": "red" if number else "", "model": f"m{number}"}
            at, cost = NOW - number * 20 * DAY, Decimal(f"0.{number + 1}")
            a_rollup(account, hour=at, cost=cost, **tags)
            a_log_row(period, event_id=f"e{number}", at=at, cost=cost, **tags)
        yield account


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


def file_of(client: Client, url: str, **asked: str) -> list[dict[str, str]]:
    response = client.get(url, asked)
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert isinstance(response, StreamingHttpResponse)
    assert "no-store" in response["Cache-Control"]
    return rows_of(response)  # type: ignore[arg-type]  # its pieces


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["e0", "e1"]),
        ({"from": "2026-01-01"}, ["e0", "e1", "e2"]),
        ({"team": "red"}, ["e1"]),
        ({"team": ""}, ["e0", "e1"]),
        ({"without": "team"}, ["e0"]),
        ({"status": "failed"}, []),
    ],
)
def test_the_calls_are_those_of_the_page(alice: Client, asked: dict[str, str], found: list[str]) -> None:
    page = alice.get("/usage/calls/", asked)
    assert [row.event_id for row, _ in page.context["rows"]] == found
    told = file_of(alice, page.context["csv_url"])
    assert [row["event_id"] for row in told] == found
    assert total(told, "cost") == page.context["cost"]


@pytest.mark.parametrize(
    ("asked", "costs"),
    [
        ({}, ["0.2", "0.1"]),
        ({"from": "2026-01-01"}, ["0.3", "0.2", "0.1"]),
        # Both calls of the red team happened in February.
        ({"from": "2026-01-01", "by": "team", "interval": "month"}, ["0.5", "0.1"]),
        ({"from": "2026-01-01", "team": "red"}, ["0.3", "0.2"]),
        ({"from": "2026-01-01", "team": ""}, ["0.1"]),
        ({"from": "2026-01-01", "model": "openai/m1"}, ["0.2"]),
        ({"from": "2026-03-15", "to": "2026-03-15", "interval": "hour"}, ["0.1"]),
    ],
)
def test_totals_are_told_as_asked(alice: Client, asked: dict[str, str], costs: list[str]) -> None:
    assert [row["cost"] for row in file_of(alice, USAGE, **asked)] == costs


@pytest.mark.parametrize("url", [USAGE, FOCUS])
def test_a_file_adds_up_to_the_page_it_is_linked_from(alice: Client, url: str) -> None:
    page = alice.get("/usage/", {"last": "90d", "by": "team", "team": "red"})
    told = file_of(alice, url, **page.context["exported"])
    assert total(told, "BilledCost" if url == FOCUS else "cost") == page.context["page"].totals.cost > 0


def test_the_usage_page_leads_to_the_calls_behind_it(alice: Client) -> None:
    page = alice.get("/usage/", {"team": "", "model": "openai/m0"})
    calls = alice.get("/usage/calls/", page.context["calls"])
    assert [row.event_id for row, _ in calls.context["rows"]] == ["e0"]


@pytest.mark.parametrize(("url", "what"), [(CALLS, "calls"), (USAGE, "usage"), (FOCUS, "focus")])
def test_a_file_is_named_after_what_is_in_it(alice: Client, url: str, what: str) -> None:
    response = alice.get(url, {"from": "2026-03-01", "to": "2026-03-14"})
    name = f"acme-{what}-2026-03-01-2026-03-14.csv"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize(
    ("url", "asked", "said"),
    [
        (CALLS, {"from": "2025-12-13"}, "from: Choose at most 92 days."),
        (CALLS, {"provider": "acme-ai"}, "provider: There is no provider acme-ai."),
        (USAGE, {"interval": "week"}, "interval: Choose one of hour, day, month."),
        (USAGE, {"by": "colour"}, "by: Choose one of provider, model, endpoint"),
        (USAGE, {"from": "2020-01-01"}, "from: Choose at most 1100 days."),
        (FOCUS, {"from": "soon", "to": "later"}, "from: Write a day as YYYY-MM-DD"),
        (FOCUS, {"team": "t" * 257}, "team: Ensure this value has at most 256 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_named_in_plain_words(
    alice: Client, url: str, asked: dict[str, str], said: str
) -> None:
    response = alice.get(url, asked)
    assert (response.status_code, response["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert response.content.decode().startswith(said)


def test_92_days_of_calls_are_told(alice: Client) -> None:
    assert len(file_of(alice, CALLS, **{"from": "2025-12-14", "to": "2026-03-15"})) == 3


@pytest.mark.parametrize("url", [CALLS, USAGE, FOCUS])
def test_whoever_reads_the_account_downloads_and_nobody_else(client: Client, acme: Account, url: str) -> None:
    assert client.get(url)["Location"].startswith("/login/")
    client.force_login(a_member(acme, username="vera", role=Role.VIEWER))
    assert len(file_of(client, url)) == 2
    client.force_login(a_member(an_account("globex"), username="eve"))
    assert client.get(url, {"account": "acme"}).status_code == 403
    assert file_of(client, url) == []
    client.force_login(a_user("sam", is_staff=True))
    assert len(file_of(client, url, account="acme")) == 2
