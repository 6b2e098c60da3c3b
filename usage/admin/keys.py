"""API keys: issued with the secret shown once, looked at, revoked."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from usage import keys
from usage.actors import of_user
from usage.admin.base import ActionAdmin, staff_user
from usage.models import ApiKey, Scope


class IssueKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    scopes = forms.TypedMultipleChoiceField(
        choices=Scope.choices,
        coerce=Scope,
        initial=[Scope.INGEST],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = ApiKey
        fields = ["name", "account", "scopes", "expiry_date"]

    def clean_expiry_date(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expiry_date"]
        if expires_at is not None and expires_at <= timezone.now():
            raise ValidationError("The expiry must lie in the future; leave it empty for a key without one.")
        return expires_at


@admin.register(ApiKey)
class ApiKeyAdmin(ActionAdmin):
    list_display = ["prefix", "name", "acts_for", "scopes", "last_used_at", "expiry_date", "state"]
    list_filter = ["revoked", "last_used_at"]
    list_select_related = ["account"]
    search_fields = ["prefix", "name", "account__name", "account__external_id"]
    fields = ["prefix", "name", "account", "scopes", "last_used_at", "expiry_date", "revoked", "created"]
    add_fieldsets = [(None, {"fields": ["name", "account", "scopes", "expiry_date"]})]
    autocomplete_fields = ["account"]
    form = IssueKeyForm
    actions = ["revoke_chosen"]
    actions_submit_line = ["revoke_this"]

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        issued = keys.issue(
            name=form.cleaned_data["name"],
            account=form.cleaned_data["account"],
            scopes=form.cleaned_data["scopes"],
            expires_at=form.cleaned_data["expiry_date"],
            at=timezone.now(),
            by=of_user(staff_user(request)),
        )
        # The form's own instance is what the admin logs and links to next.
        obj.pk, obj.prefix = issued.key.pk, issued.key.prefix
        messages.warning(
            request,
            f"The API key is {issued.plain} — copy it now to where it is used: it is not shown again.",
        )

    @admin.display(description="account", ordering="account__name", empty_value="every account")
    def acts_for(self, key: ApiKey) -> str | None:
        return None if key.account is None else str(key.account)

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        if key.revoked:
            return "Revoked"
        return "Expired" if key.has_expired else "Active"

    @admin.action(description="Revoke the chosen keys", permissions=["change"])
    def revoke_chosen(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        for key in chosen:
            self.revoke_this(request, key)

    @admin.action(description="Revoke for good", permissions=["change"])
    def revoke_this(self, request: HttpRequest, key: ApiKey) -> None:
        if keys.revoke(key, at=timezone.now(), by=of_user(staff_user(request))):
            self.log_change(request, key, "Revoked.")
            messages.success(request, f"{key} is revoked and refused from now on.")
        else:
            messages.info(request, f"{key} was revoked before.")
