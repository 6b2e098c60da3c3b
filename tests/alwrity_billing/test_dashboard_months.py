"""Months that a page is asked for, and what is left of the one that runs."""

from datetime import UTC, datetime, timedelta

import pytest

from alwrity_billing.dashboard.months import month_asked
from tests.support.cast import NOW
from tests.support.usage_rows import APRIL, MARCH

SECOND = timedelta(seconds=1)


def test_without_one_it_is_the_month_that_runs() -> None:
    month, error = month_asked("", at=NOW)

    assert (month.start, month.end, month.is_running, error) == (MARCH, APRIL, True, "")
    assert (month.name, month.query, month.after) == ("March 2026", {}, None)


def test_a_month_that_is_over_is_asked_for_by_name_and_lies_between_two_others() -> None:
    month, _ = month_asked("2026-01", at=NOW)

    assert (month.is_running, month.query) == (False, {"month": "2026-01"})
    assert month.after is not None
    assert (month.before.written, month.after.written) == ("2025-12", "2026-02")


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [("2000-01", False), ("1999-12", True), ("2026-03", False), ("2026-04", True), ("x", True)],
)
def test_only_months_of_our_time_that_have_begun_can_be_shown(text: str, is_wrong: bool) -> None:
    month, error = month_asked(text, at=NOW)

    assert bool(error) == is_wrong
    assert month.written == ("2026-03" if is_wrong else text)


@pytest.mark.parametrize(
    ("at", "days", "until"),
    [
        (MARCH, 0, datetime(2026, 3, 2, tzinfo=UTC)),
        (NOW, 14, datetime(2026, 3, 16, tzinfo=UTC)),
        (APRIL - SECOND, 30, APRIL),
        (APRIL, 31, APRIL),
    ],
)
def test_days_count_once_they_are_over_and_show_once_they_have_begun(
    at: datetime, days: int, until: datetime
) -> None:
    month, _ = month_asked("2026-03", at=at)
    assert (month.days, month.until) == (days, until)
