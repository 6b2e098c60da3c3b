"""Limits in force, authorizations, and the limits staff set themselves."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from usage import limits
from usage.admin.base import ProjectAdmin, ReadOnlyAdmin
from usage.core.errors import InvalidRequest
from usage.core.money import format_amount
from usage.limits import LimitTerms
from usage.models import (
    Authorization,
    LimitMode,
    LimitScope,
    LimitSource,
    Measure,
    UsageLimit,
    Window,
)


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


class OverrideForm(forms.ModelForm):  # type: ignore[type-arg]
    """A limit as staff set it; what it is of cannot change later, how much it allows can."""

    class Meta:
        model = UsageLimit
        fields = ["account", "name", "measure", "scope", "scope_value", "window", "amount", "mode"]
        help_texts = {
            "name": "What people and programs call it, such as calls_a_day.",
            "scope_value": "What the scope is of: openai, openai/gpt-4o, llm, a team … Empty for everything.",
            "amount": "Empty: unlimited. 0: nothing at all.",
        }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.initial.get("amount") is not None:
            self.initial["amount"] = format_amount(self.initial["amount"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                limits.check([self.terms(cleaned)])
            except InvalidRequest as wrong:
                raise forms.ValidationError(wrong.message) from wrong
            self._refuse_a_second(cleaned)
        return cleaned

    def _refuse_a_second(self, cleaned: dict[str, Any]) -> None:
        """A new override must not silently replace the one that counts the same."""
        if self.instance.pk is not None:
            return
        same = {name: cleaned[name] for name in ("account", "measure", "scope", "scope_value", "window")}
        known = UsageLimit.objects.filter(source=LimitSource.OVERRIDE, **same).first()
        if known is not None:
            raise forms.ValidationError(
                f"The override {known.name!r} counts the same: change that one instead."
            )

    def terms(self, cleaned: dict[str, Any]) -> LimitTerms:
        """The limit that the form asks for; fields shown for reading only come from the row."""
        asked = {
            name: cleaned[name] if name in cleaned else getattr(self.instance, name)
            for name in ("name", "measure", "scope", "scope_value", "window", "amount", "mode")
        }
        return LimitTerms(
            name=asked["name"],
            measure=Measure(asked["measure"]),
            window=Window(asked["window"]),
            amount=asked["amount"],
            scope=LimitScope(asked["scope"]),
            scope_value=asked["scope_value"],
            mode=LimitMode(asked["mode"]),
        )


@admin.register(UsageLimit)
class LimitAdmin(ShownAmounts, ProjectAdmin):
    """Limits of every source to look at; those of staff (overrides) are added, changed and removed here."""

    form = OverrideForm
    list_display = [
        "name", "account", "source", "window", "shown_amount", "shown_used", "shown_held", "mode",
    ]  # fmt: skip
    list_filter = ["source", "measure", "window", "mode"]
    list_select_related = ["account"]
    search_fields = ["name", "account__name", "account__external_id"]
    autocomplete_fields = ["account"]

    def get_readonly_fields(self, request: HttpRequest, obj: UsageLimit | None = None) -> tuple[str, ...]:
        return () if obj is None else ("account", "measure", "scope", "scope_value", "window")

    def has_change_permission(self, request: HttpRequest, obj: UsageLimit | None = None) -> bool:
        return self._is_ours(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: UsageLimit | None = None) -> bool:
        return self._is_ours(obj) and bool(super().has_delete_permission(request, obj))

    def save_model(self, request: HttpRequest, obj: UsageLimit, form: OverrideForm, change: bool) -> None:
        terms = form.terms(form.cleaned_data)
        saved = limits.put_one(obj.account, terms, source=LimitSource.OVERRIDE, at=timezone.now())
        obj.pk = saved.pk

    def delete_model(self, request: HttpRequest, obj: UsageLimit) -> None:
        limits.remove(obj, at=timezone.now())

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # Deleting many at once goes past the operation.
        return {
            name: action for name, action in super().get_actions(request).items() if name != "delete_selected"
        }

    def _is_ours(self, limit: UsageLimit | None) -> bool:
        return limit is None or limit.source == LimitSource.OVERRIDE


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
