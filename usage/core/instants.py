"""Times as files spell them: ISO 8601, or Unix time in any common unit."""

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNIX_TIME = re.compile(r"([0-9]{10,20})(?:\.([0-9]+))?")
# As many digits as seconds have from 2001 to 2286; each three more are the next smaller unit.
DIGITS_OF_SECONDS = 10


def parse_instant(text: str) -> datetime:
    """The instant that `text` spells, in UTC, cut to microseconds without passing through a float.

    Takes ISO 8601 with or without an offset (without one it is UTC), any number of fractional digits, " UTC"
    in place of an offset; and Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by
    their length. Raises ValueError for anything else.
    """
    unix = UNIX_TIME.fullmatch(text)
    try:
        if unix is not None:
            return EPOCH + timedelta(microseconds=_microseconds(unix[1], unix[2] or ""))
        instant = datetime.fromisoformat(text.removesuffix(" UTC"))
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is neither an ISO 8601 time nor Unix time") from None


def _microseconds(whole: str, fraction: str) -> int:
    """`whole`.`fraction`, in the unit that the length of `whole` tells, as microseconds."""
    point = len(whole) - (len(whole) - DIGITS_OF_SECONDS) // 3 * 3
    digits = whole + fraction
    return int(digits[:point] + digits[point : point + 6].ljust(6, "0"))
