"""Accounts and their members."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.admin import TabularInline

from usage import members
from usage.actors import of_user
from usage.admin import standing
from usage.admin.base import ProjectAdmin, ReadOnlyAdmin, ReadOnlyInline, staff_user
from usage.models import Account, AccountChange, ApiKey, Invitation, Member


class MemberInline(TabularInline):  # type: ignore[misc]  # unfold has no types
    model = Member
    fields = ["user", "role"]
    autocomplete_fields = ["user"]
    extra = 0


class ApiKeyInline(ReadOnlyInline):
    """Issued on a page of their own, where the secret can be shown."""

    model = ApiKey
    fields = ["prefix", "name", "scopes", "last_used_at", "expiry_date", "revoked"]
    readonly_fields = fields


@admin.register(Account)
class AccountAdmin(ProjectAdmin):
    list_display = ["name", "external_id", "members_count", "created_at"]
    search_fields = ["name", "external_id", "members__user__username", "members__user__email"]
    ordering = ["-pk"]
    date_hierarchy = "created_at"
    fields = ["external_id", "name", "paused_reason", "default_output_cap", "created_at"]
    inlines = [MemberInline, ApiKeyInline]
    change_form_outer_before_template = "admin/usage/account/standing.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        # In order also where no list asks for one, as where an account is found by typing.
        return Account.objects.annotate(members_count=Count("members")).order_by(*self.ordering)

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> tuple[str, ...]:
        # Usage, invoices and other systems point at an account by its external id, so it never changes.
        return ("created_at",) if obj is None else ("external_id", "created_at")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        account = self.get_object(request, object_id)
        allowed = account is not None and self.has_view_or_change_permission(request, account)
        now = standing.of(account, at=timezone.now()) if allowed else None
        answer = super().change_view(request, object_id, form_url, {**(extra_context or {}), "standing": now})
        return cast(HttpResponse, answer)

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """Never: the log of an account must stay provable."""
        return False

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        with members.kept(form.instance, at=timezone.now(), by=of_user(staff_user(request))):
            super().save_formset(request, form, formset, change)

    @admin.display(description="members", ordering="members_count")
    def members_count(self, account: Account) -> int:
        return int(getattr(account, "members_count"))  # noqa: B009  # the annotation above


@admin.register(Member)
class MemberAdmin(ProjectAdmin):
    list_display = ["user", "account", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "account"]
    search_fields = ["user__username", "user__email", "account__name", "account__external_id"]
    autocomplete_fields = ["user", "account"]
    fields = ["account", "user", "role"]

    def save_model(self, request: HttpRequest, obj: Member, form: Any, change: bool) -> None:
        moved = Account.objects.filter(pk=form.initial.get("account"))
        with members.kept(obj.account, *moved, at=timezone.now(), by=of_user(staff_user(request))):
            super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Member) -> None:
        with members.kept(obj.account, at=timezone.now(), by=of_user(staff_user(request))):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        accounts = Account.objects.filter(members__in=queryset)
        with members.kept(*accounts, at=timezone.now(), by=of_user(staff_user(request))):
            super().delete_queryset(request, queryset)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ["email", "account", "role", "invited_by", "created_at", "expires_at", "sent_at"]
    list_select_related = ["account"]
    search_fields = ["email", "account__name", "account__external_id"]


@admin.register(AccountChange)
class AccountChangeAdmin(ReadOnlyAdmin):
    """Who changed what of an account's members, invitations and keys."""

    list_display = ["at", "account", "about", "subject", "actor", "before", "after"]
    list_filter = ["about"]
    list_select_related = ["account"]
    search_fields = ["subject", "actor", "account__name", "account__external_id"]
    date_hierarchy = "at"
