"""Calendar months (UTC) that a page can be asked for, as `?month=2026-03`. Pure: no Django, no clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from usage.core.calendar import month_of, months_after

DAY = timedelta(days=1)
WRITTEN = "%Y-%m"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMonth:
    """The month [start, end), as seen at the instant `at`."""

    start: datetime
    end: datetime
    at: datetime

    @property
    def is_running(self) -> bool:
        return self.start <= self.at < self.end

    @property
    def days(self) -> int:
        """How many days are over: all of them, or those before today."""
        return (min(self.at, self.end) - self.start) // DAY

    @property
    def until(self) -> datetime:
        """The end of the last day that has begun."""
        return min(self.end, self.start + self.days * DAY + DAY)

    @property
    def name(self) -> str:
        """ "March 2026"."""
        return f"{self.start:%B %Y}"

    @property
    def before(self) -> "ShownMonth":
        return ShownMonth(start=months_after(self.start, -1), end=self.start, at=self.at)

    @property
    def after(self) -> "ShownMonth | None":
        """The next month, if it has begun."""
        if self.end > self.at:
            return None
        return ShownMonth(start=self.end, end=months_after(self.end, 1), at=self.at)

    @property
    def written(self) -> str:
        """As an address says it: "2026-03"."""
        return f"{self.start:{WRITTEN}}"

    @property
    def query(self) -> dict[str, str]:
        """What an address has to say to mean it: nothing of the running one."""
        return {} if self.is_running else {"month": self.written}


def month_asked(text: str, *, at: datetime) -> tuple[ShownMonth, str]:
    """The month that `text` names, or else the one that holds `at`; and what is wrong with `text`."""
    start, end = month_of(at)
    running = ShownMonth(start=start, end=end, at=at)
    if not text:
        return running, ""
    try:
        asked = datetime.strptime(text, WRITTEN).replace(tzinfo=UTC)
    except ValueError:
        return running, "Write the month as 2026-03."
    if not EARLIEST <= asked <= start:
        return running, f"Choose a month from {EARLIEST:{WRITTEN}} to {running.written}."
    return ShownMonth(start=asked, end=months_after(asked, 1), at=at), ""
