"""The windows of limits in the database: what they count, when they reset, and that waiting as told helps."""

from datetime import UTC, datetime, timedelta
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
from tests.support.cast import NOW, an_event
from tests.support.recording import prepare, record
from usage import authorization
from usage.core.errors import UsageLimitExceededException
from usage.core.windows import LENGTHS
from usage.events import Units
from usage.operations import Decision, Operation

pytestmark = pytest.mark.django_db(transaction=True)

SLIDING = sorted(LENGTHS)
# NOW, at noon, begins a second, a minute and an hour; the day begins at midnight.
MIDNIGHT = datetime(2026, 3, 15, tzinfo=UTC)
MARCH_ENDS = datetime(2026, 4, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def world() -> None:
    prepare()


def use(count: int, *, at: datetime) -> None:
    """Record so many calls."""
    for number in range(count):
        record(an_event(f"{at}-{number}", at=at), at=at)


def decision_on(*operations: Operation, at: datetime = NOW) -> Decision:
    return authorization.preflight(operations or [an_operation()], customer="acme", at=at)


def retry_after(*operations: Operation, at: datetime) -> int:
    """The seconds a refused request is told to wait."""
    with pytest.raises(UsageLimitExceededException) as refused:
        ask(*operations, at=at)
    assert refused.value.status == 429
    seconds: int = refused.value.details["retry_after"]
    return seconds


def fits_at(moment: datetime, *operations: Operation) -> bool:
    return decision_on(*operations, at=moment).allowed


# --- Sliding windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", SLIDING)
@pytest.mark.parametrize(("used", "granted"), [(3, True), (4, True), (5, False)])
def test_a_rate_is_never_passed(window: str, used: int, granted: bool) -> None:
    limit(a_limit(5, window=window))
    use(used, at=NOW)

    assert is_granted() is granted


@pytest.mark.parametrize("window", SLIDING)
@pytest.mark.parametrize(
    ("share", "left"),
    [("0", "8"), ("0.25", "6"), ("0.5", "4"), ("0.75", "2"), ("1", "0"), ("1.5", "0")],
)
def test_the_window_before_fades_evenly(window: str, share: str, left: str) -> None:
    limit(a_limit(100, window=window), at=MIDNIGHT)
    use(8, at=MIDNIGHT)
    next_begins = MIDNIGHT + LENGTHS[window]

    at = next_begins + float(share) * LENGTHS[window]

    assert counters(f"everything_calls_{window}", at=at) == (Decimal(left), 0)


@pytest.mark.parametrize("window", SLIDING)
def test_a_burst_over_the_boundary_cannot_double_the_rate(window: str) -> None:
    limit(a_limit(5, window=window), at=MIDNIGHT)
    boundary = MIDNIGHT + LENGTHS[window]
    use(5, at=boundary - timedelta(microseconds=1))

    assert not is_granted(at=boundary)


def test_both_windows_count_together() -> None:
    # 6 × (1 − 15/60) + 3 = 7.5
    limit(a_limit(9, window="minute"))
    use(6, at=NOW)
    use(3, at=NOW + timedelta(seconds=70))

    at = NOW + timedelta(seconds=75)

    assert counters("everything_calls_minute", at=at) == (Decimal("7.5"), 0)
    assert fits_at(at)
    assert not fits_at(at, an_operation(calls=2))


def test_what_the_window_before_still_holds_counts_as_used() -> None:
    limit(a_limit(10, window="minute"))
    granted = ask(an_operation(calls=4))
    half = NOW + timedelta(seconds=90)

    assert counters("everything_calls_minute", at=NOW + timedelta(seconds=30)) == (0, 4)
    assert counters("everything_calls_minute", at=half) == (2, 0)
    authorization.release(the_authorization(granted), at=half)
    assert counters("everything_calls_minute", at=half) == (0, 0)


@pytest.mark.parametrize(("happened_ago", "used"), [(0, "4"), (90, "2"), (150, "0")])
def test_a_call_counts_in_the_window_it_happened_in(happened_ago: int, used: str) -> None:
    # Recorded half a minute into its window: the one before counts half.
    at = NOW + timedelta(seconds=30)
    limit(a_limit(9, window="minute"), at=at)

    for number in range(4):
        record(an_event(f"e{number}", at=at - timedelta(seconds=happened_ago)), at=at)

    assert counters("everything_calls_minute", at=at) == (Decimal(used), 0)


def test_a_call_of_the_future_counts_from_now_on() -> None:
    limit(a_limit(9, window="minute"))

    record(an_event(at=NOW + timedelta(minutes=4)), at=NOW)

    assert counters("everything_calls_minute") == (1, 0)
    assert counters("everything_calls_minute", at=NOW + timedelta(minutes=2)) == (0, 0)


def test_a_clock_that_is_behind_gains_nothing() -> None:
    limit(a_limit(5, window="second"))
    use(5, at=NOW)

    assert not is_granted(at=NOW - timedelta(seconds=2))
    record(an_event("late"), at=NOW - timedelta(seconds=2))
    assert not is_granted(at=NOW)


@pytest.mark.parametrize("window", SLIDING)
def test_a_sliding_window_resets_at_its_end(window: str) -> None:
    limit(a_limit(5, window=window), at=MIDNIGHT)

    assert state_of(f"everything_calls_{window}", at=MIDNIGHT).resets_at == MIDNIGHT + LENGTHS[window]
    (standing,) = decision_on(at=MIDNIGHT).limits
    assert standing.resets_at == MIDNIGHT + LENGTHS[window]


# --- Waiting helps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", ["minute", "hour", "day"])
@pytest.mark.parametrize(
    ("amount", "before", "now", "asked"),
    [
        (3, 3, 0, 1),
        (3, 3, 0, 2),
        (3, 3, 0, 3),
        (7, 7, 2, 1),
        (10, 9, 1, 4),
        (10, 0, 10, 1),
        (10, 4, 10, 10),
        (15, 15, 0, 1),
        (24, 24, 0, 1),
    ],
)
def test_waiting_as_long_as_told_is_enough_and_no_longer_than_needed(
    window: str, amount: int, before: int, now: int, asked: int
) -> None:
    limit(a_limit(amount, window=window), at=MIDNIGHT)
    at = MIDNIGHT + LENGTHS[window]
    use(before, at=MIDNIGHT)
    use(now, at=at)
    operation = an_operation(calls=asked)

    seconds = retry_after(operation, at=at)

    assert fits_at(at + timedelta(seconds=seconds), operation)
    assert seconds == 1 or not fits_at(at + timedelta(seconds=seconds - 1), operation)


@pytest.mark.parametrize(("amount", "before", "now"), [(3, 3, 0), (7, 7, 2), (10, 4, 10), (24, 24, 0)])
@pytest.mark.parametrize("window", SLIDING)
def test_a_refusing_limit_resets_at_the_first_instant_with_room(
    window: str, amount: int, before: int, now: int
) -> None:
    limit(a_limit(amount, window=window), at=MIDNIGHT)
    at = MIDNIGHT + LENGTHS[window]
    use(before, at=MIDNIGHT)
    use(now, at=at)

    (standing,) = decision_on(at=at).limits

    assert standing.refused
    assert standing.resets_at is not None
    assert fits_at(standing.resets_at)
    assert not fits_at(standing.resets_at - timedelta(microseconds=1))


def test_a_period_has_room_when_the_next_begins() -> None:
    limit(a_limit(2))
    use(2, at=NOW)

    seconds = retry_after(at=NOW)

    assert NOW + timedelta(seconds=seconds) == MARCH_ENDS
    assert not fits_at(MARCH_ENDS - SECOND)
    assert fits_at(MARCH_ENDS)


def test_of_several_limits_the_one_that_lasts_longest_is_told() -> None:
    limit(a_limit(1, window="minute"), a_limit(1, window="hour"), a_limit(9))
    use(1, at=NOW)

    assert retry_after(at=NOW) == 2 * 3600  # until all of the hour's one call has faded


def test_a_slot_is_worth_asking_for_again_at_once() -> None:
    limit(a_limit(1, window="concurrent"))
    granted = ask()

    assert retry_after(at=NOW) == 1
    settle(granted)
    assert is_granted()


# --- Periods ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "used"), [(MARCH_ENDS - timedelta(microseconds=1), 2), (MARCH_ENDS, 0), (MARCH_ENDS + SECOND, 0)]
)
def test_a_period_ends_at_its_last_instant(at: datetime, used: int) -> None:
    limit(a_limit(5))
    use(2, at=NOW)

    assert counters("everything_calls_period", at=at) == (used, 0)


def test_late_usage_counts_in_the_period_that_is_open() -> None:
    limit(a_limit(5))
    april = MARCH_ENDS + SECOND

    record(an_event(at=MARCH_ENDS - SECOND), at=april)

    assert counters("everything_calls_period", at=april) == (1, 0)


def test_a_hold_stays_held_over_the_end_of_its_period() -> None:
    limit(a_limit(5))
    granted = ask(at=MARCH_ENDS - SECOND)

    assert counters("everything_calls_period", at=MARCH_ENDS) == (0, 1)
    settle(granted, at=MARCH_ENDS + SECOND)
    assert counters("everything_calls_period", at=MARCH_ENDS + SECOND) == (1, 0)


@pytest.mark.parametrize("given_back", ["swept", "released"])
def test_what_is_given_back_first_in_a_new_period_does_not_stop_its_counting(given_back: str) -> None:
    limit(a_limit(2))
    granted = ask(at=MARCH_ENDS - SECOND, expires_in=timedelta(seconds=30))
    april = MARCH_ENDS + timedelta(minutes=1)
    if given_back == "swept":
        assert authorization.expire(at=april, limit=10) == 1
    else:
        authorization.release(the_authorization(granted), at=april)

    use(2, at=april + SECOND)

    assert counters("everything_calls_period", at=april + SECOND) == (2, 0)
    assert not is_granted(at=april + SECOND)


def test_a_period_skipped_altogether_leaves_nothing() -> None:
    limit(a_limit(2))
    use(2, at=NOW)
    june = datetime(2026, 6, 10, tzinfo=UTC)

    use(1, at=june)

    assert counters("everything_calls_period", at=june) == (1, 0)


# --- One request, and slots -------------------------------------------------------------------------------


@pytest.mark.parametrize(("pages", "granted"), [(2, True), (3, True), (4, False)])
def test_the_cap_of_one_request_is_of_each_and_not_of_all(pages: int, granted: bool) -> None:
    limit(a_limit(3, "pages", "request"))
    use(1, at=NOW)

    assert is_granted(an_operation("firecrawl", "", units=Units(pages=pages), calls=3)) is granted


@pytest.mark.parametrize(("running", "granted"), [(0, True), (1, True), (2, False)])
def test_slots_are_counted_while_they_are_held(running: int, granted: bool) -> None:
    limit(a_limit(2, window="concurrent"))
    use(5, at=NOW)
    for _ in range(running):
        ask(an_operation(calls=3))

    assert is_granted() is granted


def test_a_slot_is_free_again_at_the_deadline() -> None:
    limit(a_limit(1, window="concurrent"))
    ask(expires_in=timedelta(seconds=60))

    assert not is_granted(at=NOW + timedelta(seconds=59))
    assert is_granted(at=NOW + timedelta(seconds=60))


def test_a_slot_of_a_scope_is_free_when_nothing_in_that_scope_is_held() -> None:
    limit(a_limit(1, window="concurrent", scope="provider", value="tavily"))
    granted = ask(an_operation("tavily", ""), an_operation())

    settle(granted, "search", provider="tavily", model="")

    assert counters("tavily_calls_concurrent") == (0, 0)
    assert the_authorization(granted).state == "open"
