"""When a sliding window has room again, against the arithmetic and against a search through the seconds."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.core.windows import LENGTHS, MICROSECOND, room_at

START = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
MINUTE = LENGTHS["minute"]


def room(
    *,
    amount: int | str,
    counted: int | str = 0,
    previous: int | str = 0,
    requested: int | str = 1,
    at: timedelta = timedelta(0),
    length: timedelta = MINUTE,
) -> timedelta | None:
    """How long after the window's start there is room."""
    found = room_at(
        amount=Decimal(amount),
        counted=Decimal(counted),
        previous=Decimal(previous),
        requested=Decimal(requested),
        start=START,
        length=length,
        at=START + at,
    )
    return None if found is None else found - START


def counts(*, counted: Decimal, previous: Decimal, after: timedelta, length: timedelta) -> Fraction:
    """What a window counts `after` its start, if nothing happens but that time passes."""
    gone = Fraction(after // MICROSECOND, length // MICROSECOND)
    if gone < 1:
        return Fraction(counted) + Fraction(previous) * (1 - gone)
    return Fraction(counted) * max(2 - gone, Fraction(0))


@pytest.mark.parametrize(
    ("previous", "seconds"),
    [
        (9, 0),  # 9 + 1 ≤ 10
        (10, 6),  # 10 × (1 − 6/60) = 9
        (12, 15),  # 12 × (1 − 15/60) = 9
        (18, 30),  # 18 × (1 − 30/60) = 9
        (36, 45),  # 36 × (1 − 45/60) = 9
    ],
)
def test_the_window_before_fades_evenly(previous: int, seconds: int) -> None:
    assert room(amount=10, previous=previous) == timedelta(seconds=seconds)


def test_what_the_present_window_counts_stays_until_its_end() -> None:
    # 5 + 10 × (1 − 36/60) + 1 = 10
    assert room(amount=10, counted=5, previous=10) == timedelta(seconds=36)
    # 9 leaves just the room of one; what was before has to be gone altogether.
    assert room(amount=10, counted=9, previous=10) == timedelta(seconds=60)


def test_a_full_window_fades_after_its_end() -> None:
    # 10 × (1 − 6/60) + 1 = 10
    assert room(amount=10, counted=10) == timedelta(seconds=66)
    # 20 × (1 − 33/60) + 1 = 10
    assert room(amount=10, counted=20) == timedelta(seconds=93)


def test_all_of_the_amount_waits_until_nothing_is_counted() -> None:
    assert room(amount=10, counted=1, requested=10) == timedelta(seconds=120)
    assert room(amount=10, previous=1, requested=10) == timedelta(seconds=60)
    assert room(amount=10, requested=10) == timedelta(0)


def test_more_than_the_amount_never_has_room() -> None:
    assert room(amount=10, requested=11) is None
    assert room(amount=10, requested="10.000000000000000001") is None


def test_where_there_is_room_it_is_there_now() -> None:
    assert room(amount=10, previous=10, at=timedelta(seconds=7)) == timedelta(seconds=7)
    assert room(amount=10, counted=9, at=timedelta(seconds=59)) == timedelta(seconds=59)


@pytest.mark.parametrize(("window", "tenth"), [("second", 0.1), ("minute", 6), ("hour", 360), ("day", 8640)])
def test_every_window_fades_over_its_own_length(window: str, tenth: float) -> None:
    assert room(amount=10, previous=10, length=LENGTHS[window]) == timedelta(seconds=tenth)


@pytest.mark.parametrize("previous", [3, 15, 18, 24, 36, 54])
def test_an_instant_that_is_exact_is_named_exactly(previous: int) -> None:
    # One call fits when one part in `previous` of the day has passed.
    day = LENGTHS["day"]

    assert room(amount=previous, previous=previous, length=day) == day / previous


def test_money_is_exact_to_its_last_place() -> None:
    # Of 54 × 10⁻¹⁸ USD one part in 54 is gone after 1600 of 86400 seconds.
    tiny, amount = "0.000000000000000001", "0.000000000000000054"

    found = room(amount=amount, previous=amount, requested=tiny, length=LENGTHS["day"])

    assert found == timedelta(seconds=1600)


amounts = st.decimals(min_value=0, max_value=100, places=2) | st.integers(0, 40).map(Decimal)


@given(
    amount=amounts,
    counted=amounts,
    previous=amounts,
    requested=amounts,
    length=st.sampled_from(sorted(LENGTHS.values())),
    passed=st.fractions(min_value=0, max_value="0.999999"),
)
def test_it_is_the_first_instant_with_room(
    amount: Decimal,
    counted: Decimal,
    previous: Decimal,
    requested: Decimal,
    length: timedelta,
    passed: Fraction,
) -> None:
    at = int(passed * (length // MICROSECOND)) * MICROSECOND

    def has_room(after: timedelta) -> bool:
        taken = counts(counted=counted, previous=previous, after=after, length=length)
        return taken + Fraction(requested) <= amount

    found = room(
        amount=str(amount),
        counted=str(counted),
        previous=str(previous),
        requested=str(requested),
        at=at,
        length=length,
    )

    if requested > amount:
        assert found is None
    else:
        assert found is not None
        assert has_room(found)
        assert found == at or not has_room(found - MICROSECOND)
