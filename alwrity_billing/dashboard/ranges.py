"""Ranges of time that a page can be asked for, in words of its address. Pure: no Django, no clock.

`last` names a usual one that ends now; `from` and `to`, dates of UTC days that both belong to it, go before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import get_args

from usage.core.calendar import month_of, months_after
from usage.queries import Interval, next_start, start_of

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# More days than these are no question for a page.
MOST_DAYS = 2 * 366
# The finer the interval, the shorter what it can show: so many bars can still be told apart.
MOST_DAYS_OF = {"hour": 7, "day": 100, "month": MOST_DAYS}
USUAL = "30d"
DAYS_OF = {"7d": 7, "30d": 30, "90d": 90}
NAMES = {
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "month": "This month",
    "last_month": "Last month",
    "12m": "Last 12 months",
}
INTERVALS: tuple[Interval, ...] = get_args(Interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """[start, end) in whole hours, UTC, told by `interval`; `before` is where the range of the same length
    begins that ends with `start`. `last` is the name it goes by, empty for one between dates.
    """

    start: datetime
    end: datetime
    before: datetime
    interval: Interval
    last: str

    @property
    def first_day(self) -> date:
        return self.start.date()

    @property
    def last_day(self) -> date:
        """The last UTC day of it."""
        return (self.end - HOUR).date()

    @property
    def words(self) -> str:
        """ "Last 30 days", "1 Mar 2026 – 15 Mar 2026"."""
        return NAMES.get(self.last) or f"{_day(self.first_day)} – {_day(self.last_day)}"

    @property
    def query(self) -> dict[str, str]:
        """What an address has to say to mean it."""
        if self.last:
            return {"last": self.last, "interval": self.interval}
        return {"from": str(self.first_day), "to": str(self.last_day), "interval": self.interval}


def range_of(asked: Mapping[str, str], *, at: datetime) -> tuple[Range, dict[str, str]]:
    """The range that an address asks for, and what is wrong with it, by parameter.

    What cannot be is answered with the usual one. An interval that does not fit, too fine or too coarse, is
    exchanged for the nearest that does.
    """
    errors: dict[str, str] = {}
    if asked.get("from") or asked.get("to"):
        between = _between(asked, at=at, errors=errors)
        if between is not None:
            start, end = between
            return _range(start, end, before=start - (end - start), last="", asked=asked), errors
    last = asked.get("last") or USUAL
    if last not in NAMES:
        errors["last"] = f"Choose one of {', '.join(NAMES)}."
        last = USUAL
    return _usual(last, at=at, asked=asked), errors


def _usual(last: str, *, at: datetime, asked: Mapping[str, str]) -> Range:
    next_hour = start_of(at, interval="hour") + HOUR
    tomorrow = start_of(at, interval="day") + DAY
    month, following = month_of(at)
    match last:
        case "24h":
            start, end, before = next_hour - DAY, next_hour, next_hour - 2 * DAY
        case "month":
            start, end, before = month, following, months_after(month, -1)
        case "last_month":
            start, end, before = months_after(month, -1), month, months_after(month, -2)
        case "12m":
            start, end, before = months_after(month, -11), following, months_after(month, -23)
        case _:
            length = DAYS_OF[last] * DAY
            start, end, before = tomorrow - length, tomorrow, tomorrow - 2 * length
    return _range(start, end, before=before, last=last, asked=asked)


def _range(start: datetime, end: datetime, *, before: datetime, last: str, asked: Mapping[str, str]) -> Range:
    days = -((start - end) // DAY)
    fitting = [interval for interval in INTERVALS if days <= MOST_DAYS_OF[interval]]
    # A bar for each of a few is no picture.
    usual: Interval = "hour" if days <= 1 else "day" if days <= MOST_DAYS_OF["day"] else "month"
    wanted = asked.get("interval")
    interval = next((each for each in fitting if each == wanted), usual)
    return Range(start=start, end=end, before=before, interval=interval, last=last)


def _between(
    asked: Mapping[str, str], *, at: datetime, errors: dict[str, str]
) -> tuple[datetime, datetime] | None:
    first, last = (_date(asked, name, errors) for name in ("from", "to"))
    if errors:
        return None
    last = last or at.astimezone(UTC).date()
    first = first or last - (DAYS_OF[USUAL] - 1) * DAY
    if first > last:
        errors["from"] = "Choose a day that is not after the last one."
    elif (last - first).days >= MOST_DAYS:
        errors["from"] = f"At most {MOST_DAYS} days can be shown: choose a later first day."
    if errors:
        return None
    return _midnight(first), next_start(_midnight(last), interval="day")


def _date(asked: Mapping[str, str], name: str, errors: dict[str, str]) -> date | None:
    text = asked.get(name, "")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        errors[name] = "Write the day as 2026-03-31."
        return None
    if not 2000 <= day.year <= 2100:
        errors[name] = "Choose a year from 2000 to 2100."
        return None
    return day


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
