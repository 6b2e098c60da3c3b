"""GET /api/usage/export and /api/usage/calls.csv"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client

from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.contract import ask
from tests.support.credentials import a_key
from tests.support.csv_files import rows_of, total
from tests.support.usage_rows import MARCH, a_log_row, a_period, a_rollup
from usage import analytics
from usage.analytics import Selection
from usage.models import Account, Role, Scope

pytestmark = pytest.mark.django_db

EXPORT, CALLS = "/api/usage/export", "/api/usage/calls.csv"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account("acme")


def file_of(
    address: str,
    *,
    user: User | None = None,
    key: str = "",
    query: Mapping[str, str] | None = None,
    accept: str = "*/*",
) -> list[dict[str, str]]:
    client = Client(headers={"Accept": accept, **({"X-API-Key": key} if key else {})})
    if user is not None:
        client.force_login(user)
    response = client.get(address, query or {})
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert response.streaming
    return rows_of(response)  # type: ignore[arg-type]  # its pieces


# --- Totals and charges ----------------------------------------------------------------------------------


def test_the_file_holds_the_totals_by_day_and_provider(acme: Account) -> None:
    a_rollup(acme, hour=MARCH, calls=3, cost="1.5")
    a_rollup(acme, hour=MARCH + 5 * HOUR, provider="tavily", model="", cost="0.001")
    a_rollup(acme, hour=MARCH + 2 * DAY)

    told = file_of(EXPORT, key=a_key(acme).plain, query={"from": "2026-03-01", "to": "2026-03-02"})

    names = ("interval_start", "interval_end", "provider", "calls", "cost", "currency")
    assert [tuple(row[name] for name in names) for row in told] == [
        ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "openai", "3", "1.5", "USD"),
        ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "tavily", "1", "0.001", "USD"),
    ]


@pytest.mark.parametrize("form", ["csv", "focus"])
def test_the_costs_are_those_of_the_account_in_the_span(acme: Account, form: str) -> None:
    for number in range(4):
        a_rollup(acme, hour=NOW - number * DAY, team=f"t{number}", cost=f"0.{number + 1}")
    query = {"format": form, "from": "2026-03-13T05:00:00Z", "group_by": "team"}

    told = file_of(EXPORT, key=a_key(acme).plain, query=query)

    # Widened to whole days, the one that holds NOW included.
    selection = Selection(account=acme, start=MARCH + 12 * DAY, end=MARCH + 15 * DAY)
    column = "BilledCost" if form == "focus" else "cost"
    assert total(told, column) == analytics.totals(selection).cost == Decimal("0.6")


def test_a_file_takes_filters_intervals_and_dimensions(acme: Account) -> None:
    a_rollup(acme, hour=NOW - HOUR, team="red", cost="1")
    a_rollup(acme, hour=NOW - HOUR, model="o3", team="red", cost="2")
    query = {"interval": "hour", "group_by": "team", "provider": "openai", "model": "openai/o3"}

    (row,) = file_of(EXPORT, key=a_key(acme).plain, query=query)

    assert (row["interval_start"], row["team"], row["cost"]) == ("2026-03-15T11:00:00Z", "red", "2")


def test_an_empty_filter_picks_what_does_not_tell(acme: Account) -> None:
    a_rollup(acme, team="red", cost="1")
    a_rollup(acme, cost="2")
    (row,) = file_of(EXPORT, key=a_key(acme).plain, query={"team": ""})
    assert row["cost"] == "2"


def test_charges_are_told_by_the_day_whatever_interval_is_named(acme: Account) -> None:
    for hour in range(2):
        a_rollup(acme, hour=MARCH + hour * HOUR)
    query = {"format": "focus", "interval": "hour", "from": "2026-03-01", "to": "2026-03-02"}
    (charge,) = file_of(EXPORT, key=a_key(acme).plain, query=query)
    assert (charge["x_Calls"], charge["ChargePeriodEnd"]) == ("2", "2026-03-02T00:00:00Z")


# --- Calls -----------------------------------------------------------------------------------------------


def test_the_calls_of_the_last_31_days_are_told_newest_first(acme: Account) -> None:
    period = a_period(acme)
    for name, days in [("old", 32), ("edge", 30), ("new", 1)]:
        a_log_row(period, event_id=name, at=NOW - days * DAY)
    assert [row["event_id"] for row in file_of(CALLS, key=a_key(acme).plain)] == ["new", "edge"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"provider": "Exa"}, ["search"]),
        ({"model": "gpt-4o"}, ["chat"]),
        ({"status": "failed"}, ["search"]),
        ({"status": "ok"}, ["chat"]),
        ({"team": "red"}, ["search"]),
        ({"member": "u-7"}, ["search"]),
        ({"member": "", "team": ""}, ["chat"]),
        ({"team": "red", "status": "ok"}, []),
        ({"from": "2026-03-15T12:00:00Z"}, ["chat"]),
        ({"from": "2026-03-15", "to": "2026-03-15T12:00:00Z"}, ["search"]),
    ],
)
def test_calls_are_filtered(acme: Account, query: dict[str, str], found: list[str]) -> None:
    period = a_period(acme)
    a_log_row(period, event_id="chat")
    other = {"provider": "metaphor", "model": "", "team": "red", "end_user": "u-7", "status_code": 500}
    a_log_row(period, event_id="search", at=NOW - HOUR, **other)
    assert [row["event_id"] for row in file_of(CALLS, key=a_key(acme).plain, query=query)] == found


# --- Who may, and what is wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "query", "told"),
    [
        (EXPORT, {"format": "xlsx"}, "format: Choose one of csv, focus."),
        (EXPORT, {"interval": "week"}, "interval: Choose one of hour, day, month."),
        (EXPORT, {"group_by": "colour"}, "group_by: Choose one of provider, model, endpoint"),
        (EXPORT, {"from": "2026-03-16"}, "from: Choose an instant before to"),
        (EXPORT, {"from": "2020-01-01", "format": "focus"}, "from: At most 1000 intervals"),
        (EXPORT, {"team": "\x00"}, "team: Null characters are not allowed."),
        (CALLS, {"from": "soon"}, "from: Write an ISO 8601 instant"),
        (CALLS, {"status": "maybe"}, "status: Choose one of ok, failed."),
        (CALLS, {"from": "2026-03-16"}, "from: Choose an instant before to"),
        (
            CALLS,
            {"from": "2026-01-01", "to": "2026-04-03T00:00:01Z"},
            "from: Choose an instant before to, and at most 92 days before it.",
        ),
    ],
)
def test_a_wrong_parameter_is_named(acme: Account, address: str, query: dict[str, str], told: str) -> None:
    answer = ask(address, user=a_member(acme), query=query)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.error.startswith(told)


def test_92_days_of_calls_are_told(acme: Account) -> None:
    query = {"from": "2026-01-01", "to": "2026-04-03"}
    assert file_of(CALLS, key=a_key(acme).plain, query=query) == []


@pytest.mark.parametrize("address", [EXPORT, CALLS])
def test_clients_may_ask_for_csv_or_not(acme: Account, address: str) -> None:
    key = a_key(acme).plain
    assert file_of(address, key=key, accept="text/csv") == []
    assert file_of(address, key=key, accept="application/json") == []


@pytest.mark.parametrize("address", [EXPORT, CALLS])
def test_whoever_reads_the_account_gets_its_files_and_nobody_else(acme: Account, address: str) -> None:
    a_rollup(acme)
    a_log_row(a_period(acme))
    assert len(file_of(address, user=a_member(acme, username="vera", role=Role.VIEWER))) == 1
    assert len(file_of(address, user=a_user("sam", is_staff=True), query={"user_id": "acme"})) == 1
    assert file_of(address, user=a_member(an_account("globex"), username="eve")) == []

    mallory = a_member(an_account("initech"), username="mallory")
    existing, missing = (ask(address, user=mallory, query={"user_id": name}) for name in ("acme", "nobody"))
    assert existing.status == missing.status == 403
    assert existing.body == missing.body
    assert ask(address).status == 401
    assert ask(address, key=a_key(acme, scopes=(Scope.INGEST,)).plain).status == 403
