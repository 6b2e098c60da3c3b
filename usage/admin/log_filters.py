"""What the usage log is filtered by. None of the choices is read from the log, and none of them queries it:
each filter holds what was asked for, and `usage.admin.log` makes one question of all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, TextFilter
from unfold.contrib.filters.forms import AutocompleteDropdownForm
from unfold.widgets import INPUT_CLASSES, UnfoldAdminSelectWidget

from usage.browsing import DEFAULT_DAYS, LARGEST_ID, MAX_DAYS
from usage.models import Account
from usage.providers import PROVIDERS

LAST_DAYS = {1: "Last 24 hours", 7: "Last 7 days", DEFAULT_DAYS: "Last 31 days", 92: "Last 92 days"}
DAY = timedelta(days=1)
BEFORE = "before"


@dataclass(frozen=True, slots=True)
class Range:
    """The instants of [start, end), at most MAX_DAYS of them."""

    start: datetime
    end: datetime


class AccountFilter(admin.SimpleListFilter):
    """Whose calls are shown: those of `account`; None while there is no choice, or no such account."""

    title = "account"
    parameter_name = "account"
    template = "unfold/filters/filters_field.html"
    form_class = AutocompleteDropdownForm

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.request, self.model, self.model_admin = request, model, model_admin
        self.account = self._account()

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        return None

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {
            "form": self.form_class(
                request=self.request,
                label="By account",
                name=self.parameter_name,
                choices=(),
                field=self.model._meta.get_field("account"),
                model_admin=self.model_admin,
                data={self.parameter_name: None if self.account is None else self.account.pk},
            )
        }

    def _account(self) -> Account | None:
        """The account with the id that was asked for, or None."""
        asked = self.value()
        if not (asked and asked.isascii() and asked.isdigit() and int(asked) <= LARGEST_ID):
            return None
        return Account.objects.filter(pk=int(asked)).first()


class RangeForm(forms.Form):
    """The last days, or whole days of one's own, which win over them."""

    last = forms.TypedChoiceField(
        label="By time",
        choices=list(LAST_DAYS.items()),
        coerce=int,
        required=False,
        empty_value=None,
        widget=UnfoldAdminSelectWidget,
    )
    since = forms.DateField(
        label="Or from this day (UTC)",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": " ".join(INPUT_CLASSES)}),
    )
    until = forms.DateField(
        label="Up to and including",
        required=False,
        help_text=f"At most {MAX_DAYS} days, of which the last ones count.",
        widget=forms.DateInput(attrs={"type": "date", "class": " ".join(INPUT_CLASSES)}),
    )


class TimeFilter(admin.ListFilter):
    """When the calls happened, and how far back the pages before this one have come."""

    title = "time"
    template = "unfold/filters/filters_field.html"
    form_class = RangeForm

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]
        self.form = RangeForm({"last": str(DEFAULT_DAYS), **self.used_parameters})

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        # The page belongs to the range: whoever filters anew begins with the newest calls.
        return [*RangeForm.base_fields, BEFORE]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        return None

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        yield {"form": self.form}

    def range(self, *, at: datetime) -> Range:
        """The range that was asked for at the instant `at`; raises IncorrectLookupParameters for none."""
        if not self.form.is_valid():
            raise IncorrectLookupParameters(self.form.errors)
        asked = self.form.cleaned_data
        # A sender's clock may run ahead of ours.
        newest = at + settings.INGEST_MAX_CLOCK_SKEW
        if asked["since"] is None and asked["until"] is None:
            return Range(at - (asked["last"] or DEFAULT_DAYS) * DAY, newest)
        end = newest if asked["until"] is None else _start_of_day(asked["until"]) + DAY
        longest = end - MAX_DAYS * DAY
        start = end - DEFAULT_DAYS * DAY if asked["since"] is None else _start_of_day(asked["since"])
        return Range(max(start, longest), end)


def _start_of_day(day: date) -> datetime:
    # A year at either end of the calendar leaves no room for the days around it.
    year = min(max(day.year, 1900), 9000)
    return datetime.combine(day.replace(year=year), time(), UTC)


class ProviderFilter(DropdownFilter):  # type: ignore[misc]  # unfold has no types
    title = "provider"
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("", "All"), *((key, provider.name) for key, provider in PROVIDERS.items())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        return None


class StatusFilter(DropdownFilter):  # type: ignore[misc]
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("", "All"), ("ok", "Succeeded"), ("failed", "Failed (400 and above)")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        return None

    def failed(self) -> bool | None:
        """Whether failed calls are asked for, or the others, or both."""
        known: dict[str | None, bool] = {"ok": False, "failed": True}
        return known.get(self.value())


class ModelFilter(TextFilter):  # type: ignore[misc]
    title = "model, its exact name"
    parameter_name = "model"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        return None


class RequestTypeFilter(TextFilter):  # type: ignore[misc]
    title = "request type"
    parameter_name = "request_type"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        return None
