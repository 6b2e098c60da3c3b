"""Permission before a call: the worst case is held, once, in every limit it touches."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.support.authorizing import (
    a_limit,
    an_operation,
    ask,
    counters,
    is_granted,
    limit,
    settle,
    state_of,
    the_authorization,
)
from tests.support.cast import NOW, an_account, an_event
from tests.support.recording import prepare, record
from usage import authorization, drift
from usage.core.errors import (
    InvalidRequest,
    NotFound,
    PricingException,
    UsageLimitExceededException,
)
from usage.models import Account, Authorization, Hold, LimitSource

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


@pytest.fixture(autouse=True)
def nothing_drifts(world: None) -> "object":
    yield
    end = NOW.replace(minute=0) + timedelta(days=40)
    assert drift.check(start=NOW.replace(minute=0) - timedelta(days=40), end=end) == []


def test_a_call_without_limits_is_granted() -> None:
    granted = ask()

    assert granted.decision.allowed
    assert granted.decision.limits == []


def test_the_worst_case_is_held_until_it_is_settled() -> None:
    limit(a_limit("1", "cost"), a_limit(10_000, "tokens"), a_limit(5))

    granted = ask()

    # 1000 × 2.50 + 100 × 10 USD a million
    assert counters("everything_cost_period") == (0, Decimal("0.0035"))
    assert counters("everything_tokens_period") == (0, 1100)
    assert counters("everything_calls_period") == (0, 1)
    settle(granted, output_tokens=40)
    assert counters("everything_cost_period") == (Decimal("0.0029"), 0)
    assert counters("everything_tokens_period") == (1040, 0)
    assert counters("everything_calls_period") == (1, 0)
    assert the_authorization(granted).state == "settled"


@pytest.mark.parametrize(("used", "granted"), [(3, True), (4, True), (5, False)])
def test_a_blocking_limit_is_never_passed(used: int, granted: bool) -> None:
    limit(a_limit(5))
    for number in range(used):
        record(an_event(f"e{number}"))

    assert is_granted() is granted


def test_what_is_refused_leaves_nothing() -> None:
    limit(a_limit(0))

    with pytest.raises(UsageLimitExceededException) as refused:
        ask()

    assert refused.value.status == 402
    assert refused.value.details["decision"]["reason"] == "not_included"
    assert counters("everything_calls_period") == (0, 0)
    assert not Authorization.objects.exists()
    assert not Hold.objects.exists()


def test_an_unlimited_limit_counts_and_never_refuses() -> None:
    limit(a_limit(None))

    ask()

    assert counters("everything_calls_period") == (0, 1)


@pytest.mark.parametrize("mode", ["bill", "notify"])
def test_only_a_blocking_limit_refuses(mode: str) -> None:
    limit(a_limit(0, mode=mode))

    assert is_granted()


def test_the_stricter_of_two_sources_wins() -> None:
    limit(a_limit(10))
    limit(a_limit(1), source=LimitSource.BUDGET)

    assert [is_granted() for _ in range(2)] == [True, False]


def test_a_limit_counts_its_scope_alone() -> None:
    limit(
        a_limit(1, scope="provider", value="openai"),
        a_limit(1, scope="kind", value="search"),
        a_limit(1, scope="model", value="openai/gpt-4o"),
        a_limit(1, scope="team", value="blue"),
        a_limit(1, scope="project", value="p"),
        a_limit(1, scope="request_type", value="chat"),
    )

    ask()

    assert counters("openai_calls_period") == (0, 1)
    assert counters("openai/gpt-4o_calls_period") == (0, 1)
    for untouched in ("search", "blue", "p", "chat"):
        assert counters(f"{untouched}_calls_period") == (0, 0)


def test_the_cap_of_one_request_holds_nothing() -> None:
    limit(a_limit("0.0035", "cost", "request"))

    assert is_granted()
    assert not is_granted(an_operation(input_tokens=1001))
    assert counters("everything_cost_request") == (0, 0)


def test_a_slot_is_taken_once_by_a_workflow_and_freed_with_its_last_operation() -> None:
    limit(a_limit(1, window="concurrent"))

    granted = ask(an_operation(), an_operation("tavily", ""))

    assert counters("everything_calls_concurrent") == (0, 1)
    assert not is_granted()
    settle(granted, "first")
    assert counters("everything_calls_concurrent") == (0, 1)
    settle(granted, "second", provider="tavily", model="")
    assert counters("everything_calls_concurrent") == (0, 0)
    assert is_granted()


def test_a_workflow_is_drawn_down_by_many_calls() -> None:
    limit(a_limit(10), a_limit("1", "cost"))

    granted = ask(an_operation(calls=3))

    assert counters("everything_calls_period") == (0, 3)
    settle(granted, "one", output_tokens=0)
    assert counters("everything_calls_period") == (1, 2)
    # 3 × 0.0035 held, 0.0025 used
    assert counters("everything_cost_period") == (Decimal("0.0025"), Decimal("0.0080"))
    settle(granted, "two", output_tokens=0)
    settle(granted, "three", output_tokens=0)
    assert counters("everything_cost_period") == (Decimal("0.0075"), 0)
    assert the_authorization(granted).state == "settled"


def test_a_workflow_refused_at_its_last_step_holds_nothing_of_the_first() -> None:
    limit(a_limit(2), a_limit(0, scope="provider", value="tavily"), a_limit(5, window="concurrent"))

    assert not is_granted(an_operation(), an_operation("tavily", ""))

    assert counters("everything_calls_period") == (0, 0)
    assert counters("everything_calls_concurrent") == (0, 0)


def test_beyond_its_hold_a_call_is_recorded_and_flagged() -> None:
    limit(a_limit("1", "cost"))
    granted = ask()

    outcome = settle(granted, output_tokens=101)

    assert outcome.outcome == "recorded"
    assert outcome.overrun
    assert the_authorization(granted).overrun
    assert counters("everything_cost_period") == (Decimal("0.00351"), 0)


def test_a_replayed_settlement_moves_nothing() -> None:
    limit(a_limit(5))
    granted = ask()
    settle(granted)

    assert settle(granted).outcome == "replayed"

    assert counters("everything_calls_period") == (1, 0)


def test_ingested_usage_moves_the_limits_and_is_never_refused() -> None:
    limit(a_limit(1))

    record(an_event("a"), an_event("b"))

    assert counters("everything_calls_period") == (2, 0)
    assert not is_granted()


def test_a_new_limit_starts_with_what_was_used_and_is_held() -> None:
    record(an_event("a"), an_event("b", provider="tavily", model=""))
    ask()

    limit(a_limit(5), a_limit("1", "cost", scope="provider", value="openai"), a_limit(9, window="hour"))

    assert counters("everything_calls_period") == (2, 1)
    assert counters("openai_cost_period") == (Decimal("0.0035"), Decimal("0.0035"))
    assert counters("everything_calls_hour") == (2, 1)


def test_a_changed_amount_keeps_what_was_used() -> None:
    limit(a_limit(5))
    record(an_event("a"))

    limit(a_limit(1))

    assert counters("everything_calls_period") == (1, 0)
    assert not is_granted()


def test_a_new_period_starts_anew_and_open_holds_stay() -> None:
    limit(a_limit(2))
    record(an_event("a"))
    ask(expires_in=timedelta(days=1))
    april = NOW.replace(month=4, day=1, hour=0)

    assert counters("everything_calls_period", at=april) == (0, 1)


def test_a_paused_account_is_refused_with_the_reason() -> None:
    Account.objects.update(paused_reason="The card was declined.")

    with pytest.raises(UsageLimitExceededException, match="card was declined") as refused:
        ask()

    assert (refused.value.status, refused.value.error_code) == (402, "account_paused")


def test_free_models_stay_usable_when_money_is_gone() -> None:
    limit(a_limit(0, "cost"))
    from_price = an_operation(input_tokens=0, max_output_tokens=0)

    assert is_granted(from_price)
    assert not is_granted(an_operation(input_tokens=1, max_output_tokens=0))


def test_a_customers_own_key_costs_nothing_and_counts() -> None:
    limit(a_limit(0, "cost"), a_limit(5))

    granted = ask(an_operation(byok=True))
    settle(granted, byok=True)

    assert counters("everything_calls_period") == (1, 0)
    assert counters("everything_cost_period") == (0, 0)


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(PricingException) as refused:
        ask(an_operation(model="gpt-99"))

    assert refused.value.error_code == "price_unknown"


def test_a_request_without_a_cap_holds_the_models_maximum() -> None:
    granted = ask(an_operation(max_output_tokens=None))

    assert granted.decision.operations[0].max_output_tokens == 16_384


def test_the_accounts_default_cap_is_held_where_it_is_lower() -> None:
    Account.objects.update(default_output_cap=50)

    granted = ask(an_operation(max_output_tokens=None))

    assert granted.decision.operations[0].max_output_tokens == 50
    assert granted.hold.amounts["tokens"] == "1050"


def test_another_account_is_not_touched() -> None:
    an_account("other")
    limit(a_limit(1))

    ask(customer="other")

    assert counters("everything_calls_period") == (0, 0)


def test_an_unknown_customer_is_not_found() -> None:
    with pytest.raises(NotFound, match="nobody"):
        ask(customer="nobody")


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
def test_a_deadline_out_of_bounds_is_refused(seconds: int) -> None:
    with pytest.raises(InvalidRequest, match="expires_in"):
        ask(expires_in=timedelta(seconds=seconds) or timedelta(microseconds=-1))


def test_preflight_decides_alike_and_changes_nothing() -> None:
    limit(a_limit(1))

    decision = authorization.preflight([an_operation()], customer="acme", at=NOW)

    assert decision.allowed
    assert state_of("everything_calls_period").held == 0
    assert not authorization.preflight([an_operation(calls=2)], customer="acme", at=NOW).allowed
