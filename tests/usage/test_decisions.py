"""The answer to "may I?": every limit consulted, which one refused, for how long, and what helps."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.support.authorizing import a_limit, an_operation, ask, limit
from tests.support.cast import NOW, an_event
from tests.support.recording import prepare, record
from usage import authorization, decisions
from usage.core.errors import UsageLimitExceededException
from usage.events import Units
from usage.models import Account, LimitSource
from usage.operations import Decision, LimitStanding, Operation

pytestmark = pytest.mark.django_db(transaction=True)

APRIL = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


def decide(*operations: Operation, at: datetime = NOW) -> Decision:
    return authorization.preflight(operations or [an_operation()], customer="acme", at=at)


def refusal(*operations: Operation, at: datetime = NOW) -> UsageLimitExceededException:
    with pytest.raises(UsageLimitExceededException) as refused:
        ask(*operations, at=at)
    return refused.value


def the_standing(decision: Decision) -> LimitStanding:
    (standing,) = decision.limits
    return standing


# --- What it shows ----------------------------------------------------------------------------------------


def test_a_limit_is_shown_as_it_stood_before_the_request() -> None:
    limit(a_limit("1.50", "cost", scope="provider", value="openai", name="openai_budget"))
    record(an_event("used"))  # 1000 × 2.50 + 100 × 10 USD a million
    ask()

    standing = the_standing(decide(an_operation(calls=2)))

    assert standing == LimitStanding(
        name="openai_budget",
        measure="cost",
        scope="provider:openai",
        window="period",
        mode="block",
        source="plan",
        limit="1.5",
        used="0.0035",
        held="0.0035",
        requested="0.007",
        remaining="1.493",
        resets_at=APRIL,
        refused=False,
    )


def test_what_is_held_by_the_request_itself_is_not_shown_as_held() -> None:
    limit(a_limit(5), a_limit(5, window="concurrent"))

    granted = ask(an_operation(calls=2), an_operation("tavily", ""))

    shown = {each.window: (each.held, each.requested, each.remaining) for each in granted.decision.limits}
    assert shown == {"period": ("0", "3", "5"), "concurrent": ("0", "1", "5")}


def test_every_limit_the_call_touches_is_listed_in_one_order() -> None:
    limit(a_limit(9, name="z"), a_limit(9, "tokens", name="a"), a_limit(0, scope="team", value="blue"))
    limit(a_limit(9, name="m"), source=LimitSource.BUDGET)

    assert [each.name for each in decide().limits] == ["z", "a", "m"]


@pytest.mark.parametrize(("amount", "shown", "remaining"), [(None, None, None), (0, "0", "0"), (5, "5", "4")])
def test_unlimited_and_nothing_are_told_apart(
    amount: int | None, shown: str | None, remaining: str | None
) -> None:
    limit(a_limit(amount))
    record(an_event())

    standing = the_standing(decide())

    assert (standing.limit, standing.remaining) == (shown, remaining)
    assert standing.refused is (amount == 0)


def test_what_remains_is_never_negative() -> None:
    limit(a_limit(3))
    record(*[an_event(f"e{number}") for number in range(5)])

    standing = the_standing(decide())

    assert (standing.used, standing.remaining) == ("5", "0")


@pytest.mark.parametrize("mode", ["bill", "notify"])
def test_a_limit_that_lets_pass_is_shown_and_does_not_refuse(mode: str) -> None:
    limit(a_limit(1, mode=mode))
    record(an_event("a"), an_event("b"))

    decision = decide()

    assert decision.allowed
    assert (the_standing(decision).mode, the_standing(decision).refused) == (mode, False)


def test_what_a_sliding_window_still_counts_of_the_one_before_is_used() -> None:
    limit(a_limit(10, window="minute"))
    record(*[an_event(f"e{number}") for number in range(8)])

    # 8 × (1 − 15/60)
    standing = the_standing(decide(at=NOW + timedelta(seconds=75)))

    assert (standing.used, standing.remaining) == ("6", "4")
    assert standing.resets_at == NOW + timedelta(seconds=120)


def test_amounts_are_plain_decimal_strings() -> None:
    limit(a_limit("1000000", "cost"), a_limit(10_000_000, "tokens"))

    # 1 × 2.50 USD a million
    decision = decide(an_operation(input_tokens=1, max_output_tokens=0))

    shown = {each.measure: (each.limit, each.requested) for each in decision.limits}
    assert shown == {"cost": ("1000000", "0.0000025"), "tokens": ("10000000", "1")}
    assert decision.estimated_cost == "0.0000025"


def test_a_cap_of_one_request_shows_what_one_of_the_calls_may_need() -> None:
    limit(a_limit(2000, "tokens", "request"))
    record(an_event())

    standing = the_standing(decide(an_operation(calls=3), an_operation(input_tokens=1500)))

    assert (standing.used, standing.held, standing.requested) == ("0", "0", "1600")
    assert (standing.remaining, standing.resets_at) == ("2000", None)


# --- Operations and prices --------------------------------------------------------------------------------


def test_a_workflow_is_estimated_as_a_whole_and_by_operation() -> None:
    decision = decide(an_operation("tavily", ""), an_operation(calls=5))

    # 0.001 + 5 × 0.0035
    assert decision.estimated_cost == "0.0185"
    assert [(each.provider, each.estimated_cost) for each in decision.operations] == [
        ("tavily", "0.001"),
        ("openai", "0.0035"),
    ]
    assert decision.price == decision.operations[0].price


def test_the_limits_of_a_workflow_are_asked_for_all_of_it() -> None:
    limit(a_limit(9), a_limit("1", "cost", scope="provider", value="openai"))

    decision = decide(an_operation("tavily", ""), an_operation(calls=2), an_operation())

    assert [each.requested for each in decision.limits] == ["4", "0.0105"]


@pytest.mark.parametrize(("amount", "allowed"), [(3, False), (4, True)])
def test_a_workflow_fits_as_a_whole_or_not_at_all(amount: int, allowed: bool) -> None:
    limit(a_limit(amount))

    assert decide(an_operation("tavily", ""), an_operation(calls=3)).allowed is allowed


def test_what_is_not_asked_of_a_limit_is_not_refused_by_it() -> None:
    limit(a_limit(0, "searches"), a_limit(1, "images"))
    record(an_event("a", provider="stability", model="", units=Units(images=2)))

    decision = decide()

    assert decision.allowed
    assert [each.requested for each in decision.limits] == ["0", "0"]


# --- Refusals ---------------------------------------------------------------------------------------------


def test_a_limit_that_resets_answers_429_and_when() -> None:
    limit(a_limit(1))
    record(an_event())

    refused = refusal()

    assert (refused.status, refused.error_code) == (429, "limit_exceeded")
    assert refused.details["retry_after"] == (APRIL - NOW).total_seconds()
    assert refused.details["decision"]["retry_after"] == refused.details["retry_after"]


def test_a_limit_of_nothing_answers_402() -> None:
    limit(a_limit(0, scope="provider", value="openai", name="openai_calls"))

    refused = refusal()

    assert (refused.status, refused.error_code) == (402, "not_included")
    assert refused.message == "Not included: the limit openai_calls is 0."
    assert "retry_after" not in refused.details


@pytest.mark.parametrize("window", ["second", "minute", "hour", "day", "period"])
def test_more_than_the_limit_itself_answers_402(window: str) -> None:
    limit(a_limit(5, window=window))

    refused = refusal(an_operation(calls=6))

    assert (refused.status, refused.error_code) == (402, "limit_exceeded")
    assert "retry_after" not in refused.details


def test_a_request_that_is_too_large_answers_402() -> None:
    limit(a_limit("0.0034", "cost", "request", name="per_call"))

    refused = refusal()

    assert refused.status == 402
    assert refused.message == (
        "Too large for one request: it may need 0.0035 USD, the limit per_call is 0.0034."
    )


def test_no_free_slot_answers_429() -> None:
    limit(a_limit(1, window="concurrent", name="slots"))
    ask()

    refused = refusal()

    assert (refused.status, refused.details["retry_after"]) == (429, 1)
    assert refused.message == "Too many calls at the same time: the limit slots is 1."


def test_the_sentence_says_what_is_taken_and_what_was_asked() -> None:
    limit(a_limit("0.005", "cost", name="monthly_cost"))
    record(an_event())

    assert refusal().message == (
        "The limit monthly_cost has no room: 0.0035 of 0.005 USD are used or held, and this may need 0.0035."
    )


def test_where_waiting_does_not_help_with_one_limit_it_does_not_help_at_all() -> None:
    limit(a_limit(1, window="minute"), a_limit(500, "tokens", "request", name="size"))
    record(an_event())

    refused = refusal()

    assert refused.status == 402
    assert "size" in refused.message
    assert [each["refused"] for each in refused.details["decision"]["limits"]] == [True, True]


@pytest.mark.parametrize(
    ("source", "who"),
    [
        (LimitSource.PLAN, "larger plan"),
        (LimitSource.BUDGET, "owner or billing admin"),
        (LimitSource.OVERRIDE, "support"),
    ],
)
def test_the_hint_names_who_can_raise_the_limit(source: LimitSource, who: str) -> None:
    limit(a_limit(0), source=source)

    refused = refusal()

    assert who in refused.hint
    assert refused.details["decision"]["upgrade"] == refused.hint


def test_a_granted_request_needs_no_hint() -> None:
    limit(a_limit(1))

    decision = decide()

    assert (decision.allowed, decision.reason, decision.message) == (
        True,
        "allowed",
        "The call may go ahead.",
    )
    assert decision.retry_after is None
    assert decision.upgrade is None


def test_an_account_whose_terms_allow_no_calls_is_told_why() -> None:
    limit(a_limit(0))
    Account.objects.update(suspended_reason="The subscription was canceled.")

    decision = decide()

    assert (decision.allowed, decision.reason) == (False, "subscription_inactive")
    assert decision.message == "The subscription was canceled."


def test_a_pause_by_staff_is_told_before_a_suspension() -> None:
    Account.objects.update(suspended_reason="The subscription was canceled.", paused_reason="Fraud.")

    assert decide().message == "The account is paused: Fraud."


def test_a_paused_account_is_told_why_before_any_limit() -> None:
    limit(a_limit(0))
    Account.objects.update(paused_reason="The card was declined.")

    decision = decide()

    assert (decision.allowed, decision.reason) == (False, "account_paused")
    assert decision.message == "The account is paused: The card was declined."
    assert decision.limits == []
    assert decisions.refusal(decision).status == 402


def test_a_refused_limit_resets_when_it_has_room_and_not_before() -> None:
    limit(a_limit(4, window="minute"))
    record(*[an_event(f"e{number}") for number in range(4)])

    standing = the_standing(decide(at=NOW + timedelta(seconds=10)))

    # The minute ends; a quarter of the next one later one of the four has faded.
    assert standing.resets_at == NOW + timedelta(seconds=75)


def test_the_seconds_to_wait_are_whole_and_never_none() -> None:
    limit(a_limit(1, window="second"))
    record(an_event(), at=NOW)

    # All of it has faded after 2 seconds.
    assert refusal(at=NOW + timedelta(milliseconds=700)).details["retry_after"] == 2
    assert refusal(at=NOW + timedelta(milliseconds=1999)).details["retry_after"] == 1


# --- Replays ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [timedelta(seconds=5), timedelta(hours=23)], ids=["soon", "next period"])
def test_a_repeated_request_is_answered_with_the_very_decision(later: timedelta) -> None:
    limit(a_limit(5), a_limit(5, window="minute"))
    asked_at = datetime(2026, 3, 31, 12, tzinfo=UTC)
    first = ask(key="k", at=asked_at, expires_in=timedelta(days=1))

    assert ask(key="k", at=asked_at + later, expires_in=timedelta(days=1)) == first


def test_a_repeated_request_is_answered_though_the_limit_is_full_by_now() -> None:
    limit(a_limit(1))

    first = ask(key="k")

    assert ask(key="k") == first
    assert Decimal(first.decision.limits[0].held) == 0
