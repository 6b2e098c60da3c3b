"""Months counted from an anchor: they return to its day, and tile without gap or overlap."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.core.calendar import anchored_month, months_after, months_between

FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2090, 12, 31, tzinfo=UTC)
INSTANTS = st.integers(0, (LAST - FIRST) // timedelta(microseconds=1)).map(
    lambda microseconds: FIRST + timedelta(microseconds=microseconds)
)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("anchor", "months", "expected"),
    [
        ("2026-01-15", 1, "2026-02-15"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2026-01-31", 2, "2026-03-31"),
        ("2026-01-31", 3, "2026-04-30"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2026-01-30", 1, "2026-02-28"),
        ("2026-01-29", 1, "2026-02-28"),
        ("2024-01-29", 1, "2024-02-29"),
        ("2026-12-31", 2, "2027-02-28"),
        # A year from a leap day, and back to it after four.
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2026-03-31", -13, "2025-02-28"),
        ("2026-03-31", 0, "2026-03-31"),
    ],
)
def test_a_month_without_the_day_gives_its_last_and_the_next_returns(
    anchor: str, months: int, expected: str
) -> None:
    assert months_after(day(anchor), months) == day(expected)


def test_the_time_of_day_is_kept() -> None:
    anchor = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)

    assert months_after(anchor, 1) == datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)


def test_an_anchor_in_another_zone_is_counted_in_utc() -> None:
    anchor = datetime.fromisoformat("2026-02-01T01:00:00+02:00")

    assert months_after(anchor, 1) == datetime(2026, 2, 28, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "passed"),
    [("2026-02-27", 0), ("2026-02-28", 1), ("2026-03-30", 1), ("2026-03-31", 2), ("2026-01-30", -1)],
)
def test_whole_months_passed_are_counted_from_the_anchor(instant: str, passed: int) -> None:
    assert months_between(day("2026-01-31"), day(instant)) == passed


@given(anchor=INSTANTS, instant=INSTANTS)
def test_every_instant_lies_in_exactly_one_month(anchor: datetime, instant: datetime) -> None:
    start, end = anchored_month(anchor, instant)

    assert start <= instant < end
    assert anchored_month(anchor, start) == (start, end)
    assert anchored_month(anchor, end)[0] == end
    assert anchored_month(anchor, start - timedelta(microseconds=1))[1] == start


@given(anchor=INSTANTS, months=st.integers(-300, 300))
def test_months_over_decades_never_drift_off_the_anchors_day(anchor: datetime, months: int) -> None:
    moved = months_after(anchor, months)

    assert moved.day == anchor.day or (
        moved.day < anchor.day and (moved + timedelta(days=1)).month != moved.month
    )
    assert (moved.hour, moved.minute, moved.second) == (anchor.hour, anchor.minute, anchor.second)
