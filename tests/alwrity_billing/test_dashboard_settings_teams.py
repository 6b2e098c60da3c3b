"""The settings' page of teams, projects and departments."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from alwrity_billing.dashboard.teams import DAYS, MOST_NAMES
from tests.support.cast import NOW, a_member, an_account, an_event
from tests.support.recording import prepare, record
from usage import rollups
from usage.events import Tags, UsageEvent
from usage.models import Account, Role

TEAMS = "/settings/teams/"
HOSTILE = "<script>x&y"
MOST_QUERIES = 15

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    prepare()
    return Account.objects.get()


@pytest.fixture
def vera(client: Client, acme: Account) -> Client:
    """A viewer."""
    client.force_login(a_member(acme, username="vera", role=Role.VIEWER))
    return client


def a_use(name: str, *, days_ago: int = 0, input_tokens: int = 400_000, **tags: str) -> UsageEvent:
    """One call of 1 USD (0.4 M at 2.50 a million) unless told otherwise."""
    at = NOW - timedelta(days=days_ago)
    return an_event(name, at=at, input_tokens=input_tokens, output_tokens=0, tags=Tags(**tags))


def use(name: str, **call: Any) -> None:
    record(a_use(name, **call))


def page_of(client: Client, url: str = TEAMS) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def rows(page: str, kind: str) -> list[list[str]]:
    """Name, cost, calls, first and last day of each row of a section."""
    section = page[page.index(f'id="{kind}-heading"') :]
    body = section[section.index("<tbody>") : section.index("</tbody>")]
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in re.split(r"</t[hd]>", row)[:-1]]
        for row in body.split("</tr>")[:-1]
    ]


@pytest.mark.parametrize("is_rolled_up", [False, True])
def test_each_name_has_its_cost_calls_and_days(vera: Client, acme: Account, is_rolled_up: bool) -> None:
    use("a", team="search", days_ago=40)
    use("b", team="search", days_ago=3, input_tokens=800_000)
    use("c", team="editors", project="assistant")
    use("d", department="product")
    if is_rolled_up:
        rollups.roll_up(at=NOW, limit=10)
    page = page_of(vera)
    assert rows(page, "team") == [
        ["search", "$3.00", "2", "3 Feb 2026", "12 Mar 2026"],
        ["editors", "$1.00", "1", "15 Mar 2026", "15 Mar 2026"],
        ["Not tagged", "$1.00", "1", "15 Mar 2026", "15 Mar 2026"],
    ]
    assert [row[:2] for row in rows(page, "project")] == [["assistant", "$1.00"], ["Not tagged", "$4.00"]]
    assert [row[:2] for row in rows(page, "department")] == [["product", "$1.00"], ["Not tagged", "$4.00"]]
    assert page.count("$5.00 in all") == 3


def test_ninety_days_are_shown_today_included(vera: Client, acme: Account) -> None:
    use("first", team="oldest", days_ago=DAYS - 1)
    use("before", team="forgotten", days_ago=DAYS)
    assert [row[0] for row in rows(page_of(vera), "team")] == ["oldest"]


def test_a_name_leads_to_its_usage_in_the_account(vera: Client, acme: Account) -> None:
    use("a", team=HOSTILE)
    page = page_of(vera, f"{TEAMS}?account=acme")
    assert HOSTILE not in page
    link = re.findall(r'<a href="(/usage/\?last[^"]+)"', page)[0]
    assert unescape(link) == "/usage/?last=90d&by=model&team=%3Cscript%3Ex%26y&account=acme"
    assert "$1.00" in page_of(vera, unescape(link))


def test_names_beyond_the_most_are_added_up(vera: Client, acme: Account) -> None:
    numbers = range(MOST_NAMES + 2)
    record(*(a_use(f"e{number}", team=f"team {number:03}") for number in numbers))
    found = rows(page_of(vera), "team")
    assert len(found) == MOST_NAMES + 1
    assert found[-1][:3] == ["All others", "$2.00", "2"]


def test_what_nobody_tags_and_what_nobody_uses_is_said(vera: Client, acme: Account) -> None:
    page = page_of(vera)
    assert page.count("No calls have been recorded in the last 90 days.") == 3
    use("a", team="search")
    page = page_of(vera)
    assert "No call of the last 90 days says which project it is for." in page
    assert "No call of the last 90 days says which team" not in page


def test_the_tags_shown_are_ones_an_event_takes(vera: Client) -> None:
    shown = re.search(r'id="event-tags">(.*?)</code>', page_of(vera))
    assert shown is not None
    tags = json.loads("{" + unescape(shown[1]) + "}")["tags"]
    assert Tags(**tags) == Tags(team="search", project="assistant", department="product")


def test_strangers_are_refused(client: Client, acme: Account) -> None:
    client.force_login(a_member(an_account("other"), username="eve"))
    assert client.get(f"{TEAMS}?account=acme").status_code == 403
    assert client.post(TEAMS).status_code == 405


def test_the_page_needs_few_queries(
    vera: Client, acme: Account, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    use("a", team="search")
    with django_assert_max_num_queries(MOST_QUERIES):
        vera.get(TEAMS)
