"""Limits in force and authorizations, to look at."""

from django.contrib import admin

from usage.admin.base import ReadOnlyAdmin
from usage.core.money import format_amount
from usage.models import Authorization, UsageLimit


class ShownAmounts:
    """A limit's amounts without the zeros of the table's eighteen decimals, as of its last change."""

    @admin.display(description="amount", ordering="amount")
    def shown_amount(self, limit: UsageLimit) -> str:
        return "unlimited" if limit.amount is None else format_amount(limit.amount)

    @admin.display(description="used, as last counted", ordering="used")
    def shown_used(self, limit: UsageLimit) -> str:
        return format_amount(limit.used)

    @admin.display(description="held, as last counted", ordering="held")
    def shown_held(self, limit: UsageLimit) -> str:
        return format_amount(limit.held)


@admin.register(UsageLimit)
class LimitAdmin(ShownAmounts, ReadOnlyAdmin):
    """Limits of every source, to look at. What sets them, a plan or an override, has pages of its own."""

    list_display = [
        "name", "account", "source", "window", "shown_amount", "shown_used", "shown_held", "mode",
    ]  # fmt: skip
    list_filter = ["source", "measure", "window", "mode"]
    list_select_related = ["account"]
    search_fields = ["name", "account__name", "account__external_id"]
    fields = [
        "account", "name", "source", "measure", "scope", "scope_value", "window", "mode", "shown_amount",
        "shown_used", "shown_held", "window_start",
    ]  # fmt: skip
    readonly_fields = ["shown_amount", "shown_used", "shown_held"]


@admin.register(Authorization)
class AuthorizationAdmin(ReadOnlyAdmin):
    """What was permitted and what became of it; newest first, found by account or id, never counted."""

    list_display = [
        "id",
        "account",
        "state",
        "created_at",
        "expires_at",
        "settled_calls",
        "settled_cost",
        "overrun",
    ]
    list_filter = ["state", "overrun"]
    list_select_related = ["account"]
    search_fields = ["id", "account__external_id"]
    ordering = ["-id"]
    show_full_result_count = False

    @admin.display(description="settled cost (USD)", ordering="settled_cost")
    def shown_cost(self, authorization: Authorization) -> str:
        return format_amount(authorization.settled_cost)

    @admin.display(description="beyond its hold", ordering="overrun")
    def shown_overrun(self, authorization: Authorization) -> str:
        return "yes" if authorization.overrun else ""
