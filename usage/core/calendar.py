"""Months in UTC: those of the calendar, and those counted from an anchor."""

from calendar import monthrange
from datetime import UTC, datetime

MONTHS_A_YEAR = 12


def month_of(instant: datetime) -> tuple[datetime, datetime]:
    """The calendar month in UTC that contains the aware `instant`, as a half-open pair."""
    start = instant.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return start, next_month(start)


def next_month(start: datetime) -> datetime:
    """The first instant of the month after the one that `start` begins."""
    return months_after(start, 1)


def months_after(anchor: datetime, months: int) -> datetime:
    """The aware `anchor` moved on (or back) by whole months, in UTC, its time of day kept.

    A month that lacks the anchor's day gives its last one; the next that has it returns to it: from the 31st
    of January come the 28th (29th) of February and the 31st of March.
    """
    anchor = anchor.astimezone(UTC)
    year, month = divmod(anchor.year * MONTHS_A_YEAR + anchor.month - 1 + months, MONTHS_A_YEAR)
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))


def months_between(anchor: datetime, instant: datetime) -> int:
    """How many whole months from `anchor` have passed at `instant`; negative before it.

    `months_after(anchor, n) <= instant < months_after(anchor, n + 1)` holds for the n returned.
    """
    anchor, instant = anchor.astimezone(UTC), instant.astimezone(UTC)
    passed = (instant.year - anchor.year) * MONTHS_A_YEAR + instant.month - anchor.month
    return passed if months_after(anchor, passed) <= instant else passed - 1


def anchored_month(anchor: datetime, instant: datetime) -> tuple[datetime, datetime]:
    """The month counted from `anchor` that contains `instant`, as a half-open pair."""
    passed = months_between(anchor, instant)
    return months_after(anchor, passed), months_after(anchor, passed + 1)
