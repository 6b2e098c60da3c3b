"""Limits that change, and periods that begin, while everybody asks, settles and reports."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import Count

from tests.support.authorizing import (
    a_limit,
    ask,
    counters,
    is_granted,
    limit,
    settle,
    state_of,
)
from tests.support.cast import NOW, an_account, an_event
from tests.support.invariants import broken_invariants
from tests.support.racing import by_clients, crowd, together, watched
from tests.support.recording import prepare, record
from usage import authorization
from usage.core.errors import UsageLimitExceededException
from usage.limits import LimitTerms
from usage.models import APIUsageLog, Authorization, LimitSource
from usage.operations import Authorized

WRITERS = 16
TURNS = 12
ACCOUNTS = ("acme", "globex", "initech", "umbrella")
# The last day of a calendar-month period, and the first instants of the next one.
MONTH_ENDS = datetime(2026, 4, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()
    for external_id in ACCOUNTS[1:]:
        an_account(external_id)


@pytest.fixture(autouse=True)
def one_crowd_at_a_time(world: None) -> Iterator[None]:
    with crowd():
        yield


def over_and_over(act: Callable[[int], object], *, turns: int = TURNS) -> Callable[[], None]:
    """One who does `act` with 0, 1, … for `turns` turns."""

    def work() -> None:
        for turn in range(turns):
            act(turn)

    return work


def asked(**options: object) -> Authorized | None:
    """The authorization, or None when it was refused."""
    try:
        return ask(**options)  # type: ignore[arg-type]
    except UsageLimitExceededException:
        return None


def ask_and_end(writer: int, turn: int, *, customer: str = "acme") -> None:
    """Settle some authorizations, release others, forget the rest."""
    granted = asked(customer=customer)
    if granted is None:
        return
    match (writer + turn) % 3:
        case 0:
            settle(granted, subject=customer)
        case 1:
            authorization.release(Authorization.objects.get(pk=granted.id), at=NOW)


def some_terms(turn: int) -> list[LimitTerms]:
    """Amounts that go up and down, and limits that come and go; one of them is there every time."""
    calls = a_limit(200 + turn % 3)
    changing: list[list[LimitTerms]] = [
        [a_limit("5", "cost"), a_limit(50, window="minute")],
        [a_limit(None, "tokens"), a_limit(90, window="concurrent"), a_limit("7", "cost")],
        [a_limit(100, window="day"), a_limit(99, scope="provider", value="openai", window="hour")],
    ]
    return [calls, *changing[turn % 3]]


def test_limits_changed_under_load_count_everything_and_are_never_absent() -> None:
    limit(*some_terms(0))

    def changing() -> None:
        over_and_over(lambda turn: limit(*some_terms(turn)), turns=2 * TURNS)()

    def reporting(writer: int) -> Callable[[], None]:
        return over_and_over(lambda turn: record(*[an_event(f"{writer}-{turn}-{n}") for n in range(5)]))

    askers = [over_and_over(lambda turn, w=w: ask_and_end(w, turn)) for w in range(8)]  # type: ignore[misc]
    with watched() as seen:
        together(changing, *askers, reporting(1), reporting(2))

    assert seen.fewest_limits == 3
    assert seen.looks > TURNS
    assert broken_invariants(only_authorized=False) == []


def test_an_amount_lowered_under_load_is_not_passed_from_then_on() -> None:
    limit(a_limit(400))
    lowered_to: list[Decimal] = []

    def lowering() -> None:
        for amount in (300, 200, 100):
            limit(a_limit(amount))
        used, held = counters("everything_calls_period")
        lowered_to.append(used + held)

    answers = together(lowering, *[lambda: [is_granted() for _ in range(40)]] * 12)

    granted = sum(sum(answer) for answer in answers[1:] if answer)
    assert counters("everything_calls_period") == (0, granted)
    assert granted == max(100, *lowered_to)
    assert broken_invariants(only_authorized=False) == []


def test_a_stricter_budget_set_under_load_holds_beside_the_plan() -> None:
    limit(a_limit(400))

    together(
        lambda: limit(a_limit(60, name="budget"), source=LimitSource.BUDGET),
        *[lambda: [is_granted() for _ in range(10)]] * 12,
    )

    assert state_of("budget").held == state_of("everything_calls_period").held
    assert state_of("budget").held >= 60
    assert not is_granted()
    assert broken_invariants(only_authorized=False) == []


def test_a_period_that_begins_under_load_begins_once_and_has_its_whole_limit() -> None:
    amount, attempts = 60, 320
    limit(a_limit(amount), at=MONTH_ENDS - timedelta(hours=1))
    ticks = itertools.count(-attempts)

    def now() -> datetime:
        """The same clock for all; a millisecond passes with each look at it."""
        return MONTH_ENDS + timedelta(milliseconds=next(ticks))

    def call(number: int) -> bool:
        granted = asked(at=now())
        if granted is not None:
            settle(granted, at=now())
        return granted is not None

    with watched(clock=lambda: MONTH_ENDS) as seen:
        by_clients(call, times=2 * attempts, clients=16)

    assert seen.excesses == set()
    calls = APIUsageLog.objects.values_list("billing_period_id").annotate(count=Count("pk"))
    assert sorted(count for _, count in calls.order_by("billing_period_id")) == [amount, amount]
    assert counters("everything_calls_period", at=now()) == (amount, 0)
    assert broken_invariants() == []


def test_calls_settled_around_the_end_of_a_period_count_in_the_one_that_records_them() -> None:
    limit(a_limit(None), a_limit(None, window="minute"), at=MONTH_ENDS - timedelta(hours=1))
    before, after = MONTH_ENDS - timedelta(seconds=1), MONTH_ENDS + timedelta(seconds=1)

    def call(number: int) -> None:
        granted = ask(at=before)
        settle(granted, f"e{number}", at=after if number % 2 else before, time=before)

    by_clients(call, times=40, clients=8)

    assert counters("everything_calls_period", at=after) == (20, 0)
    assert broken_invariants() == []


def test_sixteen_writers_of_overlapping_accounts_never_deadlock() -> None:
    for external_id in ACCOUNTS:
        limit(
            a_limit(None), a_limit(500, window="minute"), a_limit(None, "cost", window="day"), of=external_id
        )

    def batch(writer: int, turn: int) -> None:
        """Events of all accounts in an order of its own, some of which another writer sends as well."""
        order = list(itertools.permutations(ACCOUNTS))[(writer + turn) % 24]
        record(
            *(
                an_event(f"{(writer + number) // 2}-{turn}-{number}", subject=subject)
                for number, subject in enumerate(order * 5)
            )
        )

    def write(writer: int) -> Callable[[], None]:
        if writer % 2:
            return over_and_over(lambda turn: batch(writer, turn))
        return over_and_over(
            lambda turn: ask_and_end(writer, turn, customer=ACCOUNTS[(writer + turn) % len(ACCOUNTS)])
        )

    together(*map(write, range(WRITERS)))

    assert broken_invariants(only_authorized=False) == []
