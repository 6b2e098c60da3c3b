"""GET /api/billing/allocation"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, an_account
from tests.support.credentials import a_key
from tests.support.posting import look
from tests.support.usage_rows import MARCH, a_rollup
from usage.models import Account

ALLOCATION = "/api/billing/allocation"
IN_MARCH = f"{ALLOCATION}?from=2026-03-01&to=2026-04-01"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account("acme")


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme).plain


def test_each_way_of_dividing_comes_to_everything_with_the_unallocated_named(acme: Account, key: str) -> None:
    a_rollup(acme, hour=MARCH, team="red", cost="3")
    a_rollup(acme, hour=MARCH, team="blue", project="search", cost="4")
    a_rollup(acme, hour=MARCH, cost="2.000000000000000001")
    a_rollup(acme, hour=MARCH - timedelta(hours=1), team="red", cost="100")

    body = look(IN_MARCH, key=key).body

    assert body == {
        "account": "acme",
        "currency": "USD",
        "from": "2026-03-01T00:00:00Z",
        "to": "2026-04-01T00:00:00Z",
        "total_cost": "9.000000000000000001",
        "cost_allocation": {
            "by_team": {"blue": "4", "red": "3", "unallocated": "2.000000000000000001"},
            "by_project": {"search": "4", "unallocated": "5.000000000000000001"},
            "by_department": {"unallocated": "9.000000000000000001"},
        },
    }


def test_an_account_without_usage_has_nothing_to_allocate(key: str) -> None:
    body = look(IN_MARCH, key=key).body

    assert body["total_cost"] == "0"
    assert body["cost_allocation"] == {
        name: {"unallocated": "0"} for name in ("by_team", "by_project", "by_department")
    }


def test_where_everything_is_allocated_nothing_is_left(acme: Account, key: str) -> None:
    a_rollup(acme, hour=MARCH, team="red", cost="3")

    assert look(IN_MARCH, key=key).body["cost_allocation"]["by_team"] == {"red": "3", "unallocated": "0"}


def test_a_team_that_bears_that_name_is_counted_with_it(acme: Account, key: str) -> None:
    a_rollup(acme, hour=MARCH, team="unallocated", cost="3")
    a_rollup(acme, hour=MARCH, cost="2")

    assert look(IN_MARCH, key=key).body["cost_allocation"]["by_team"] == {"unallocated": "5"}


def test_names_beyond_a_thousand_stand_together(acme: Account, key: str) -> None:
    for number in range(1002):
        a_rollup(acme, hour=MARCH, team=f"team {number}", cost="1")

    by_team = look(IN_MARCH, key=key).body["cost_allocation"]["by_team"]

    assert len(by_team) == 1002  # a thousand, others, unallocated
    assert (by_team["others"], by_team["unallocated"]) == ("2", "0")


def test_the_last_thirty_days_are_told_unless_asked_otherwise(key: str) -> None:
    body = look(ALLOCATION, key=key).body

    assert (body["from"], body["to"]) == ("2026-02-14T00:00:00Z", "2026-03-16T00:00:00Z")


def test_a_span_is_widened_to_whole_days(key: str) -> None:
    body = look(f"{ALLOCATION}?from=2026-03-01T05:30:00Z&to=2026-03-02T00:00:01Z", key=key).body

    assert (body["from"], body["to"]) == ("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z")


def test_it_takes_one_statement_however_much_there_is(
    acme: Account, key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for days in range(0, 360, 30):
        a_rollup(acme, hour=NOW - timedelta(days=days), team=f"team {days}", cost="1")
    look(ALLOCATION, key=key)

    with django_assert_num_queries(2):
        assert look(f"{ALLOCATION}?from=2025-03-16", key=key).body["total_cost"] == "12"
