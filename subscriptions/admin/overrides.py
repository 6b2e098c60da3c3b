"""Limits for one customer: added with a reason, ended by hand or by the clock, never edited."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action

from subscriptions import entitlements, overrides
from subscriptions.actors import of_user
from subscriptions.admin.forms import NewAmountForm, OverrideForm
from subscriptions.models import LimitOverride
from usage.admin import operations
from usage.admin.base import ActionAdmin, staff_user
from usage.admin.operations import Operation
from usage.core.errors import BillingError
from usage.core.money import format_amount


class InForceFilter(admin.SimpleListFilter):
    title = "in force"
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "In force"), ("no", "Ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LimitOverride]) -> QuerySet[LimitOverride]:
        match self.value():
            case "yes":
                return queryset.filter(ended_at__isnull=True)
            case "no":
                return queryset.filter(~Q(ended_at__isnull=True))
        return queryset


@admin.register(LimitOverride)
class OverrideAdmin(ActionAdmin):
    form = OverrideForm
    list_display = [
        "name", "account", "shown_amount", "window", "mode", "reason", "ends_at", "ended_at", "created_by",
    ]  # fmt: skip
    list_filter = [InForceFilter, "measure", "window"]
    list_select_related = ["account", "created_by"]
    search_fields = ["name", "account__name", "account__external_id", "reason"]
    autocomplete_fields = ["account"]
    fields = [
        "account", "name", "measure", "scope", "scope_value", "window", "shown_amount", "mode", "reason",
        "ends_at", "created_at", "created_by", "ended_at", "ended_by",
    ]  # fmt: skip
    add_fieldsets = [(None, {"fields": OverrideForm.Meta.fields})]
    actions_detail = ["change_amount", "end_now"]

    def get_fieldsets(self, request: HttpRequest, obj: LimitOverride | None = None) -> Any:
        return self.add_fieldsets if obj is None else super().get_fieldsets(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"mode": "block", **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: LimitOverride, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        made = overrides.add(
            obj.account,
            entitlements.terms_of(obj),
            reason=obj.reason,
            ends_at=obj.ends_at,
            by=of_user(staff_user(request)),
            at=timezone.now(),
        )
        obj.pk = made.pk

    def has_manage_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("subscriptions.change_limitoverride")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What the operation refuses is told above the list instead of being an error page."""
        try:
            answer: HttpResponse = super().add_view(request, form_url, extra_context)
        except BillingError as wrong:
            messages.error(request, wrong.message)
            return operations.to_add_page("subscriptions", "limitoverride")
        return answer

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        row = form.instance
        until = f" until {row.ends_at:%Y-%m-%d %H:%M} UTC" if row.ends_at else ""
        return f"Added for {row.account}: {row}{until}. {row.reason}"

    @admin.display(description="amount", ordering="amount")
    def shown_amount(self, override: LimitOverride) -> str:
        return "unlimited" if override.amount is None else format_amount(override.amount)

    @action(description="Change", url_path="change-amount", permissions=["manage"])
    def change_amount(self, request: HttpRequest, object_id: str) -> HttpResponse:
        override: LimitOverride = operations.found(self, request, object_id)

        def act(cleaned: Mapping[str, Any]) -> str:
            made = overrides.replace(override, **cleaned, by=of_user(staff_user(request)), at=timezone.now())
            self.log_addition(request, made, f"In place of {override}. {made.reason}")
            return f"{override} → {made}. {made.reason}"

        amount = None if override.amount is None else format_amount(override.amount)
        return operations.run(
            Operation(
                title=f"Change {override}",
                explanation="The override ends and one like it begins; what is used and held stays.",
                form=NewAmountForm,
                initial={"amount": amount, "ends_at": override.ends_at},
                act=act,
                submit="Change",
            ),
            admin=self,
            request=request,
            about=override,
        )

    @action(description="End now", url_path="end-now", permissions=["manage"])
    def end_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        override: LimitOverride = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            overrides.end(override, by=of_user(staff_user(request)), at=timezone.now())
            return f"{override} has ended: the plan's limit counts again."

        return operations.run(
            Operation(title=f"End {override}", act=act, submit="End it now", is_dangerous=True),
            admin=self,
            request=request,
            about=override,
        )

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        running = LimitOverride.objects.filter(pk=object_id, ended_at__isnull=True).exists()
        return list(super().get_actions_detail(request, object_id)) if running else []
