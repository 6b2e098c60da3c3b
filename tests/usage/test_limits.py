"""Writing limits through their one door, and reading them as they stand."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

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
from usage import authorization, drift, limits
from usage.core.errors import InvalidRequest
from usage.events import Tags
from usage.limits import MAX_LIMITS
from usage.models import Account, LimitSource, UsageLimit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


def acme() -> Account:
    return Account.objects.get(external_id="acme")


def names(*, at: datetime = NOW) -> list[str]:
    return [state.name for state in limits.states(acme(), at=at)]


# --- Putting ----------------------------------------------------------------------------------------------


def test_the_limits_put_are_the_only_ones_of_their_source() -> None:
    limit(a_limit(5, name="calls"), a_limit(9, "tokens", name="tokens"))
    limit(a_limit("1", "cost", name="budget"), source=LimitSource.BUDGET)

    limit(a_limit(9, "tokens", name="tokens"), a_limit(3, "searches", name="searches"))

    assert names() == ["tokens", "budget", "searches"]


def test_none_at_all_takes_a_sources_limits_away() -> None:
    limit(a_limit(0))
    limit()

    assert names() == []
    assert is_granted()


def test_every_source_has_a_limit_of_its_own_of_the_same_thing() -> None:
    for source, amount in ((LimitSource.PLAN, 3), (LimitSource.BUDGET, 2), (LimitSource.OVERRIDE, 1)):
        limit(a_limit(amount), source=source)

    assert [is_granted(), is_granted()] == [True, False]
    assert [state.held for state in limits.states(acme(), at=NOW)] == [1, 1, 1]


@pytest.mark.parametrize(("amount", "granted"), [(None, True), (0, False), (2, False), (3, True)])
def test_a_changed_amount_counts_at_once_and_from_where_it_was(amount: int | None, granted: bool) -> None:
    limit(a_limit(9))
    record(an_event())
    ask()

    limit(a_limit(amount))

    assert counters("everything_calls_period") == (1, 1)
    assert is_granted() is granted


def test_a_limit_lowered_below_what_is_held_takes_nothing_back() -> None:
    limit(a_limit(5))
    granted = ask(an_operation(calls=3))

    limit(a_limit(1))

    assert state_of("everything_calls_period").remaining == 0
    assert not is_granted()
    settle(granted, "one")
    assert counters("everything_calls_period") == (1, 2)


def test_the_name_can_change_and_the_limit_stays_the_same() -> None:
    limit(a_limit(1, name="old"))
    record(an_event())
    (before,) = UsageLimit.objects.all()

    limit(a_limit(1, name="new"))

    (after,) = UsageLimit.objects.all()
    assert (after.pk, after.name, after.used) == (before.pk, "new", 1)


def test_a_changed_mode_is_another_limit_that_knows_what_was_used_and_held() -> None:
    limit(a_limit(2, name="old"))
    record(an_event())
    ask()

    limit(a_limit(2, name="new", mode="bill"))

    assert counters("new") == (1, 1)
    assert is_granted()


def test_the_same_is_billed_from_one_amount_on_and_refused_from_another() -> None:
    limit(a_limit(1, mode="bill", name="included"), a_limit(2, name="ceiling"))

    assert is_granted()
    assert is_granted()
    assert not is_granted()
    assert counters("included") == counters("ceiling") == (0, 2)


@pytest.mark.parametrize(("window", "used"), [("minute", "2.5"), ("hour", 4), ("day", 4), ("period", 4)])
def test_a_new_limit_knows_what_its_window_has_seen(window: str, used: str | int) -> None:
    at = NOW + timedelta(seconds=90)
    for number, time in enumerate([NOW, NOW, NOW, at]):
        record(an_event(f"e{number}", at=time), at=time)

    limit(a_limit(9, window=window), at=at)

    # Of the three calls in the minute before, half are left.
    assert counters(f"everything_calls_{window}", at=at) == (Decimal(used), 0)


def test_a_new_limit_knows_what_is_held_in_its_scope() -> None:
    ask(an_operation(tags=Tags(team="blue")), an_operation("tavily", ""))

    limit(
        a_limit(9, scope="team", value="blue"),
        a_limit(9, scope="kind", value="search"),
        a_limit(9, window="concurrent"),
    )

    assert counters("blue_calls_period") == (0, 1)
    assert counters("search_calls_period") == (0, 1)
    assert counters("everything_calls_concurrent") == (0, 1)


def test_a_call_draws_what_was_held_for_its_own_team() -> None:
    limit(a_limit(1, scope="team", value="blue"))
    granted = ask(an_operation(), an_operation(tags=Tags(team="blue")))

    settle(granted, tags=Tags(team="blue"))

    assert counters("blue_calls_period") == (1, 0)


def test_a_limit_taken_away_and_put_again_has_missed_nothing() -> None:
    limit(a_limit(9))
    granted = ask(an_operation(calls=2))
    limit()
    settle(granted, "meanwhile")

    limit(a_limit(9))

    assert counters("everything_calls_period") == (1, 1)
    authorization.release(the_authorization(granted), at=NOW)
    assert counters("everything_calls_period") == (1, 0)


def test_the_limits_of_another_account_are_its_own() -> None:
    an_account("other")
    limit(a_limit(1))
    limit(a_limit(7), of="other")

    ask(customer="other")

    assert counters("everything_calls_period") == (0, 0)
    assert counters("everything_calls_period", of="other") == (0, 1)


# --- What cannot be a limit -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"amount": -1}, "must not be negative"),
        ({"amount": "NaN"}, "must not be negative"),
        ({"amount": "Infinity"}, "must not be negative"),
        ({"name": "x" * 65}, "between 1 and 64 characters"),
        ({"scope": "provider"}, "names its value"),
        ({"value": "openai"}, "everything names none"),
        ({"scope": "team", "value": "x" * 257}, "256 characters"),
        ({"measure": "tokens", "window": "concurrent"}, "counted in calls"),
    ],
)
def test_what_is_wrong_is_said_with_the_limits_name(wrong: dict[str, Any], said: str) -> None:
    terms = a_limit(**{"amount": 1, "name": "team_calls", **wrong})

    with pytest.raises(InvalidRequest, match=said) as refused:
        limit(terms)

    assert refused.value.message.startswith(f"The limit {terms.name!r}: ")
    assert refused.value.details == {"limit": terms.name}


@pytest.mark.parametrize("amount", ["1e18", "1e30", "0.0000000000000000001"])
def test_an_amount_that_cannot_be_kept_is_refused(amount: str) -> None:
    with pytest.raises(InvalidRequest, match="large_or_fine"):
        limit(a_limit(amount, "cost", name="large_or_fine"))


@pytest.mark.parametrize("field", ["name", "value"])
def test_text_that_cannot_be_kept_is_refused(field: str) -> None:
    with pytest.raises(InvalidRequest, match="limit"):
        limit(a_limit(1, **{"scope": "team", "value": "blue", field: "\x00"}))


def test_the_largest_amount_that_can_be_kept_is_kept_to_its_last_place() -> None:
    largest = "999999999999999999.999999999999999999"
    limit(a_limit(largest, "cost"))

    assert state_of("everything_cost_period").amount == Decimal(largest)
    assert is_granted()


def test_two_limits_of_the_same_thing_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"'second'.*counts the same"):
        limit(a_limit(1, name="first"), a_limit(2, name="second"))


def test_too_many_are_refused() -> None:
    many = [a_limit(1, scope="team", value=f"t{number}") for number in range(MAX_LIMITS + 1)]

    with pytest.raises(InvalidRequest, match=f"At most {MAX_LIMITS}"):
        limit(*many)
    limit(*many[:-1])
    assert len(names()) == MAX_LIMITS


def test_what_is_refused_changes_nothing() -> None:
    limit(a_limit(5, name="calls"))

    with pytest.raises(InvalidRequest):
        limit(a_limit(6, name="calls"), a_limit(-1, "tokens"))

    assert state_of("calls").amount == 5


# --- Reading ----------------------------------------------------------------------------------------------


def test_reading_moves_no_window() -> None:
    limit(a_limit(5, window="minute"))
    record(an_event())
    before = UsageLimit.objects.values().get()

    state = state_of("everything_calls_minute", at=NOW + timedelta(hours=1))

    assert (state.used, state.resets_at) == (0, NOW + timedelta(hours=1, minutes=1))
    assert UsageLimit.objects.values().get() == before


@pytest.mark.parametrize(("amount", "remaining"), [(None, None), (0, 0), (1, 0), (2, 0), (5, 3)])
def test_what_remains_is_none_when_unlimited_and_never_negative(
    amount: int | None, remaining: int | None
) -> None:
    record(an_event())
    ask()

    limit(a_limit(amount))

    assert state_of("everything_calls_period").remaining == remaining


def test_where_nothing_ends_nothing_resets() -> None:
    limit(a_limit(5, window="concurrent"), a_limit(5, window="request"))

    assert [state.resets_at for state in limits.states(acme(), at=NOW)] == [None, None]


def test_a_limit_put_before_any_period_opens_one() -> None:
    limit(a_limit(5), of="acme")

    assert state_of("everything_calls_period").resets_at == datetime(2026, 4, 1, tzinfo=NOW.tzinfo)
    assert drift.check(start=NOW, end=NOW + timedelta(days=40)) == []
