"""What people were told, with its deliveries; what our staff were told is marked read here."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action, display

from alerts import inbox
from alerts.admin import deliveries
from alerts.admin.base import AudienceFilter, RowsOfAnybody
from alerts.core.findings import Severity
from alerts.core.rules import RULES
from alerts.models import UsageAlert
from subscriptions.admin.base import LINK, minute
from subscriptions.admin.filters import ConditionFilter
from usage.admin import operations
from usage.admin.operations import Operation

SEVERITY_COLOURS = {
    Severity.INFO.value: "info",
    Severity.WARNING.value: "warning",
    Severity.ERROR.value: "danger",
}
STANDING_COLOURS = {"open": "warning", "ended": "success", "told": ""}
MARK_READ = "alerts.change_usagealert"


class RuleFilter(admin.SimpleListFilter):
    title = "rule"
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(rule.key, rule.name) for rule in RULES.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(rule=self.value()) if self.value() in RULES else queryset


class OpenFilter(ConditionFilter):
    title = "whether it holds"
    parameter_name = "holds"
    conditions = {
        "open": ("Open", Q(is_lasting=True, ended_at__isnull=True)),
        "ended": ("Ended", Q(ended_at__isnull=False)),
    }


@admin.register(UsageAlert)
class AlertAdmin(RowsOfAnybody):
    list_display = [
        "created", "shown_severity", "title", "rule_name", "whose", "standing", "ended", "sent",
    ]  # fmt: skip
    list_display_links = ["title"]
    list_filter = [RuleFilter, "severity", AudienceFilter, OpenFilter]
    fieldsets = [
        (None, {"fields": [("rule_name", "whose_page"), ("severity", "holds"), "title", "message"]}),
        ("What it is about", {"fields": [("page", "provider"), ("percent", "period")]}),
        ("Times (UTC)", {"fields": [("created", "sent"), ("ended", "read")]}),
    ]
    readonly_fields = [
        "rule_name", "whose_page", "holds", "page", "percent", "period", "created", "sent", "ended", "read",
    ]  # fmt: skip
    actions_detail = ["mark_read"]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        alert = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if alert is not None and request.user.has_perm("alerts.view_alertdelivery"):
            context["panels"] = [deliveries.panel_of(alert)]
        return cast(HttpResponse, super().change_view(request, object_id, form_url, context))

    def has_read_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(MARK_READ)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        ours = UsageAlert.objects.filter(pk=object_id, account=None, is_shown=True, read_at=None)
        return list(super().get_actions_detail(request, object_id)) if ours.exists() else []

    @display(description="severity", label=SEVERITY_COLOURS)
    def shown_severity(self, alert: UsageAlert) -> tuple[str, str]:
        return alert.severity, alert.get_severity_display()

    @admin.display(description="rule")
    def rule_name(self, alert: UsageAlert) -> str:
        return alert.rule_name

    @display(description="standing", label=STANDING_COLOURS)
    def standing(self, alert: UsageAlert) -> tuple[str, str]:
        return _standing(alert)

    @admin.display(description="standing")
    def holds(self, alert: UsageAlert) -> str:
        return _standing(alert)[1]

    @admin.display(description="threshold")
    def percent(self, alert: UsageAlert) -> str:
        return f"{alert.threshold} %" if alert.threshold else ""

    @admin.display(description="page")
    def page(self, alert: UsageAlert) -> str:
        """A link for our own pages; those of customers are not ours to open."""
        return format_html(LINK, alert.path, alert.path) if alert.account is None else alert.path

    @admin.display(description="period (UTC)")
    def period(self, alert: UsageAlert) -> str:
        if alert.period_start is None or alert.period_end is None:
            return ""
        return format_html("<span>{} – {}</span>", minute(alert.period_start), minute(alert.period_end))

    @admin.display(description="raised (UTC)")
    def created(self, alert: UsageAlert) -> str:
        return minute(alert.created_at)

    @admin.display(description="ended (UTC)")
    def ended(self, alert: UsageAlert) -> str:
        return minute(alert.ended_at)

    @admin.display(description="first sent (UTC)")
    def sent(self, alert: UsageAlert) -> str:
        return minute(alert.sent_at)

    @admin.display(description="read (UTC)")
    def read(self, alert: UsageAlert) -> str:
        return minute(alert.read_at)

    @action(description="Mark read", url_path="mark-read", permissions=["read"])
    def mark_read(self, request: HttpRequest, object_id: str) -> HttpResponse:
        alert: UsageAlert = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            inbox.mark_read(None, alert.pk, at=timezone.now())
            return f"Marked read: {alert.title}"

        operation = Operation(
            title=f"Mark “{alert.title}” read",
            explanation="It leaves the first page for all of us and stays in this list. What still holds "
            "tomorrow and is told once a day comes back then.",
            act=act,
            submit="Mark read",
            done=reverse("admin:index"),
        )
        return operations.run(operation, admin=self, request=request, about=alert)


def _standing(alert: UsageAlert) -> tuple[str, str]:
    """As a word of STANDING_COLOURS, and as people read it."""
    if not alert.is_lasting:
        return "told", "Told once"
    return ("open", "Open") if alert.is_open else ("ended", "Ended")
