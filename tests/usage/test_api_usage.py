"""GET /api/usage/current"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.contract import ask
from tests.support.credentials import a_key
from tests.support.usage_rows import MARCH, a_period, a_rollup, a_summary
from usage.models import Scope

pytestmark = pytest.mark.django_db

CURRENT = "/api/usage/current"


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def test_the_open_period_is_told_in_full() -> None:
    march = a_period(an_account())
    a_summary(
        march,
        calls=4,
        errors=1,
        input_tokens=1000,
        cached_input_tokens=400,
        output_tokens=100,
        response_time_ms=4500,
        timed_calls=3,
        cost="47.608895",
    )

    body = ask(CURRENT, user=a_member(march.account)).body
    assert (body["account"], body["as_of"], body["currency"]) == ("acme", "2026-03-15T12:00:00Z", "USD")
    assert body["period"] == {
        "name": "2026-03",
        "start": "2026-03-01T00:00:00Z",
        "end": "2026-04-01T00:00:00Z",
    }
    assert body["totals"] == {
        "calls": 4,
        "errors": 1,
        "error_rate": 25.0,
        "average_response_time": 1.5,
        "tokens": 1100,
        "input_tokens": 1000,
        "cached_input_tokens": 400,
        "cache_write_tokens": 0,
        "output_tokens": 100,
        "reasoning_tokens": 0,
        "units": {"requests": 0, "searches": 0, "images": 0, "pages": 0, "seconds": "0", "characters": 0},
        "cost": "47.608895",
    }


def test_money_keeps_its_last_digit() -> None:
    march = a_period(an_account())
    a_summary(march, cost="123456789.000000000000000001")

    body = ask(CURRENT, user=a_member(march.account)).body
    assert body["totals"]["cost"] == "123456789.000000000000000001"


def test_totals_are_split_by_provider_with_the_most_expensive_first() -> None:
    march = a_period(an_account())
    a_summary(march, provider="gemini", cost="1")
    a_summary(march, provider="openai", cost="2.5")

    body = ask(CURRENT, user=a_member(march.account)).body
    assert [(part["provider"], part["totals"]["cost"]) for part in body["by_provider"]] == [
        ("openai", "2.5"),
        ("gemini", "1"),
    ]
    assert body["totals"]["cost"] == "3.5"


def test_models_are_those_called_within_the_period() -> None:
    march = a_period(an_account())
    a_rollup(march.account, model="gpt-4o", hour=MARCH, cost="2")
    a_rollup(march.account, model="o3", hour=MARCH, cost="3")
    a_rollup(march.account, model="gpt-4", hour=MARCH - timedelta(hours=1))

    body = ask(CURRENT, user=a_member(march.account)).body
    assert [part["model"] for part in body["by_model"]] == ["openai/o3", "openai/gpt-4o"]


def test_the_models_of_a_period_that_begins_within_an_hour_include_that_hour() -> None:
    start = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
    period = a_period(an_account(), start=start, end=start + timedelta(days=31))
    a_rollup(period.account, hour=start.replace(minute=0))

    assert len(ask(CURRENT, user=a_member(period.account)).body["by_model"]) == 1


def test_today_begins_at_midnight_utc() -> None:
    account = an_account()
    a_rollup(account, hour=datetime(2026, 3, 14, 23, tzinfo=UTC), calls=1)
    a_rollup(account, hour=datetime(2026, 3, 15, 0, tzinfo=UTC), calls=2)

    assert ask(CURRENT, user=a_member(account)).body["today"]["calls"] == 2


def test_an_account_without_usage_has_no_period_yet() -> None:
    body = ask(CURRENT, user=a_member(an_account())).body

    assert (body["period"], body["totals"]["calls"], body["totals"]["cost"]) == (None, 0, "0")
    assert (body["by_provider"], body["by_model"]) == ([], [])


def test_a_key_reads_its_own_account() -> None:
    an_account("globex")

    assert ask(CURRENT, key=a_key(an_account("acme")).plain).body["account"] == "acme"


def test_a_key_that_only_sends_usage_reads_none() -> None:
    answer = ask(CURRENT, key=a_key(an_account(), scopes=(Scope.INGEST,)).plain)

    assert (answer.status, answer.body["code"]) == (403, "access_denied")


def test_a_stranger_is_refused_whether_the_account_exists_or_not() -> None:
    an_account("acme")
    mallory = a_member(an_account("globex"), username="mallory")

    existing, missing = (ask(CURRENT, user=mallory, query={"user_id": name}) for name in ("acme", "nobody"))
    assert existing.status == missing.status == 403
    assert existing.body == missing.body


def test_staff_may_name_any_account() -> None:
    an_account("acme")
    staff = a_user("staff", is_staff=True)

    assert ask(CURRENT, user=staff, query={"user_id": "acme"}).body["account"] == "acme"
    assert ask(CURRENT, user=staff, query={"user_id": "nobody"}).status == 404


def test_without_a_credential_nothing_is_shown() -> None:
    assert ask(CURRENT).status == 401


def test_it_takes_a_bounded_number_of_statements(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    march = a_period(an_account())
    for provider in ("openai", "gemini", "tavily"):
        a_summary(march, provider=provider)
        a_rollup(march.account, provider=provider)
    key = a_key(march.account).plain

    # Period, providers, models, today; the others verify the key and note its use.
    with django_assert_max_num_queries(7):
        answer = ask(CURRENT, key=key)
    assert len(answer.body["by_model"]) == 3
