"""One number, wherever one asks: the page, the API, the file and the log say the same to the last digit."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any, NamedTuple

import pytest
import time_machine
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alwrity_billing.dashboard.exploring import called
from tests.support.cast import NOW, a_member, an_account, an_event
from tests.support.credentials import a_key
from tests.support.prices import an_entry, load
from usage import rollups
from usage.analytics import Dimension
from usage.events import Tags
from usage.ingest import ingest
from usage.models import Account

pytestmark = pytest.mark.django_db

CELL = re.compile(r'<td class="number">(.*?)</td>', re.DOTALL)
DAYS = 120
TODAY = NOW.date()
MODELS = ("gpt-4o", "gpt-4o-mini", "o3")
TEAMS = ("", "red", "blue")
PROJECTS = ("", "apollo")
MEMBERS = ("", "ann", "bob", "cleo")
ENDPOINTS = ("/v1/chat/completions", "/v1/responses")
COLUMNS = {
    Dimension.PROVIDER: "provider",
    Dimension.MODEL: "provider || '/' || model",
    Dimension.ENDPOINT: "endpoint",
    Dimension.REQUEST_TYPE: "request_type",
    Dimension.TEAM: "team",
    Dimension.PROJECT: "project",
    Dimension.DEPARTMENT: "department",
    Dimension.MEMBER: "end_user",
}


class Sums(NamedTuple):
    """Of one key: calls, input and output tokens, USD."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost: Decimal


class Question(NamedTuple):
    """Both days belong to it; `team` None: all of them."""

    first: date
    last: date
    by: Dimension
    team: str | None

    @property
    def query(self) -> dict[str, str]:
        asked = {"from": str(self.first), "to": str(self.last), "by": self.by.value, "interval": "day"}
        return asked if self.team is None else {**asked, "team": self.team}

    @property
    def to_programs(self) -> dict[str, str]:
        """The same for the API, where a range ends before its end."""
        asked = {**self.query, "to": str(self.last + timedelta(days=1)), "group_by": self.by.value}
        return {name: value for name, value in asked.items() if name != "by"}


QUESTIONS = st.builds(
    lambda back, length, by, team: Question(
        first=TODAY - timedelta(days=min(back + length, DAYS)),
        last=TODAY - timedelta(days=back),
        by=by,
        team=team,
    ),
    back=st.integers(min_value=0, max_value=DAYS - 1),
    length=st.integers(min_value=0, max_value=60),
    by=st.sampled_from(list(Dimension)),
    team=st.sampled_from((None, *TEAMS)),
)


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    """Nine hundred calls over 120 days, most of them rolled up: the last and a few late ones are not."""
    load(*(an_entry(model=model) for model in MODELS))
    account = an_account("acme")
    calls = [_call(number) for number in range(900)]
    assert {outcome.outcome for outcome in ingest(calls[:850], at=NOW)} == {"recorded"}
    rollups.roll_up(at=NOW, limit=10)
    assert {outcome.outcome for outcome in ingest(calls[850:], at=NOW)} == {"recorded"}
    return account


def _call(number: int) -> Any:
    """The steps share no factor, so that everything meets everything."""
    return an_event(
        f"call-{number}",
        at=NOW - timedelta(minutes=number * 191 % (DAYS * 24 * 60)),
        model=MODELS[number % 3],
        input_tokens=100 + number * 37 % 5_000,
        output_tokens=number * 13 % 700,
        endpoint=ENDPOINTS[number * 5 % 2],
        end_user=MEMBERS[number * 3 % 4],
        status_code=500 if number % 17 == 0 else 200,
        tags=Tags(team=TEAMS[number * 7 % 3], project=PROJECTS[number // 5 % 2]),
    )


@pytest.fixture
def alice(acme: Account, client: Client) -> Client:
    client.force_login(a_member(acme))
    return client


def in_the_log(account: Account, asked: Question) -> dict[str, Sums]:
    start = datetime.combine(asked.first, datetime.min.time(), UTC)
    end = datetime.combine(asked.last, datetime.min.time(), UTC) + timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute(
            # The columns are constants above.
            f"""SELECT {COLUMNS[asked.by]}, count(*), COALESCE(sum(input_tokens), 0),
                       COALESCE(sum(output_tokens), 0), sum(cost)
                FROM api_usage_logs
                WHERE account_id = %s AND occurred_at >= %s AND occurred_at < %s
                  AND (%s::text IS NULL OR team = %s) GROUP BY 1""",  # noqa: S608
            [account.pk, start, end, asked.team, asked.team],
        )
        return {key: Sums(*sums) for key, *sums in cursor.fetchall()}


def on_the_page(client: Client, asked: Question) -> dict[str, Sums]:
    """What the table shows, by the names that people read."""
    body = client.get("/usage/", asked.query).content.decode()
    rows = re.findall(r'<tr><th scope="row" class="name">(.*?)</th>(.*?)</tr>', body, re.DOTALL)
    return {
        _name(name): _sums(re.findall(r'<td class="number">(.*?)</td>', cells, re.DOTALL))
        for name, cells in rows
    }


def _name(cell: str) -> str:
    return unescape(re.sub(r'<span class="name-detail">.*?</span>|<[^>]*>', "", cell)).strip()


def _sums(cells: list[str]) -> Sums:
    cost, _, calls, inputs, outputs = cells[:5]
    exact = re.search(r'money-exact">([^<]*)<', cost)
    dollars = exact[1] if exact else cost
    whole = [int(cell.replace(",", "")) for cell in (calls, inputs, outputs)]
    return Sums(*whole, Decimal(dollars.strip("$").replace(",", "")))


def in_the_file(content: bytes, asked: Question) -> dict[str, Sums]:
    """The lines of all days together."""
    found: dict[str, Sums] = {}
    for line in csv.DictReader(content.decode().splitlines()):
        told = Sums(
            int(line["calls"]), int(line["input_tokens"]), int(line["output_tokens"]), Decimal(line["cost"])
        )
        before = found.get(line[asked.by.value], Sums(0, 0, 0, Decimal(0)))
        found[line[asked.by.value]] = Sums(*(one + other for one, other in zip(told, before, strict=True)))
    return found


def content_of(client: Client, path: str, query: dict[str, str], **headers: str) -> bytes:
    response = client.get(path, query, headers=headers)
    assert response.status_code == 200, response
    return response.getvalue()


def test_page_file_api_and_log_agree_on_any_range_and_grouping(acme: Account, alice: Client) -> None:
    bearer = {"Authorization": f"Bearer {a_key(acme).plain}"}
    server = Client()

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(asked=QUESTIONS)
    def agree(asked: Question) -> None:
        logged = in_the_log(acme, asked)
        named = {called(asked.by, key): sums for key, sums in logged.items()}
        assert on_the_page(alice, asked) == named
        assert in_the_file(content_of(alice, "/usage/export.csv", asked.query), asked) == logged
        assert (
            in_the_file(content_of(server, "/api/usage/export", asked.to_programs, **bearer), asked) == logged
        )

    agree()


def test_history_and_costs_agree_with_the_log(acme: Account) -> None:
    bearer = {"Authorization": f"Bearer {a_key(acme).plain}"}
    start = TODAY - timedelta(days=20)
    logged = in_the_log(acme, Question(first=start, last=TODAY, by=Dimension.MODEL, team=None))
    span = {"from": str(start), "to": str(TODAY + timedelta(days=1))}

    costs = Client().get("/api/billing/costs/analytics", span, headers=bearer).json()
    assert costs["total_requests"] == sum(sums.calls for sums in logged.values())
    told = {key: Decimal(cost) for key, cost in costs["cost_by_model"].items()}
    assert told == {key: sums.cost for key, sums in logged.items()}
    for interval in ("hour", "day"):
        history = Client().get("/api/usage/history", {**span, "interval": interval}, headers=bearer).json()
        assert Decimal(history["totals"]["cost"]) == sum(sums.cost for sums in logged.values())
