"""The log of calls on its page: what narrows it, how it goes on, and who sees it."""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from alwrity_billing.dashboard.calls_views import CALLS_A_PAGE
from tests.support.cast import NOW, a_member, a_user, an_account, an_event
from tests.support.recording import prepare, record
from tests.support.usage_rows import a_log_row, a_period
from usage import browsing
from usage.models import Account, BillingPeriod, Role

pytestmark = pytest.mark.django_db

CALLS = "/usage/calls/"
MOST_QUERIES = 15
HOSTILE = "<script>alert('x')</script>"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account("acme", name="Acme Research")


@pytest.fixture
def march(acme: Account) -> BillingPeriod:
    return a_period(acme)


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


def page_of(client: Client, url: str = CALLS, **asked: str) -> str:
    response = client.get(url, asked)
    assert response.status_code == 200
    return unescape(response.content.decode())


def listed(client: Client, **asked: str) -> list[str]:
    """The event ids of the page, newest first."""
    response = client.get(CALLS, asked)
    assert response.status_code == 200
    return [row.event_id for row, _ in response.context["rows"]]


def test_an_accounts_calls_of_the_last_31_days_are_listed_newest_first(
    alice: Client, march: BillingPeriod
) -> None:
    # 31 days with today: from 13 February on.
    for name, days in [("old", 31), ("edge", 30), ("new", 1)]:
        a_log_row(march, event_id=name, at=NOW - days * DAY)
    a_log_row(a_period(an_account("globex")), event_id="another's")
    assert listed(alice) == ["new", "edge"]


def test_a_row_says_what_people_look_for(alice: Client, march: BillingPeriod) -> None:
    a_log_row(march, status_code=429, error_message="Rate limit reached", request_type="chat")
    page = page_of(alice)
    for said in ("15 Mar 2026", "12:00:00", "gpt-4o", "OpenAI", "chat", "429 failed", "$0.0035", "1.50 s"):
        assert said in page, said


def test_what_is_listed_is_added_up(alice: Client, march: BillingPeriod) -> None:
    for number in range(3):
        a_log_row(march, event_id=f"e{number}", cost=Decimal("0.000000000000000001"))
    assert "3 calls, $0.000000000000000003 together" in re.sub(r"<[^>]+>", "", page_of(alice))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"from": "2026-03-10", "to": "2026-03-10"}, ["days"]),
        ({"from": "2026-03-11"}, ["hours"]),
        ({"to": "2026-03-10"}, ["days"]),
        ({"from": "2026-01-01"}, ["hours", "days", "months"]),
        ({"from": "", "to": ""}, ["hours", "days"]),
    ],
)
def test_days_are_chosen_both_included(
    alice: Client, march: BillingPeriod, asked: dict[str, str], found: list[str]
) -> None:
    a_log_row(march, event_id="hours", at=NOW - timedelta(hours=2))
    a_log_row(march, event_id="days", at=NOW - timedelta(days=5))
    a_log_row(march, event_id="months", at=NOW - timedelta(days=60))
    assert listed(alice, **asked) == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"provider": "tavily"}, ["search"]),
        ({"model": " gpt-4o "}, ["chat"]),
        ({"request_type": "lookup"}, ["search"]),
        ({"status": "failed"}, ["search"]),
        ({"status": "ok"}, ["chat"]),
        ({"endpoint": "/v1/search"}, ["search"]),
        ({"member": "u-7"}, ["search"]),
        ({"without": "member, endpoint"}, ["chat"]),
        ({"model": "openai/gpt-4o"}, ["chat"]),
        ({"model": "tavily"}, ["search"]),
        ({"model": "tavily/gpt-4o"}, []),
        ({"event": "search"}, ["search"]),
        ({"event": "sea"}, []),
        ({"status": "failed", "provider": "openai"}, []),
    ],
)
def test_calls_are_filtered(client: Client, asked: dict[str, str], found: list[str]) -> None:
    prepare()
    client.force_login(a_member(Account.objects.get()))
    record(
        an_event("chat"),
        an_event(
            "search", provider="tavily", model="", request_type="lookup", status_code=500,
            endpoint="/v1/search", end_user="u-7",
        ),
    )  # fmt: skip
    assert listed(client, **asked) == found


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"from": "yesterday"}, "from", "Write a day as YYYY-MM-DD"),
        ({"to": "2026-02-30"}, "to", "Write a day as YYYY-MM-DD"),
        ({"from": "1999-12-31"}, "from", "in the years 2000 to 2099"),
        ({"to": "9999-12-31"}, "to", "in the years 2000 to 2099"),
        ({"to": "0001-01-01"}, "to", "in the years 2000 to 2099"),
        ({"from": "2026-03-16"}, "from", "not after the last one"),
        # 366 days from 15 March 2025 on are fine, one more is not.
        ({"from": "2025-03-14"}, "from", "at most 366 days"),
        ({"provider": "acme-ai"}, "provider", "There is no provider acme-ai."),
        ({"without": "team,colour"}, "without", "colour is none of request_type, endpoint, team"),
        ({"status": "maybe"}, "status", "Choose ok or failed."),
        ({"team": "t" * 129}, "team", "at most 128 characters"),
        ({"model": "\x00"}, "model", "Null characters are not allowed."),
    ],
)
def test_what_cannot_be_asked_is_said_beside_its_field(
    alice: Client, march: BillingPeriod, asked: dict[str, str], field: str, said: str
) -> None:
    a_log_row(march)
    page = page_of(alice, **asked)
    assert re.search(rf'name="{field}"[^>]*aria-invalid="true"', page)
    error = re.search(rf'id="id_{field}_error"[^>]*>(.*?)</ul>', page)
    assert error is not None
    assert said in error[1]
    assert "Correct the filters to see calls." in page


def test_a_range_of_366_days_is_taken(alice: Client, march: BillingPeriod) -> None:
    a_log_row(march)
    assert listed(alice, **{"from": "2025-03-15"}) == ["e1"]


def test_a_filter_behind_more_filters_is_seen(alice: Client) -> None:
    assert '<details class="disclosure" open>' in page_of(alice, team="research")
    assert '<details class="disclosure" open>' not in page_of(alice, provider="openai")


def test_pages_go_on_and_keep_filters_and_account(client: Client, march: BillingPeriod) -> None:
    client.force_login(a_user("sam", is_staff=True))
    for number in range(CALLS_A_PAGE + 1):
        a_log_row(march, event_id=f"e{number}", at=NOW - timedelta(minutes=number))
    first = client.get(CALLS, {"account": "acme", "provider": "openai", "team": ""})
    older = first.context["older_url"]
    asked = parse_qs(urlsplit(older).query)
    assert {name: asked[name] for name in ("account", "provider")} == {
        "account": ["acme"],
        "provider": ["openai"],
    }
    second = client.get(older)
    assert [row.event_id for row, _ in second.context["rows"]] == [f"e{CALLS_A_PAGE}"]
    assert second.context["older_url"] == ""
    assert second.context["newest_url"] == "/usage/calls/?account=acme&provider=openai"
    assert '<input type="hidden" name="account" value="acme">' in second.content.decode()
    (address,) = [address for _, address in second.context["rows"]]
    assert address.endswith("?account=acme")


def test_a_page_that_looked_through_enough_says_how_far_it_came(
    alice: Client, march: BillingPeriod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "MAX_LOOKED_THROUGH", 1)
    a_log_row(march)
    a_log_row(march, event_id="e2", at=NOW - timedelta(minutes=1))
    page = page_of(alice, status="failed")
    assert "No such calls among those looked through so far" in page
    assert "15 Mar 2026, 12:00:00" in page
    assert ">Older<" in page


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "There are no such calls in the last 31 days."),
        ({"status": "failed"}, "There are no such calls: widen the range"),
        ({"before": "1.1"}, "There are no older calls in this range."),
    ],
)
def test_an_empty_page_says_what_to_do(alice: Client, asked: dict[str, str], said: str) -> None:
    assert said in re.sub(r"<[^>]+>", "", page_of(alice, **asked))


def test_an_address_that_names_no_place_begins_with_the_newest(alice: Client, march: BillingPeriod) -> None:
    a_log_row(march)
    assert listed(alice, before="nowhere") == ["e1"]


def test_names_from_events_are_escaped(alice: Client, march: BillingPeriod) -> None:
    row = a_log_row(march, model=HOSTILE, request_type=HOSTILE, status_code=500, error_message=HOSTILE)
    for address in (CALLS, f"{CALLS}{browsing.Place.of(row)}/"):
        assert (
            HOSTILE not in alice.get(address, {"team": HOSTILE} if address == CALLS else {}).content.decode()
        )


def test_the_page_needs_few_queries_however_many_calls_there_are(
    alice: Client, march: BillingPeriod, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        a_log_row(march, event_id=f"e{number}")
    with django_assert_max_num_queries(MOST_QUERIES):
        alice.get(CALLS, {"provider": "openai", "event": "e1"})


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER])
def test_every_role_of_the_account_reads_it(
    client: Client, acme: Account, march: BillingPeriod, role: Role
) -> None:
    a_log_row(march)
    client.force_login(a_member(acme, role=role))
    assert listed(client) == ["e1"]


def test_a_stranger_sees_nothing_of_it(client: Client, acme: Account, march: BillingPeriod) -> None:
    row = a_log_row(march)
    story = f"{CALLS}{browsing.Place.of(row)}/"
    assert client.get(CALLS)["Location"].startswith("/login/")
    client.force_login(a_member(an_account("globex"), username="eve"))
    assert client.get(CALLS, {"account": "acme"}).status_code == 403
    assert client.get(story, {"account": "acme"}).status_code == 403
    # In her own account there is no such call.
    assert client.get(story).status_code == 404


@pytest.mark.parametrize("place", ["1.1", f"{10**19}.1", f"1.{2**63}"])
def test_a_place_without_a_call_is_not_found(alice: Client, place: str) -> None:
    assert alice.get(f"{CALLS}{place}/").status_code == 404
