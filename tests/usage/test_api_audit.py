"""GET /api/billing/audit"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.posting import look
from tests.support.usage_rows import MARCH, a_log_row, a_period
from usage.models import Account, BillingPeriod

AUDIT = "/api/billing/audit"
MOMENT = timedelta(microseconds=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def march() -> Iterator[BillingPeriod]:
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        yield a_period(an_account("acme"))


@pytest.fixture
def key(march: BillingPeriod) -> str:
    return a_key(march.account).plain


def ids(address: str, key: str) -> list[str]:
    return [call["request_id"] for call in look(address, key=key).body["audit_trail"]]


def pages(key: str, *, limit: int) -> list[list[str]]:
    """The ids of every page, by following the cursors."""
    found, address = [], f"{AUDIT}?limit={limit}"
    while address:
        body = look(address, key=key).body
        found.append([call["request_id"] for call in body["audit_trail"]])
        cursor = body["next_cursor"]
        address = f"{AUDIT}?limit={limit}&cursor={cursor}" if cursor else ""
    return found


def test_a_call_is_told_as_it_was_recorded(march: BillingPeriod, key: str) -> None:
    a_log_row(march, event_id="call-1", end_user="ada")

    assert look(AUDIT, key=key).body == {
        "audit_trail": [
            {
                "timestamp": "2026-03-15T12:00:00Z",
                "user_id": "acme",
                "end_user": "ada",
                "endpoint": "/v1/chat/completions",
                "model": "gpt-4o",
                "cost": "0.0035",
                "currency": "USD",
                "tokens": 1100,
                "request_id": "call-1",
            }
        ],
        "next_cursor": None,
    }


def test_a_call_without_tokens_has_none(march: BillingPeriod, key: str) -> None:
    a_log_row(march, provider="tavily", model="", input_tokens=None, output_tokens=None)

    [call] = look(AUDIT, key=key).body["audit_trail"]
    assert (call["model"], call["tokens"], call["end_user"]) == ("", 0, "")


def test_an_account_without_calls_has_an_empty_page(key: str) -> None:
    assert look(AUDIT, key=key).body == {"audit_trail": [], "next_cursor": None}


def test_other_accounts_are_left_out(march: BillingPeriod, key: str) -> None:
    a_log_row(a_period(an_account("globex")))

    assert ids(AUDIT, key) == []


def test_pages_follow_each_other_newest_first_and_every_call_is_on_one(
    march: BillingPeriod, key: str
) -> None:
    for number in range(5):
        # Two calls happened at each instant.
        a_log_row(march, event_id=f"e{number}", at=NOW + number // 2 * MOMENT)

    assert pages(key, limit=2) == [["e4", "e3"], ["e2", "e1"], ["e0"]]
    assert pages(key, limit=5) == [["e4", "e3", "e2", "e1", "e0"]]


def test_calls_that_come_in_meanwhile_move_nothing(march: BillingPeriod, key: str) -> None:
    for number in range(3):
        a_log_row(march, event_id=f"e{number}", at=NOW + number * MOMENT)
    cursor = look(f"{AUDIT}?limit=1", key=key).body["next_cursor"]
    a_log_row(march, event_id="new", at=NOW + timedelta(minutes=1))

    assert ids(f"{AUDIT}?cursor={cursor}", key) == ["e1", "e0"]


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (MARCH - MOMENT, False), (MARCH, True), (MARCH + MOMENT, True),
        (NOW - MOMENT, True), (NOW, False), (NOW + MOMENT, False),
    ],
)  # fmt: skip
def test_from_is_included_and_to_is_not(march: BillingPeriod, key: str, at: datetime, told: bool) -> None:
    a_log_row(march, at=at)

    assert bool(ids(f"{AUDIT}?from=2026-03-01&to=2026-03-15T12:00:00Z", key)) is told


def test_the_last_thirty_days_are_told_unless_asked_otherwise(march: BillingPeriod, key: str) -> None:
    now = NOW + timedelta(hours=1)
    a_log_row(march, event_id="before", at=now - timedelta(days=30) - MOMENT)
    a_log_row(march, event_id="first", at=now - timedelta(days=30))

    assert ids(AUDIT, key) == ["first"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("limit=0", "limit: "),
        ("limit=1001", "limit: "),
        ("cursor=page-2", "cursor: Take it from the next_cursor of the page before."),
        ("cursor=1.99999999999999999999", "cursor: Take it from"),
    ],
)
def test_a_wrong_parameter_is_named(key: str, wrong: str, told: str) -> None:
    answer = look(f"{AUDIT}?{wrong}", key=key)

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.error.startswith(told)


def test_a_page_is_one_statement_however_deep(
    march: BillingPeriod, key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(4):
        a_log_row(march, event_id=f"e{number}", at=NOW + number * MOMENT)
    cursor = look(f"{AUDIT}?limit=2", key=key).body["next_cursor"]

    with django_assert_num_queries(2):
        assert ids(f"{AUDIT}?limit=2&cursor={cursor}", key) == ["e1", "e0"]


def test_reading_changes_nothing(march: BillingPeriod, key: str) -> None:
    row = a_log_row(march)
    look(AUDIT, key=key)

    before = row.__dict__.copy()
    row.refresh_from_db()
    assert {name: row.__dict__[name] for name in before if name != "_state"} == {
        name: value for name, value in before.items() if name != "_state"
    }


def test_the_account_is_the_credentials_own(march: BillingPeriod) -> None:
    a_log_row(march)

    assert ids(AUDIT, a_key(an_account("globex")).plain) == []
    assert Account.objects.count() == 2
