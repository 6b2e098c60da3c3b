"""What rows about money are filtered by beside their own columns."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import INPUT_CLASSES

from subscriptions import business
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import BillingHistory

DAY = timedelta(days=1)


def day_field(label: str) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date", "class": " ".join(INPUT_CLASSES)})
    return forms.DateField(label=label, required=False, widget=widget)


class DaysForm(forms.Form):
    since = day_field("Finalized from this day on (UTC)")
    until = day_field("Up to and including")


class FinalizedFilter(admin.ListFilter):
    """Whole days, in UTC, in which invoices were finalized."""

    title = "finalized"
    template = "unfold/filters/filters_field.html"

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]
        self.form = DaysForm(self.used_parameters)

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [*DaysForm.base_fields]

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        yield {"form": self.form}

    def queryset(self, request: HttpRequest, queryset: QuerySet[BillingHistory]) -> QuerySet[BillingHistory]:
        if not self.form.is_valid():
            raise IncorrectLookupParameters(self.form.errors)
        since, until = self.form.cleaned_data["since"], self.form.cleaned_data["until"]
        if since is not None:
            queryset = queryset.filter(finalized_at__gte=_start_of(since))
        return queryset if until is None else queryset.filter(finalized_at__lt=_start_of(until) + DAY)


class ConditionFilter(admin.SimpleListFilter):
    """Rows that meet one of some named conditions: `conditions` has the words and what they mean by value."""

    conditions: Mapping[str, tuple[str, Q]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, words) for value, (words, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.conditions.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen[1])


class AttentionFilter(admin.SimpleListFilter):
    """Open invoices that do not get paid by themselves."""

    title = "what is wrong"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("overdue", "Overdue"), ("failed", "Payment failed"), ("parked", "Push to Stripe parked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "overdue":
                return queryset.filter(state=InvoiceState.OPEN, due_at__lt=timezone.now())
            case "failed":
                return queryset.filter(state=InvoiceState.OPEN, collection__failed_attempts__gt=0)
            case "parked":
                return queryset.filter(pk__in=business.parked_invoices())
        return queryset


def _start_of(day: date) -> datetime:
    # A year at either end of the calendar leaves no room for the day after.
    year = min(max(day.year, 1900), 9000)
    return datetime.combine(day.replace(year=year), time(), UTC)
