"""When a limit has room again. How windows move on is the database's to know (`usage_limits_at`)."""

from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

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
    room = amount - requested
    if counted <= room:
        fading, left, begins = previous, room - counted, start
    else:
        fading, left, begins = counted, room, start + length
    if fading <= left:
        return max(begins, at)
    share = 1 - left / fading
    passed = (share * (length // MICROSECOND)).to_integral_value(ROUND_CEILING)
    return max(begins + int(passed) * MICROSECOND, at)
