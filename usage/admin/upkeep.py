"""What the nightly tasks found: totals that drifted, to repair, and what the price lists have."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action

from usage import drift_reports
from usage.admin import operations
from usage.admin.base import ReadOnlyAdmin, staff_user
from usage.admin.operations import Operation, Panel
from usage.models import DriftReport, PriceCheck, PrunedMonth


@admin.register(DriftReport)
class DriftReportAdmin(ReadOnlyAdmin):
    list_display = ["checked_at", "start", "end", "found", "repaired_at", "left"]
    list_filter = ["checked_at"]
    list_select_related = ["repaired_by"]
    fields = [
        "checked_at", "start", "end", "found", "kinds", "first_differences",
        "repaired_at", "repaired_by", "repaired", "left",
    ]  # fmt: skip
    readonly_fields = ["kinds", "first_differences"]
    actions_detail = ["repair"]

    def has_repair_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("usage.repair_driftreport")

    @admin.display(description="of each kind")
    def kinds(self, report: DriftReport) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in report.by_kind.items()) or "none"

    @admin.display(description="the first of them")
    def first_differences(self, report: DriftReport) -> str:
        return "\n".join(report.differences) or "none"

    @action(description="Repair", url_path="repair", permissions=["repair"])
    def repair(self, request: HttpRequest, object_id: str) -> HttpResponse:
        report: DriftReport = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            repaired = drift_reports.repair(report, by=staff_user(request), at=timezone.now())
            told = "; ".join(repaired) or "nothing differs any more"
            return f"{report.repaired} repaired, {report.left} left: {told}."

        operation = Operation(
            title=f"Repair the totals of {report.start:%Y-%m-%d %H:%M} to {report.end:%Y-%m-%d %H:%M}",
            explanation="Sets what differs now to what the log says. A difference is a bug: keep the report "
            "for whoever looks for it.",
            act=act,
            submit="Repair",
            panels=[
                Panel(
                    title="What differed",
                    headers=["difference"],
                    rows=[[each] for each in report.differences],
                    note="" if report.differences else "Nothing.",
                )
            ],
        )
        return operations.run(operation, admin=self, request=request, about=report)


@admin.register(PriceCheck)
class PriceCheckAdmin(ReadOnlyAdmin):
    list_display = ["checked_at", "loaded", "added", "held", "kept"]
    fields = ["checked_at", "loaded", "added", "held", "kept", "first_prices"]
    readonly_fields = ["first_prices"]

    @admin.display(description="the first of them")
    def first_prices(self, found: PriceCheck) -> str:
        return "\n".join(found.sentences) or "none"


@admin.register(PrunedMonth)
class PrunedMonthAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "rows", "pruned_at", "periods_until"]
    fields = ["month", "rows", "pruned_at", "periods_until"]
