"""The clock in the admin: how every task stands, when it runs, and running one now."""

from datetime import timedelta
from typing import Any

from celery import current_app
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django_celery_beat import models as beats
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from unfold.decorators import action
from unfold.utils import display_for_label

from alwrity_billing import beat, clock
from alwrity_billing.clock import Entry, State
from alwrity_billing.models import TaskStanding
from subscriptions.admin.base import link, minute
from usage.admin import operations
from usage.admin.base import ProjectAdmin, ReadOnlyAdmin
from usage.admin.operations import Operation, Panel
from usage.core.errors import InvalidRequest
from usage.models import DriftReport, PriceCheck

TEMPLATE = "admin/clock.html"
REFRESH_S = 30
COLOURS = {
    State.ON_TIME: "success",
    State.LATE: "warning",
    State.FAILING: "danger",
    State.NEVER: "info",
    State.OFF: "",
}
HEADERS = [
    "task", "state", "when", "last run (UTC)", "last success (UTC)", "took", "rows", "late by",
    "what went wrong", "",
]  # fmt: skip
# What staff decide about an entry; the rest of one of the code's is the code's.
STAFFS = ("enabled", "interval", "crontab")

for schedule in (
    PeriodicTask,
    IntervalSchedule,
    CrontabSchedule,
    beats.SolarSchedule,
    beats.ClockedSchedule,
):
    admin.site.unregister(schedule)


@admin.register(TaskStanding)
class ClockAdmin(ReadOnlyAdmin):
    """In place of the list of standings, the whole clock; each standing has a page of its own."""

    fields = [
        "name", "last_started_at", "last_succeeded_at", "last_failed_at", "last_duration", "last_rows",
        "last_error", "failures_in_a_row", "runs", "failures",
    ]  # fmt: skip

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        at = timezone.now()
        found = clock.entries(at=at)
        may_run = request.user.has_perm("alwrity_billing.run_taskstanding")
        context = {
            **self.admin_site.each_context(request),
            "title": "Clock",
            "summary": clock.summary(found),
            "unknown": any(entry.row is None for entry in found),
            "panels": [
                Panel(
                    title="What happens by itself",
                    headers=HEADERS,
                    rows=[_cells(entry, may_run=may_run) for entry in found],
                ),
                _findings(),
            ],
            "refresh_s": REFRESH_S,
            "as_of": at,
        }
        return TemplateResponse(request, TEMPLATE, context)


class PeriodicTaskForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = PeriodicTask
        fields = ["name", "task", "args", "kwargs", *STAFFS]
        help_texts = {
            "interval": "An interval or a crontab, not both. Others use the same one: choose or add another.",
            "crontab": "In UTC.",
        }


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ProjectAdmin):
    """When a task runs, and whether. Beat hears of a change within seconds."""

    form = PeriodicTaskForm
    list_display = ["name", "task", "enabled", "interval", "crontab", "last_run_at"]
    list_filter = ["enabled"]
    list_select_related = ["interval", "crontab"]
    search_fields = ["name", "task"]
    ordering = ["name"]
    actions_detail = ["run_now", "back_to_default"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [name for name in PeriodicTaskForm.Meta.fields if name not in STAFFS] if _is_ours(obj) else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # One of the code's would come back with the next start of beat: it is switched off instead.
        return not _is_ours(obj) and bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        # To another schedule, yes; changing this one would change it for all that share it.
        field.widget.can_change_related = field.widget.can_delete_related = False
        return field

    def has_run_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("alwrity_billing.run_taskstanding")

    @action(description="Run now", url_path="run-now", permissions=["run"])
    def run_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row: PeriodicTask = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            clock.run_now(row)
            return f"“{row.name}” was sent to the workers. The clock shows how it went."

        operation = Operation(
            title=f"Run “{row.name}” now",
            explanation=f"{clock.about(row.task)} Beside its schedule, which stays as it is.".strip(),
            act=act,
            submit="Run now",
            done=reverse("admin:alwrity_billing_taskstanding_changelist"),
        )
        return operations.run(operation, admin=self, request=request, about=row)

    @action(description="Back to the default", url_path="back-to-default", permissions=["change"])
    def back_to_default(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row: PeriodicTask = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            if not _is_ours(row):
                raise InvalidRequest("Staff added this entry, so the code has no default for it.")
            beat.back_to_default(row)
            row.refresh_from_db()
            return f"Runs by the default again: {row.scheduler}."

        operation = Operation(
            title=f"Run “{row.name}” by the default",
            explanation=f"It runs {row.scheduler} now; the default stands in the code.",
            act=act,
            submit="Back to the default",
        )
        return operations.run(operation, admin=self, request=request, about=row)


class ScheduleAdmin(ProjectAdmin):
    """Schedules are shared, so they are added and chosen, never changed."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(IntervalSchedule)
class IntervalAdmin(ScheduleAdmin):
    fields = ["every", "period"]


@admin.register(CrontabSchedule)
class CrontabAdmin(ScheduleAdmin):
    list_display = ["__str__", "human_readable"]
    fields = ["minute", "hour", "day_of_month", "month_of_year", "day_of_week"]


def _findings() -> Panel:
    """What the nightly checks found last."""
    drift, prices = DriftReport.objects.first(), PriceCheck.objects.first()
    rows = [
        ["totals against the log", minute(drift.checked_at), link(drift, _told(drift))] if drift else [],
        ["price lists against the book", minute(prices.checked_at), link(prices)] if prices else [],
    ]
    shown = [row for row in rows if row]
    return Panel(
        title="What the nightly checks found",
        headers=["check", "last (UTC)", "found"],
        rows=shown,
        note="" if shown else "None has run yet.",
    )


def _told(report: DriftReport) -> str:
    if not report.found:
        return "none drifted"
    return f"{report.found} drifted, {'repaired' if report.left == 0 else 'not repaired'}"


def _is_ours(row: Model | None) -> bool:
    return isinstance(row, PeriodicTask) and row.name in current_app.conf.beat_schedule


def _cells(entry: Entry, *, may_run: bool) -> list[Any]:
    standing = entry.standing
    return [
        format_html('<span class="font-semibold">{}</span><br>{}', entry.name, entry.about),
        display_for_label(entry.state, "", COLOURS),
        _when(entry),
        minute(standing.last_started_at if standing else None),
        minute(standing.last_succeeded_at if standing else None),
        _seconds(standing.last_duration if standing else None),
        "" if standing is None or standing.last_rows is None else f"{standing.last_rows:,}",
        "" if entry.lag is None else _rough(entry.lag),
        _wrong(entry),
        _run_now(entry) if may_run else "",
    ]


def _when(entry: Entry) -> str:
    """When it runs, with the way to change that."""
    if entry.row is None:
        return "not known to beat yet"
    words = entry.row.crontab.human_readable if entry.row.crontab else str(entry.row.scheduler)
    return link(entry.row, f"{words}, changed" if entry.is_changed else words)


def _wrong(entry: Entry) -> str:
    if not entry.error or entry.standing is None:
        return ""
    times = max(entry.standing.failures_in_a_row, 1)
    return link(entry.standing, f"{times}×: {entry.error}")


def _run_now(entry: Entry) -> str:
    if entry.row is None:
        return ""
    address = reverse("admin:django_celery_beat_periodictask_run_now", args=[entry.row.pk])
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500 whitespace-nowrap" href="{}">Run now</a>', address
    )


def _seconds(took: timedelta | None) -> str:
    return "" if took is None else f"{took.total_seconds():,.2f} s"


def _rough(lag: timedelta) -> str:
    """To the second; what is late by days need not be told to the millisecond."""
    return str(timedelta(seconds=round(lag.total_seconds())))
