"""POST /api/subscription/preflight-check"""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from tests.support.authorizing import a_limit, ask, limit
from tests.support.cast import NOW, a_member, an_account
from tests.support.credentials import a_key
from tests.support.posting import Posted, post
from tests.support.recording import prepare
from usage.models import Account, Scope

URL = "/api/subscription/preflight-check"
TABLES = ("usage_limits", "usage_holds", "authorizations", "billing_periods", "accounts", "usage_summaries")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get(external_id="acme")


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme).plain


def a_call(**changes: Any) -> dict[str, Any]:
    """1000 tokens of gpt-4o, at most 0.01 USD: all of them output, at 10 USD a million."""
    usual = {
        "provider": "openai",
        "model": "gpt-4o",
        "tokens_requested": 1000,
        "operation_type": "text_generation",
    }
    return {**usual, **changes}


SEARCH = {"provider": "tavily", "operation_type": "research"}
IMAGE = {"provider": "stability", "model": "core", "operation_type": "image_generation"}


def check(*operations: dict[str, Any], key: str, **fields: Any) -> Posted:
    return post(URL, {"operations": list(operations), **fields}, key=key)


def allowed(answer: Posted) -> list[bool]:
    return [operation["allowed"] for operation in answer.data["operations"]]


def rows() -> dict[str, list[Any]]:
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT {table}::text FROM {table} ORDER BY 1")  # noqa: S608
            found[table] = cursor.fetchall()
    return found


def test_what_fits_may_go_ahead_at_its_worst_cost(key: str) -> None:
    limit(a_limit(10), a_limit(4, scope="provider", value="tavily", name="tavily_calls"))
    ask()

    answer = check(a_call(), SEARCH, key=key)

    assert answer.data == {
        "can_proceed": True,
        "estimated_cost": 0.011,
        "operations": [
            {
                "provider": "openai",
                "operation_type": "text_generation",
                "cost": 0.01,
                "allowed": True,
                "limit_info": {"current_usage": 1, "limit": 10, "remaining": 9},
                "message": None,
            },
            {
                "provider": "tavily",
                "operation_type": "research",
                "cost": 0.001,
                "allowed": True,
                "limit_info": {"current_usage": 0, "limit": 4, "remaining": 4},
                "message": None,
            },
        ],
        "total_cost": 0.011,
        "usage_summary": {"current_calls": 1, "limit": 10, "remaining": 9},
        "cached": False,
    }


def test_without_limits_there_is_nothing_to_draw(key: str) -> None:
    data = check(a_call(), key=key).data

    assert (data["can_proceed"], data["usage_summary"]) == (True, None)
    assert data["operations"][0]["limit_info"] is None


def test_an_unlimited_one_is_drawn_as_zero(key: str) -> None:
    limit(a_limit(None))

    data = check(a_call(), key=key).data

    assert (data["can_proceed"], data["usage_summary"]) == (
        True,
        {"current_calls": 0, "limit": 0, "remaining": 0},
    )


@pytest.mark.parametrize("fitting", range(5))
def test_the_first_ones_that_fit_are_allowed_and_none_after(key: str, fitting: int) -> None:
    limit(a_limit(fitting))

    answer = check(*[a_call()] * 5, key=key)

    assert allowed(answer) == [True] * fitting + [False] * (5 - fitting)
    messages = [operation["message"] for operation in answer.data["operations"]]
    assert "everything_calls_period" in messages[fitting]
    assert set(messages[fitting + 1 :]) <= {f"Not reached: operation {fitting + 1} before it is refused."}
    assert answer.data["can_proceed"] is False


def test_operations_are_checked_together(key: str) -> None:
    limit(a_limit("0.015", "cost"))

    assert allowed(check(a_call(), key=key)) == [True]
    assert allowed(check(a_call(), a_call(), key=key)) == [True, False]


def test_a_refusal_tells_the_limit_that_refuses(key: str) -> None:
    limit(a_limit(10), a_limit("0.005", "cost"))

    (operation,) = check(a_call(), key=key).data["operations"]

    assert operation["limit_info"] == {"current_usage": 0, "limit": 0.005, "remaining": 0.005}
    assert operation["cost"] == 0.01


def test_a_paused_account_may_do_nothing(key: str) -> None:
    Account.objects.update(paused_reason="The last invoice is unpaid.")

    answer = check(a_call(), a_call(), key=key)

    assert allowed(answer) == [False, False]
    assert "The last invoice is unpaid." in answer.data["operations"][0]["message"]


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        (a_call(model="gpt-x"), "gpt-x"),
        (a_call(provider="nobody"), "nobody"),
        (a_call(tokens_requested=None, provider="in-house"), "in-house"),
    ],
)
def test_what_has_no_price_is_refused_and_what_comes_before_is_not(
    key: str, operation: dict[str, Any], told: str
) -> None:
    answer = check(SEARCH, operation, IMAGE, key=key)

    assert allowed(answer) == [True, False, False]
    assert told in answer.data["operations"][1]["message"]
    assert answer.data["total_cost"] == 0.001


def test_tokens_left_out_are_all_that_the_model_can_take(key: str) -> None:
    call = {name: value for name, value in a_call().items() if name != "tokens_requested"}

    # 128 000 and a twentieth, as published windows are rounded: × 2.50, and 16 384 × 10 USD a million
    assert check(call, key=key).data["estimated_cost"] == 0.49984


def test_tokens_of_what_is_no_language_model_do_not_count(key: str) -> None:
    limit(a_limit(10, "tokens"))

    assert check({**IMAGE, "tokens_requested": 1000}, key=key).data["can_proceed"]


def test_the_provider_that_is_really_called_is_checked(key: str) -> None:
    operation = {**SEARCH, "provider": "research", "actual_provider_name": "Tavily"}

    (shown,) = check(operation, key=key).data["operations"]

    assert (shown["provider"], shown["cost"]) == ("research", 0.001)


def test_the_operation_type_is_the_calls_request_type(key: str) -> None:
    limit(a_limit(0, scope="request_type", value="text_generation"))

    assert allowed(check(a_call(), key=key)) == [False]


def test_checking_changes_nothing(key: str) -> None:
    limit(a_limit(10), a_limit(1, window="minute"))
    ask()
    before = rows()

    check(a_call(), SEARCH, key=key)
    check(*[a_call()] * 30, key=key)

    assert rows() == before


def test_an_account_without_a_period_has_none_after(acme: Account, key: str) -> None:
    assert check(a_call(), key=key).data["can_proceed"]
    assert rows()["billing_periods"] == []


def test_a_hundred_operations_take_a_sane_number_of_statements(
    key: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    limit(a_limit(42))
    check(a_call(), key=key)

    # The key; each look at a prefix is a transaction begun, the function asked, and all of it undone.
    with django_assert_max_num_queries(1 + 9 * 3):
        answer = check(*[a_call()] * 100, key=key)
    assert sum(allowed(answer)) == 42


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/operations"),
        ({"operations": []}, "/operations"),
        ({"operations": [a_call()] * 101}, "/operations"),
        ({"operations": [{"operation_type": "x"}]}, "/operations/0/provider"),
        ({"operations": [a_call(), {"provider": "openai"}]}, "/operations/1/operation_type"),
        ({"operations": [a_call(tokens_requested=-1)]}, "/operations/0/tokens_requested"),
        ({"operations": [a_call(tokens_requested=2_000_000_001)]}, "/operations/0/tokens_requested"),
        ({"operations": [a_call(model="x" * 161)]}, "/operations/0/model"),
        ({"operations": [a_call(operation_type="a\x00b")]}, "/operations/0/operation_type"),
    ],
)
def test_a_wrong_request_is_told_where(key: str, body: Any, pointer: str) -> None:
    answer = post(URL, body, key=key)

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.body["detail"]["errors"][0]["pointer"] == pointer


class TestWhoMayCheck:
    def test_a_member_checks_for_the_account(self, acme: Account) -> None:
        assert post(f"{URL}/", {"operations": [a_call()]}, user=a_member(acme)).data["can_proceed"]

    def test_a_stranger_checks_for_no_other(self, acme: Account) -> None:
        strangers = a_key(an_account("globex"), scopes=tuple(Scope)).plain

        existing, missing = (check(a_call(), key=strangers, user_id=name) for name in ("acme", "nobody"))
        assert existing.status == missing.status == 403
        assert existing.body == missing.body

    def test_a_service_key_names_the_account(self) -> None:
        service = a_key().plain

        assert check(a_call(), key=service, user_id="acme").status == 200
        assert check(a_call(), key=service).status == 400

    def test_without_a_credential_nothing_is_told(self) -> None:
        assert post(URL, {"operations": [a_call()]}).status == 401
