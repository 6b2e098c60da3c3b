"""When a payment that failed is tried again. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta


def next_attempt(failures: int, *, failed_at: datetime, steps: Sequence[timedelta]) -> datetime | None:
    """The moment of the next attempt after so many `failures` (1 or more): one step after the other, each
    counted from the failure; None when there are none left.
    """
    return failed_at + steps[failures - 1] if failures <= len(steps) else None
