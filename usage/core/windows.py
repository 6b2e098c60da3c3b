"""When a limit has room again. How windows move on is the database's to know (`usage_limits_at`)."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil

LENGTHS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(hours=24),
}
MICROSECOND = timedelta(microseconds=1)


def room_at(
    *,
    amount: Decimal,
    counted: Decimal,
    previous: Decimal,
    requested: Decimal,
    start: datetime,
    length: timedelta,
    at: datetime,
) -> datetime | None:
    """The first instant from `at` on at which a sliding window has room for `requested`, if nothing else
    happens; None when it never has, because that is more than the `amount` itself.

    `counted` is what the window that began at `start` counts, `previous` what the one before it did. The
    latter fades out evenly while the window lasts; after its end `counted` fades in the same way.
    """
    if requested > amount:
        return None
    room = Fraction(amount) - Fraction(requested)
    if counted <= room:
        fading, left, begins = Fraction(previous), room - Fraction(counted), start
    else:
        fading, left, begins = Fraction(counted), room, start + length
    if fading <= left:
        return max(begins, at)
    passed = ceil((fading - left) * (length // MICROSECOND) / fading)
    return max(begins + passed * MICROSECOND, at)
