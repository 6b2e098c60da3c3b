"""POST /api/billing/budget/update, …/pause and …/resume"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from subscriptions import budgets
from subscriptions.models import Budget, BudgetChange
from tests.support.authorizing import a_limit, is_granted
from tests.support.cast import NOW, an_account, an_event
from tests.support.credentials import a_key
from tests.support.posting import Posted, look, post
from tests.support.recording import prepare, record
from tests.support.subscribing import a_plan, start, subscribe
from usage.models import Account, Scope

UPDATE, PAUSE, RESUME = (f"/api/billing/budget/{verb}" for verb in ("update", "pause", "resume"))
LIMITS = "/api/billing/limits"
MANAGED = {
    "monthly_budget": "10.50",
    "alert_thresholds": [50, 90],
    "auto_pause": True,
    "spend_limits": {"per_request": "0.5", "per_hour": "2", "per_day": "3"},
    "throttling": {"from_percent": 80, "to_percent": 25},
}
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    """On a plan of 60 calls a minute and 25 USD a month."""
    with time_machine.travel(NOW, tick=False):
        prepare()
        plan = a_plan("team", a_limit(60, window="minute", name="a_minute"), included_usage=Decimal(25))
        yield start(plan, account=Account.objects.get()).account


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme, scopes=(Scope.READ, Scope.ADMIN)).plain


def managed(key: str, **fields: Any) -> Posted:
    return post(UPDATE, {"budget_management": fields}, key=key)


def fault(answer: Posted) -> tuple[int, str, str]:
    """The status, the field, and what is said of it."""
    pointer, _, told = answer.error.partition(": ")
    return answer.status, pointer, told


# --- What goes in comes out ---


def test_the_stored_budget_is_answered_as_billing_limits_tells_it(key: str) -> None:
    answer = post(
        UPDATE,
        {
            "budget_management": MANAGED,
            "overage_protection": {"enabled": True, "max_monthly_cost": 12, "auto_pause_at_limit": True},
        },
        key=key,
    )

    assert answer.status == 200
    assert answer.body == {
        "budget_management": {
            "monthly_budget": "10.5",
            "alert_thresholds": [50.0, 90.0],
            "auto_pause": True,
            "spend_limits": {"per_request": "0.5", "per_hour": "2", "per_day": "3"},
            "throttling": {"from_percent": 80, "to_percent": 25},
        },
        "overage_protection": {
            "enabled": True,
            # The smaller of both bounds the period.
            "max_monthly_cost": "10.5",
            "auto_pause_at_limit": True,
            "alert_threshold": 50.0,
        },
        "budget_state": {
            "paused": False,
            "paused_automatically": False,
            "paused_reason": None,
            "paused_at": None,
            "paused_until": None,
            "throttled": False,
            "throttled_at": None,
        },
    }
    told = look(LIMITS, key=key).body
    assert {name: told[name] for name in answer.body} == answer.body
    assert Budget.objects.get().max_monthly_cost == 12


def test_what_billing_limits_tells_can_be_sent_back_and_changes_nothing(key: str) -> None:
    managed(key, **MANAGED)
    told = look(LIMITS, key=key).body

    answer = post(UPDATE, {name: told[name] for name in ("budget_management", "overage_protection")}, key=key)

    assert answer.status == 200
    assert answer.body["budget_management"] == told["budget_management"]
    assert answer.body["overage_protection"] == told["overage_protection"]


def test_what_is_left_out_stays_and_null_takes_away(key: str) -> None:
    managed(key, **MANAGED)

    managed(key, spend_limits={"per_hour": None}, throttling=None, alert_thresholds=None)

    budget = Budget.objects.get()
    assert (budget.monthly_budget, budget.per_request, budget.per_hour) == (
        Decimal("10.50"), Decimal("0.5"), None,
    )  # fmt: skip
    assert (budget.throttle_from, budget.throttle_to, budget.alert_thresholds) == (None, None, None)


@pytest.mark.parametrize(
    "written", [b'"0.123456789012345678"', b"0.123456789012345678", b"1.23456789012345678e-1"]
)
def test_an_amount_is_read_to_the_last_digit_as_string_or_number(key: str, written: bytes) -> None:
    post(UPDATE, b'{"budget_management": {"monthly_budget": ' + written + b"}}", key=key)

    assert Budget.objects.get().monthly_budget == Decimal("0.123456789012345678")


def test_a_budget_that_only_tells_is_shown_and_protects_from_nothing(acme: Account, key: str) -> None:
    billed = a_plan("large", included_usage=Decimal(25), overage_policy="bill", price="60")
    subscribe(billed, account=acme)

    body = managed(key, monthly_budget=10, auto_pause=False).body

    assert body["budget_management"]["monthly_budget"] == "10"
    assert body["budget_management"]["auto_pause"] is False
    # The plan's, and none at the budget itself, which is what they are percentages of.
    assert body["budget_management"]["alert_thresholds"] == [80.0, 90.0, 100.0]
    assert body["overage_protection"]["enabled"] is False


def test_the_strictest_amount_is_told(key: str) -> None:
    managed(key, monthly_budget=10, auto_pause=False)

    told = look(LIMITS, key=key).body

    assert told["limits"]["monthly_budget"] == told["budget_management"]["monthly_budget"] == "10"
    assert told["overage_protection"]["max_monthly_cost"] == "25"


# --- Overage protection ---


def protected(key: str, **fields: Any) -> Posted:
    return post(UPDATE, {"overage_protection": fields}, key=key)


def test_switching_it_off_takes_the_maximum_away_and_leaves_the_plans(key: str) -> None:
    assert protected(key, max_monthly_cost="12").body["overage_protection"]["max_monthly_cost"] == "12"

    told = protected(key, enabled=False).body["overage_protection"]

    assert (told["enabled"], told["max_monthly_cost"]) == (True, "25")
    assert Budget.objects.get().max_monthly_cost is None


def test_the_first_threshold_can_be_moved_alone(key: str) -> None:
    # The plan tells at 80, 90 and 100 percent.
    told = protected(key, alert_threshold=85.0).body

    assert told["budget_management"]["alert_thresholds"] == [85.0, 90.0, 100.0]
    assert told["overage_protection"]["alert_threshold"] == 85.0


@pytest.mark.parametrize(
    ("body", "pointer", "told"),
    [
        (
            {"overage_protection": {"enabled": False, "max_monthly_cost": 5}},
            "/overage_protection/enabled",
            "Without it there is no max_monthly_cost",
        ),
        (
            {
                "budget_management": {"alert_thresholds": [50, 90]},
                "overage_protection": {"alert_threshold": 60},
            },
            "/overage_protection/alert_threshold",
            "It is the first of alert_thresholds",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(key: str, body: dict[str, Any], pointer: str, told: str) -> None:
    status, field, said = fault(post(UPDATE, body, key=key))

    assert (status, field) == (400, pointer)
    assert said.startswith(told)
    assert not Budget.objects.exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"overage_protection": {"enabled": True}}, "/overage_protection/enabled"),
        ({"overage_protection": {"auto_pause_at_limit": True}}, "/overage_protection/auto_pause_at_limit"),
        ({"budget_management": {"auto_pause": True}}, "/budget_management/auto_pause"),
    ],
)
def test_nothing_can_be_promised_at_an_amount_that_nobody_set(body: dict[str, Any], pointer: str) -> None:
    free = a_key(an_account("free"), scopes=(Scope.READ, Scope.ADMIN)).plain

    assert fault(post(UPDATE, body, key=free))[:2] == (400, pointer)


# --- What is wrong is named ---


@pytest.mark.parametrize(
    ("body", "pointer", "told"),
    [
        (
            {"budget_management": {"monthly_budget": "25.01"}},
            "/budget_management/monthly_budget",
            "The plan allows 25 USD a billing period: choose at most that, or take a larger plan first.",
        ),
        (
            {"budget_management": {"spend_limits": {"per_day": 0}}},
            "/budget_management/spend_limits/per_day",
            "Give an amount above 0, or none.",
        ),
        (
            {"budget_management": {"monthly_budget": "1e40"}},
            "/budget_management/monthly_budget",
            "'1E+40' is too large.",
        ),
        (
            {"budget_management": {"monthly_budget": "NaN"}},
            "/budget_management/monthly_budget",
            "'NaN' is not a finite amount.",
        ),
        (
            {"budget_management": {"monthly_budget": True}},
            "/budget_management/monthly_budget",
            "Expected `decimal | null`, got `bool`.",
        ),
        (
            {"budget_management": {"alert_thresholds": [80.5]}},
            "/budget_management/alert_thresholds",
            "Give whole percentages between 1 and 100.",
        ),
        (
            {"budget_management": {"alert_thresholds": [90, 80]}},
            "/budget_management/alert_thresholds",
            "Give ascending percentages between 1 and 100, each once.",
        ),
        (
            {"budget_management": {"alert_thresholds": [1] * 101}},
            "/budget_management/alert_thresholds",
            "Give at most 100 percentages.",
        ),
        (
            {"budget_management": {"throttling": {"from_percent": 80, "to_percent": 100}}},
            "/budget_management/throttling/to_percent",
            "Give a whole percentage between 1 and 99.",
        ),
        (
            {"budget_management": {"throttling": {"from_percent": 80}}},
            "/budget_management/throttling/to_percent",
            "Object missing required field `to_percent`.",
        ),
        (
            {"budget_management": {"budget": 5}},
            "/budget_management/budget",
            "Object contains unknown field `budget`.",
        ),
        ({"monthly_budget": 5}, "/monthly_budget", "Object contains unknown field `monthly_budget`."),
    ],
)
def test_the_field_that_is_wrong_is_named_and_nothing_is_stored(
    key: str, body: dict[str, Any], pointer: str, told: str
) -> None:
    answer = post(UPDATE, body, key=key)

    assert fault(answer) == (400, pointer, told)
    assert answer.body["pointer"] == pointer
    assert not Budget.objects.exists()


def test_a_loosening_says_how_much_the_plan_allows(key: str) -> None:
    answer = managed(key, monthly_budget="26")

    assert answer.body["code"] == "budget_above_plan"
    assert answer.body["errors"][0]["allowed"] == "25"


@pytest.mark.parametrize("percent", [b"1e1000000", b"-1", b"101"])
def test_an_absurd_percentage_is_refused_at_once(key: str, percent: bytes) -> None:
    body = b'{"overage_protection": {"alert_threshold": ' + percent + b"}}"

    assert fault(post(UPDATE, body, key=key))[:2] == (400, "/overage_protection/alert_threshold")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null"])
def test_what_is_no_object_is_refused(key: str, body: bytes) -> None:
    assert post(UPDATE, body, key=key).status == 400


def test_an_empty_object_changes_nothing(key: str) -> None:
    assert post(UPDATE, {}, key=key).body["budget_management"]["monthly_budget"] == "25"
    assert not BudgetChange.objects.exists()


def test_a_body_beyond_all_reason_is_refused(key: str) -> None:
    assert post(UPDATE, b" " * 20_000 + b"{}", key=key).status == 413


# --- Pause and resume ---


def test_a_pause_refuses_all_calls_until_it_is_resumed(key: str) -> None:
    told = post(PAUSE, {"reason": "A runaway script."}, key=key).body["budget_state"]

    assert (told["paused"], told["paused_automatically"], told["paused_reason"]) == (
        True, False, "A runaway script.",
    )  # fmt: skip
    assert (told["paused_at"], told["paused_until"]) == ("2026-03-15T12:00:00Z", None)
    assert look("/api/subscription/status/acme", key=key).body["data"]["reason"] == (
        "All calls are paused: A runaway script. Resume the budget to go on."
    )

    assert post(RESUME, b"", key=key).body["budget_state"]["paused"] is False
    assert is_granted()


def test_a_used_up_budget_is_told_with_its_end_and_not_resumed(acme: Account, key: str) -> None:
    managed(key, monthly_budget="0.0035")
    record(an_event())
    budgets.protect(acme, at=NOW)

    told = look(LIMITS, key=key).body["budget_state"]
    assert (told["paused_automatically"], told["paused_until"]) == (True, "2026-04-15T12:00:00Z")

    answer = post(RESUME, b"", key=key)
    assert (answer.status, answer.body["code"]) == (409, "budget_used_up")


def test_pausing_twice_and_resuming_what_runs_are_conflicts(key: str) -> None:
    assert post(RESUME, b"", key=key).body["code"] == "budget_not_paused"
    post(PAUSE, {"reason": "Holidays."}, key=key)

    assert post(PAUSE, {"reason": "Holidays."}, key=key).body["code"] == "budget_paused"


@pytest.mark.parametrize(
    ("body", "pointer"), [({}, "/reason"), ({"reason": " "}, "/reason"), ({"why": "x"}, "/why")]
)
def test_a_pause_says_why(key: str, body: dict[str, Any], pointer: str) -> None:
    assert fault(post(PAUSE, body, key=key))[:2] == (400, pointer)
