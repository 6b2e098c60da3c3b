"""GET /api/subscription/usage/{user_id}/trends"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.contract import Answer, ask
from tests.support.credentials import a_key
from tests.support.usage_rows import MARCH, a_rollup
from usage.models import Account
from usage.providers import PROVIDERS

pytestmark = pytest.mark.django_db

TRENDS = "/api/subscription/usage/acme/trends"


def trends_at(at: datetime, account: Account, query: Mapping[str, str] | None = None) -> Answer:
    with time_machine.travel(at, tick=False):
        return ask(TRENDS, key=a_key(account).plain, query=query)


def test_months_stand_side_by_side_oldest_first() -> None:
    account = an_account()
    a_rollup(account, hour=datetime(2026, 1, 31, 23, tzinfo=UTC), input_tokens=10, cost="1.5")
    a_rollup(account, hour=MARCH, calls=2, input_tokens=20, output_tokens=5, cost="0.25")

    data = trends_at(NOW, account, query={"months": "3"}).data
    assert data["periods"] == ["2026-01", "2026-02", "2026-03"]
    assert (data["total_calls"], data["total_tokens"]) == ([1, 0, 2], [10, 0, 25])
    assert data["total_cost"] == [1.5, 0, 0.25]
    assert data["provider_trends"]["openai"] == {
        "calls": [1, 0, 2],
        "cost": [1.5, 0, 0.25],
        "tokens": [10, 0, 25],
    }


@pytest.mark.parametrize(
    ("at", "periods"),
    [
        # A month is taken off the calendar, not 30 days off today.
        (datetime(2026, 3, 31, 23, 59, tzinfo=UTC), ["2026-01", "2026-02", "2026-03"]),
        (datetime(2026, 5, 31, tzinfo=UTC), ["2026-03", "2026-04", "2026-05"]),
        (datetime(2026, 1, 1, tzinfo=UTC), ["2025-11", "2025-12", "2026-01"]),
        (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), ["2025-10", "2025-11", "2025-12"]),
        (datetime(2024, 2, 29, 12, tzinfo=UTC), ["2023-12", "2024-01", "2024-02"]),
    ],
)
def test_each_month_comes_exactly_once_whatever_the_day(at: datetime, periods: list[str]) -> None:
    assert trends_at(at, an_account(), query={"months": "3"}).data["periods"] == periods


@pytest.mark.parametrize(("months", "first"), [("1", "2026-03"), ("24", "2024-04")])
def test_between_1_and_24_months_are_shown(months: str, first: str) -> None:
    periods = trends_at(NOW, an_account(), query={"months": months}).data["periods"]

    assert len(periods) == len(set(periods)) == int(months)
    assert periods[0] == first


def test_six_months_are_shown_unless_told_otherwise() -> None:
    assert len(trends_at(NOW, an_account()).data["periods"]) == 6


def test_usage_before_the_first_month_is_left_out() -> None:
    account = an_account()
    a_rollup(account, hour=MARCH - timedelta(hours=1))

    assert trends_at(NOW, account, query={"months": "1"}).data["total_calls"] == [0]


def test_an_account_without_usage_has_zeros_for_every_provider() -> None:
    data = trends_at(NOW, an_account(), query={"months": "2"}).data

    assert data["provider_trends"].keys() == {*PROVIDERS, "exa"}
    assert data["provider_trends"]["gemini"] == {"calls": [0, 0], "cost": [0, 0], "tokens": [0, 0]}


def test_metaphor_is_shown_under_its_new_name_too() -> None:
    account = an_account()
    a_rollup(account, provider="metaphor", model="", cost="0.003")

    by_provider = trends_at(NOW, account, query={"months": "1"}).data["provider_trends"]
    assert by_provider["exa"] == by_provider["metaphor"] == {"calls": [1], "cost": [0.003], "tokens": [0]}


@pytest.mark.parametrize("wrong", ["0", "25", "-1", "six", "1.5"])
def test_a_wrong_number_of_months_is_named(wrong: str) -> None:
    answer = trends_at(NOW, an_account(), query={"months": wrong})

    assert answer.status == 400
    assert answer.error.startswith("months: ")


def test_a_stranger_is_refused_whether_the_account_exists_or_not() -> None:
    an_account("acme")
    mallory = a_member(an_account("globex"), username="mallory")

    existing = ask(TRENDS, user=mallory)
    missing = ask("/api/subscription/usage/nobody/trends", user=mallory)
    assert existing.status == missing.status == 403
    assert existing.body == missing.body


def test_staff_may_ask_for_any_account() -> None:
    an_account("acme")

    assert ask(f"{TRENDS}/", user=a_user("staff", is_staff=True)).status == 200


def test_without_a_credential_nothing_is_shown() -> None:
    assert ask(TRENDS).status == 401


def test_two_years_are_one_statement(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    account = an_account()
    for days in range(0, 720, 60):
        a_rollup(account, hour=NOW - timedelta(days=days))
    key = a_key(account).plain

    # One for the months; the others verify the key and note its use.
    with time_machine.travel(NOW, tick=False), django_assert_max_num_queries(4):
        answer = ask(TRENDS, key=key, query={"months": "24"})
    assert sum(answer.data["total_calls"]) == 12
