"""Schedules as text that compares, and what they say about a moment: pure, for Celery's and staff's alike."""

from datetime import datetime, timedelta
from typing import Any

from celery.schedules import BaseSchedule, crontab, maybe_schedule, schedule


def spelled(when: Any) -> str:
    """What a schedule says, the same text for the same schedule wherever it was read from."""
    known = maybe_schedule(when)
    if isinstance(known, crontab):
        fields = (known._orig_minute, known._orig_hour, known._orig_day_of_month)
        return " ".join(map(str, (*fields, known._orig_month_of_year, known._orig_day_of_week, known.tz)))
    if isinstance(known, schedule):
        return f"every {known.run_every}"
    return str(known)


def due_after(when: BaseSchedule, last: datetime) -> datetime | None:
    """When what ran at `last` is due again; None for schedules that only beat itself can tell of."""
    if isinstance(when, crontab):
        start, delta, _now = when.remaining_delta(last)
        due: datetime = start + delta
        return due
    if isinstance(when, schedule):
        every: timedelta = when.run_every
        return last + every
    return None
