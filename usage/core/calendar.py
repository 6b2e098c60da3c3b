"""Calendar months in UTC."""

from datetime import UTC, datetime


def month_of(instant: datetime) -> tuple[datetime, datetime]:
    """The calendar month in UTC that contains the aware `instant`, as a half-open pair."""
    start = instant.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return start, next_month(start)


def next_month(start: datetime) -> datetime:
    """The first instant of the month after the one that `start` begins."""
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
