"""GET /api/subscription/usage-logs"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.contract import ask
from tests.support.credentials import a_key
from tests.support.usage_rows import MARCH, a_log_row, a_period, a_summary
from usage.models import APIUsageLog

pytestmark = pytest.mark.django_db

LOGS = "/api/subscription/usage-logs"


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def test_a_call_is_shown_as_existing_front_ends_read_it() -> None:
    march = a_period(an_account())
    a_summary(march)
    row = a_log_row(march)

    answer = ask(LOGS, user=a_member(march.account))
    assert answer.body == {
        "logs": [
            {
                "id": row.pk,
                "timestamp": "2026-03-15T12:00:00Z",
                "provider": "openai",
                "actual_provider_name": "openai",
                "model_used": "gpt-4o-2024-08-06",
                "endpoint": "/v1/chat/completions",
                "method": "POST",
                "tokens_input": 1000,
                "tokens_output": 100,
                "tokens_total": 1100,
                "cost_input": 0.0025,
                "cost_output": 0.001,
                "cost_total": 0.0035,
                "response_time": 1.5,
                "status_code": 200,
                "status": "success",
                "error_message": None,
                "billing_period": "2026-03",
                "retry_count": 0,
            }
        ],
        "total_count": 1,
        "limit": 50,
        "offset": 0,
        "has_more": False,
    }


def test_what_was_not_part_of_a_call_is_zero_or_null() -> None:
    march = a_period(an_account())
    a_log_row(
        march,
        provider_name="",
        model_used="",
        input_tokens=None,
        output_tokens=None,
        response_time_ms=None,
        cost=Decimal("0.001"),
    )

    (log,) = ask(LOGS, user=a_member(march.account)).body["logs"]
    assert (log["tokens_input"], log["tokens_output"], log["tokens_total"], log["response_time"]) == (
        0,
        0,
        0,
        0,
    )
    assert (log["actual_provider_name"], log["model_used"]) == (None, None)


@pytest.mark.parametrize(("status_code", "status"), [(399, "success"), (400, "failed"), (500, "failed")])
def test_a_call_failed_from_status_400_on(status_code: int, status: str) -> None:
    march = a_period(an_account())
    a_log_row(march, status_code=status_code, error_message="overloaded")

    (log,) = ask(LOGS, user=a_member(march.account)).body["logs"]
    assert (log["status"], log["error_message"]) == (status, "overloaded")


def test_an_account_without_calls_has_an_empty_page() -> None:
    answer = ask(LOGS, user=a_member(an_account()))
    assert answer.body == {"logs": [], "total_count": 0, "limit": 50, "offset": 0, "has_more": False}


def test_pages_follow_each_other_newest_first() -> None:
    march = a_period(an_account())
    a_summary(march, calls=3)
    for number in range(3):
        a_log_row(march, event_id=f"e{number}", endpoint=f"/{number}", at=NOW + timedelta(seconds=number))
    user = a_member(march.account)

    first = ask(LOGS, user=user, query={"limit": "2"}).body
    second = ask(LOGS, user=user, query={"limit": "2", "offset": "2"}).body
    assert [log["endpoint"] for log in first["logs"] + second["logs"]] == ["/2", "/1", "/0"]
    assert (first["has_more"], second["has_more"], first["total_count"]) == (True, False, 3)


def test_filters_narrow_the_page_together() -> None:
    march = a_period(an_account())
    a_log_row(march, event_id="e1", provider="metaphor", endpoint="/wanted", status_code=500)
    a_log_row(march, event_id="e2", provider="metaphor", status_code=200)
    a_log_row(march, event_id="e3", provider="openai", status_code=500)

    answer = ask(
        LOGS,
        user=a_member(march.account),
        query={"provider": "exa", "status_code": "500", "billing_period": "2026-03"},
    )
    assert [log["endpoint"] for log in answer.body["logs"]] == ["/wanted"]
    assert answer.body["total_count"] == 1


def test_a_billing_period_shows_only_what_it_bills() -> None:
    account = an_account()
    february = a_period(account, start=datetime(2026, 2, 1, tzinfo=UTC), end=MARCH)
    a_log_row(february, event_id="e1", at=datetime(2026, 2, 10, tzinfo=UTC))
    a_log_row(a_period(account), event_id="e2")

    answer = ask(LOGS, user=a_member(account), query={"billing_period": "2026-02"})
    assert [log["billing_period"] for log in answer.body["logs"]] == ["2026-02"]


def test_a_month_in_which_no_period_starts_is_an_empty_page() -> None:
    march = a_period(an_account())
    a_log_row(march)

    assert ask(LOGS, user=a_member(march.account), query={"billing_period": "2025-12"}).body["logs"] == []


def test_reading_changes_no_row() -> None:
    march = a_period(an_account())
    row = a_log_row(march, status_code=500)
    before = APIUsageLog.objects.filter(pk=row.pk).values().get()

    ask(LOGS, user=a_member(march.account))
    assert APIUsageLog.objects.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize(
    ("parameter", "wrong"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "many"),
        ("offset", "-1"),
        ("offset", "100001"),
        ("status_code", "99"),
        ("status_code", "600"),
        ("billing_period", "2026-13"),
        ("billing_period", "2026-3"),
        ("billing_period", "march"),
        ("user_id", "a\x00b"),
    ],
)
def test_a_wrong_parameter_is_named(parameter: str, wrong: str) -> None:
    answer = ask(LOGS, user=a_member(an_account()), query={parameter: wrong})

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.error.startswith(f"{parameter}: ")


def test_a_stranger_sees_only_the_calls_of_their_own_account() -> None:
    a_log_row(a_period(an_account("acme")))
    mallory = a_member(an_account("globex"), username="mallory")

    assert ask(LOGS, user=mallory).body["logs"] == []


def test_a_stranger_is_refused_another_account_whether_it_exists_or_not() -> None:
    an_account("acme")
    mallory = a_member(an_account("globex"), username="mallory")

    existing, missing = (ask(LOGS, user=mallory, query={"user_id": name}) for name in ("acme", "nobody"))
    assert existing.status == missing.status == 403
    assert existing.body == missing.body


def test_staff_may_name_any_account() -> None:
    a_log_row(a_period(an_account("acme")))
    staff = a_user("staff", is_staff=True)

    assert len(ask(LOGS, user=staff, query={"user_id": "acme"}).body["logs"]) == 1
    assert ask(LOGS, user=staff, query={"user_id": "nobody"}).status == 404


def test_staff_without_an_account_must_name_one() -> None:
    answer = ask(LOGS, user=a_user("staff", is_staff=True))

    assert answer.status == 400
    assert "user_id" in answer.error


def test_without_a_credential_nothing_is_shown() -> None:
    assert ask(LOGS).status == 401


def test_a_long_page_takes_no_more_statements_than_a_short_one(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    march = a_period(an_account())
    for number in range(30):
        a_log_row(march, event_id=f"e{number}")
    key = a_key(march.account).plain

    # The page, its count and the period asked for; the others verify the key and note its use.
    with django_assert_max_num_queries(6):
        answer = ask(LOGS, key=key, query={"billing_period": "2026-03"})
    assert len(answer.body["logs"]) == 30
