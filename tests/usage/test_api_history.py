"""GET /api/usage/history"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.contract import ask
from tests.support.credentials import a_key
from tests.support.usage_rows import MARCH, a_rollup

pytestmark = pytest.mark.django_db

HISTORY = "/api/usage/history"


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def test_each_slice_has_its_totals_and_its_providers() -> None:
    account = an_account()
    a_rollup(account, hour=MARCH, calls=3, errors=1, input_tokens=10, output_tokens=2, cost="1.5")
    a_rollup(account, hour=MARCH + timedelta(hours=5), provider="tavily", model="", cost="0.001")

    body = ask(HISTORY, user=a_member(account), query={"from": "2026-03-01", "to": "2026-03-03"}).body
    assert (body["account"], body["currency"], body["interval"]) == ("acme", "USD", "day")
    assert (body["from"], body["to"]) == ("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z")
    assert body["slices"] == [
        {
            "start": "2026-03-01T00:00:00Z",
            "totals": {"calls": 4, "errors": 1, "tokens": 12, "cost": "1.501"},
            "by_provider": {
                "openai": {"calls": 3, "errors": 1, "tokens": 12, "cost": "1.5"},
                "tavily": {"calls": 1, "errors": 0, "tokens": 0, "cost": "0.001"},
            },
        },
        {
            "start": "2026-03-02T00:00:00Z",
            "totals": {"calls": 0, "errors": 0, "tokens": 0, "cost": "0"},
            "by_provider": {},
        },
    ]
    assert (body["totals"]["calls"], body["totals"]["cost"]) == (4, "1.501")


@pytest.mark.parametrize(
    ("interval", "slices", "first", "end"),
    [
        ("hour", 24, "2026-03-14T13:00:00Z", "2026-03-15T13:00:00Z"),
        ("day", 30, "2026-02-14T00:00:00Z", "2026-03-16T00:00:00Z"),
        ("month", 12, "2025-04-01T00:00:00Z", "2026-04-01T00:00:00Z"),
    ],
)
def test_without_a_span_the_latest_intervals_are_shown(
    interval: str, slices: int, first: str, end: str
) -> None:
    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        body = ask(HISTORY, user=a_member(an_account()), query={"interval": interval}).body

    assert len(body["slices"]) == slices
    assert (body["from"], body["slices"][0]["start"], body["to"]) == (first, first, end)


def test_a_span_is_widened_to_whole_intervals() -> None:
    span = {"from": "2026-03-01T05:30:00Z", "to": "2026-03-02T00:00:01Z"}
    body = ask(HISTORY, user=a_member(an_account()), query=span).body

    assert (body["from"], body["to"]) == ("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z")


def test_a_span_of_whole_intervals_stays_as_it_is() -> None:
    span = {"from": "2026-01-01", "to": "2026-03-01", "interval": "month"}
    body = ask(HISTORY, user=a_member(an_account()), query=span).body

    assert [piece["start"][:7] for piece in body["slices"]] == ["2026-01", "2026-02"]


def test_offsets_are_understood() -> None:
    span = {"from": "2026-03-01T02:00:00+02:00", "to": "2026-03-01T04:00:00+02:00", "interval": "hour"}
    body = ask(HISTORY, user=a_member(an_account()), query=span).body

    assert (body["from"], body["to"]) == ("2026-03-01T00:00:00Z", "2026-03-01T02:00:00Z")


def test_calls_outside_the_span_are_left_out() -> None:
    account = an_account()
    a_rollup(account, hour=MARCH - timedelta(hours=1), calls=1)
    a_rollup(account, hour=MARCH, calls=2)
    a_rollup(account, hour=MARCH + timedelta(days=1), calls=4)

    body = ask(HISTORY, user=a_member(account), query={"from": "2026-03-01", "to": "2026-03-02"}).body
    assert body["totals"]["calls"] == 2


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"interval": "week"}, "interval: Choose one of hour, day, month."),
        ({"from": "soon"}, "from: Write an ISO 8601 instant"),
        ({"to": "2026-02-30"}, "to: Write an ISO 8601 instant"),
        ({"from": "1999-01-01"}, "from: Choose an instant in the years 2000 to 2099."),
        ({"to": "9999-12-31T23:59:59Z"}, "to: Choose an instant in the years 2000 to 2099."),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "from: Choose an instant before to"),
        ({"from": "2026-03-01", "to": "2026-03-01"}, "from: Choose an instant before to"),
        ({"from": "2026-03-16"}, "from: Choose an instant before to"),
    ],
)
def test_a_wrong_parameter_is_named(query: dict[str, str], told: str) -> None:
    answer = ask(HISTORY, user=a_member(an_account()), query=query)

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.error.startswith(told)


def test_a_thousand_slices_are_shown_and_not_one_more() -> None:
    user = a_member(an_account())
    end = datetime(2026, 3, 15, tzinfo=UTC)
    spans = [
        {"from": (end - timedelta(days=days)).isoformat(), "to": end.isoformat()} for days in (1000, 1001)
    ]

    shown, refused = (ask(HISTORY, user=user, query=span) for span in spans)
    assert len(shown.body["slices"]) == 1000
    assert refused.status == 400
    assert "At most 1000 intervals" in refused.error


def test_an_account_without_usage_has_zeros() -> None:
    body = ask(HISTORY, user=a_member(an_account()), query={"interval": "month"}).body

    assert {piece["totals"]["calls"] for piece in body["slices"]} == {0}


def test_a_stranger_is_refused_whether_the_account_exists_or_not() -> None:
    an_account("acme")
    mallory = a_member(an_account("globex"), username="mallory")

    existing, missing = (ask(HISTORY, user=mallory, query={"user_id": name}) for name in ("acme", "nobody"))
    assert existing.status == missing.status == 403
    assert existing.body == missing.body


def test_staff_may_name_any_account() -> None:
    an_account("acme")

    assert (
        ask(HISTORY, user=a_user("staff", is_staff=True), query={"user_id": "acme"}).body["account"] == "acme"
    )


def test_without_a_credential_nothing_is_shown() -> None:
    assert ask(HISTORY).status == 401


def test_a_year_of_days_is_one_statement(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    account = an_account()
    for days in range(0, 360, 30):
        a_rollup(account, hour=NOW - timedelta(days=days))
    key = a_key(account).plain

    # One for the slices; the others verify the key and note its use.
    with django_assert_max_num_queries(4):
        answer = ask(HISTORY, key=key, query={"from": "2025-03-16"})
    assert answer.body["totals"]["calls"] == 12
