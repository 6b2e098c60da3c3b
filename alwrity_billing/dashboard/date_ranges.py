"""Two days that a page or a download is asked for: read from its address, checked, bounded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.datastructures import MultiValueDict

# The names of the parameters; the first is a keyword of Python.
FROM, TO = "from", "to"
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)
DAY = timedelta(days=1)
WITHIN = [
    check(limit, "Choose a day in the years 2000 to 2099.")
    for check, limit in ((MinValueValidator, FIRST_DAY), (MaxValueValidator, LAST_DAY))
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The UTC days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """The first instant after them."""
        return datetime.combine(self.last, time(), UTC) + DAY

    @property
    def count(self) -> int:
        return (self.last - self.first).days + 1


def day_field(label: str) -> forms.DateField:
    return forms.DateField(
        label=label,
        validators=WITHIN,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": "Write a day as YYYY-MM-DD, such as 2026-03-15."},
    )


class DaysForm(forms.Form):
    """A form about the days `from` and `to` (UTC, both included), which its subclasses add fields to.

    Without `to` they end today, without `from` there are `usual_days` of them; at most `max_days` either way.
    """

    usual_days = 31
    max_days = 366

    def __init__(self, asked: MultiValueDict[str, str], *, at: datetime) -> None:
        today = at.astimezone(UTC).date()
        super().__init__(self._complete(asked, today=today), label_suffix="")
        self.asked = asked
        self.fields = {FROM: day_field("From"), TO: day_field("To"), **self.fields}

    @property
    def days(self) -> Days:
        """What a valid form asks for."""
        return Days(first=self.cleaned_data[FROM], last=self.cleaned_data[TO])

    @property
    def query(self) -> dict[str, str]:
        """What was asked for, as an address says it."""
        given = {name: self.asked.get(name, "").strip() for name in self.fields}
        return {name: value for name, value in given.items() if value}

    @property
    def message(self) -> str:
        """What is wrong with an invalid form: each field by its name in the address."""
        return "\n".join(f"{name}: {fault}" for name, faults in self.errors.items() for fault in faults)

    def clean(self) -> None:
        first, last = self.cleaned_data.get(FROM), self.cleaned_data.get(TO)
        if first is None or last is None:
            return
        if first > last:
            self.add_error(FROM, "Choose a day that is not after the last one.")
        elif Days(first=first, last=last).count > self.max_days:
            self.add_error(FROM, f"Choose at most {self.max_days} days.")

    def _complete(self, asked: MultiValueDict[str, str], *, today: date) -> Mapping[str, Any]:
        """What was asked for, with the days that it leaves open."""
        data = asked.copy()
        last = data.get(TO, "").strip() or today.isoformat()
        data[TO] = last
        if not data.get(FROM, "").strip():
            data[FROM] = _before(last, days=self.usual_days - 1)
        return data


def _before(last: str, *, days: int) -> str:
    """The day so many days before `last`; empty where that is none, which the form then says."""
    try:
        first = date.fromisoformat(last) - days * DAY
    except (ValueError, OverflowError):
        return FIRST_DAY.isoformat()
    return max(first, FIRST_DAY).isoformat()
