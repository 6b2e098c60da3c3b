"""Asking for permission on 64 connections at once: never more than the limit, and never less."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

from tests.support.authorizing import (
    a_limit,
    an_operation,
    ask,
    counters,
    is_granted,
    limit,
    settle,
    the_authorization,
)
from tests.support.cast import NOW
from tests.support.invariants import broken_invariants
from tests.support.racing import by_clients, crowd, together, watched
from tests.support.recording import prepare
from usage import authorization
from usage.core.errors import Conflict
from usage.models import APIUsageLog, Authorization
from usage.operations import Authorized

CLIENTS = 64
ATTEMPTS = 2_000
CALLS = 500
UNEVEN_ATTEMPTS = 800
ROUNDS = 15
LIFETIME = timedelta(minutes=1)
DEADLINE = NOW + LIFETIME
INPUT_PRICE = Decimal("0.0000025")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


@pytest.fixture(autouse=True)
def nothing_is_broken(world: None) -> Iterator[None]:
    with crowd():
        yield
    assert broken_invariants() == []


def tokens_of(number: int) -> int:
    """Between 1 and 997 input tokens, different from one attempt to the next."""
    return 1 + number * 389 % 997


def test_exactly_as_many_calls_are_granted_as_the_limit_has() -> None:
    limit(a_limit(CALLS))

    with watched() as seen:
        answers = by_clients(lambda _: is_granted(), times=ATTEMPTS, clients=CLIENTS)

    assert Counter(answers) == {True: CALLS, False: ATTEMPTS - CALLS}
    assert seen.peaks == {"everything_calls_period": CALLS}
    assert seen.looks > CLIENTS
    assert Authorization.objects.count() == CALLS


def test_uneven_costs_fill_the_limit_until_nothing_refused_fits() -> None:
    amount = Decimal("0.5")
    limit(a_limit("0.5", "cost"))
    costs = [tokens_of(number) * INPUT_PRICE for number in range(UNEVEN_ATTEMPTS)]

    def ask_for(number: int) -> bool:
        return is_granted(an_operation(input_tokens=tokens_of(number), max_output_tokens=0))

    with watched() as seen:
        answers = by_clients(ask_for, times=UNEVEN_ATTEMPTS, clients=CLIENTS)

    granted = sum(cost for cost, answer in zip(costs, answers, strict=True) if answer)
    refused = [cost for cost, answer in zip(costs, answers, strict=True) if not answer]
    assert counters("everything_cost_period") == (0, granted)
    assert granted <= amount
    assert refused
    assert granted + min(refused) > amount
    assert seen.peaks["everything_cost_period"] == granted


def test_of_two_limits_each_is_filled_until_nothing_refused_fits_both() -> None:
    calls, tokens = 400, 80_000
    limit(a_limit(calls), a_limit(tokens, "tokens", scope="provider", value="openai"))

    def ask_for(number: int) -> bool:
        if number % 2:
            return is_granted(an_operation("tavily", ""))
        return is_granted(an_operation(input_tokens=tokens_of(number), max_output_tokens=0))

    with watched() as seen:
        answers = by_clients(ask_for, times=UNEVEN_ATTEMPTS, clients=CLIENTS)

    asked = [0 if number % 2 else tokens_of(number) for number in range(UNEVEN_ATTEMPTS)]
    granted = [each for each, answer in zip(asked, answers, strict=True) if answer]
    smallest_refused = min(each for each, answer in zip(asked, answers, strict=True) if not answer)
    assert counters("everything_calls_period") == (0, len(granted))
    assert counters("openai_tokens_period") == (0, sum(granted))
    assert len(granted) == calls or sum(granted) + smallest_refused > tokens
    assert seen.excesses == set()
    assert seen.peaks == {"everything_calls_period": len(granted), "openai_tokens_period": sum(granted)}


def ask_or_sweep(number: int, *, at: datetime) -> bool:
    """Every eighth client sweeps, the others ask for a minute."""
    if number % 8 == 7:
        authorization.expire(at=at, limit=10)
        return False
    return is_granted(at=at, expires_in=LIFETIME)


def test_slots_of_holds_that_expire_are_taken_again_and_never_twice() -> None:
    slots = 10
    limit(a_limit(slots, window="concurrent"))

    for minute in range(3):
        now = NOW + minute * LIFETIME

        with watched() as seen:
            answers = by_clients(partial(ask_or_sweep, at=now), times=CLIENTS, clients=CLIENTS)

        assert sum(answers) == slots
        assert seen.excesses == set()


def test_one_key_from_sixteen_connections_is_one_authorization_with_one_answer() -> None:
    limit(a_limit(3))

    answers = by_clients(lambda _: ask(key="the same"), times=64, clients=16)

    assert all(answer == answers[0] for answer in answers)
    assert Authorization.objects.count() == 1
    assert counters("everything_calls_period") == (0, 1)


def test_a_key_that_is_refused_holds_nothing_however_often_it_is_repeated() -> None:
    limit(a_limit(0))

    assert not any(by_clients(lambda _: is_granted(key="the same"), times=64, clients=16))
    assert counters("everything_calls_period") == (0, 0)


# --- One authorization, and several who would end it -------------------------------------------------------


@pytest.fixture
def limited() -> None:
    limit(
        a_limit(None), a_limit("1", "cost"), a_limit(1, window="concurrent"), a_limit(None, window="minute")
    )


def settled(granted: Authorized) -> str:
    outcome = settle(granted, at=DEADLINE)
    assert outcome.outcome == "recorded"
    return "overrun" if outcome.overrun else "inside its hold"


def released(granted: Authorized) -> str:
    """What its owner is told who gives it back."""
    try:
        return authorization.release(the_authorization(granted), at=DEADLINE).state
    except Conflict as closed:
        return str(closed.details["state"])


def expired() -> str:
    """What the sweeper did."""
    return "expired" if authorization.expire(at=DEADLINE, limit=10) else ""


def test_a_settle_sent_twice_at_once_is_recorded_once(limited: None) -> None:
    for number in range(ROUNDS):
        granted = ask()

        outcomes = together(*[partial(settle, granted, f"e{number}")] * 4)

        expected = ["recorded", "replayed", "replayed", "replayed"]
        assert sorted(outcome.outcome for outcome in outcomes) == expected
        assert the_authorization(granted).settled_calls == 1
        assert counters("everything_calls_period") == (number + 1, 0)
        assert counters("everything_calls_concurrent") == (0, 0)


def test_two_settles_of_the_same_hold_are_both_facts_and_the_second_an_overrun(limited: None) -> None:
    for number in range(ROUNDS):
        granted = ask()

        outcomes = together(*[partial(settle, granted, f"e{number}-{each}") for each in "ab"])

        assert sorted(outcome.overrun for outcome in outcomes) == [False, True]
        assert the_authorization(granted).state == "settled"
        assert counters("everything_calls_period") == (2 * (number + 1), 0)
        assert counters("everything_calls_concurrent") == (0, 0)


def test_of_settle_release_and_expiry_exactly_one_ends_the_authorization(limited: None) -> None:
    endings = Counter[str]()
    for number in range(ROUNDS):
        granted = ask(expires_in=LIFETIME)

        outcome, told, swept = together(partial(settled, granted), partial(released, granted), expired)

        state = the_authorization(granted).state
        endings[state] += 1
        # What was used is recorded whatever else happened; only inside its hold it is no overrun.
        assert outcome == ("inside its hold" if state == "settled" else "overrun")
        assert told == state
        assert swept == ("expired" if state == "expired" else "")
        assert counters("everything_calls_period", at=DEADLINE) == (number + 1, 0)
        assert counters("everything_calls_concurrent", at=DEADLINE) == (0, 0)
    assert endings.total() == ROUNDS
    assert APIUsageLog.objects.count() == ROUNDS


def test_calls_of_a_workflow_settled_at_once_draw_its_hold_one_by_one(limited: None) -> None:
    calls = 12
    granted = ask(an_operation(calls=calls))

    outcomes = by_clients(lambda number: settle(granted, f"e{number}"), times=calls, clients=calls)

    assert not any(outcome.overrun for outcome in outcomes)
    assert the_authorization(granted).state == "settled"
    assert the_authorization(granted).settled_calls == calls
    assert counters("everything_calls_period") == (calls, 0)
    assert counters("everything_cost_period") == (calls * Decimal("0.0035"), 0)
    assert counters("everything_calls_concurrent") == (0, 0)


def extended(granted: Authorized) -> str:
    """What its owner is told who asks for another minute in the last moment."""
    try:
        last = DEADLINE - timedelta(microseconds=1)
        return authorization.extend(the_authorization(granted), expires_in=LIFETIME, at=last).state
    except Conflict:
        return "closed"


def test_an_extension_and_the_sweeper_agree_on_who_was_first(limited: None) -> None:
    for _ in range(ROUNDS):
        granted = ask(expires_in=LIFETIME)

        kept, swept = together(partial(extended, granted), expired)

        assert (kept, swept) in {("open", ""), ("closed", "expired")}
        assert the_authorization(granted).state == (swept or kept)
        assert counters("everything_calls_concurrent", at=DEADLINE) == (0, int(kept == "open"))
        released(granted)


def test_a_slot_that_expires_is_given_to_one_of_those_who_race_for_it(limited: None) -> None:
    for number in range(ROUNDS):
        ask_at = partial(is_granted, at=NOW + number * LIFETIME, expires_in=LIFETIME)

        answers = together(*[ask_at] * 6)

        assert sum(answers) == 1
