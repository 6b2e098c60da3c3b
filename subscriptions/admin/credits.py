"""Credits: what accounts have paid ahead or were given, and every movement of it."""

from collections.abc import Mapping
from typing import Any, cast

from django.contrib import admin
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action

from subscriptions import credits
from subscriptions.actors import of_user
from subscriptions.admin.base import SETTLE, RowsOfAccounts, dollars, link, minute
from subscriptions.admin.filters import ConditionFilter
from subscriptions.admin.forms import ReasonForm
from subscriptions.admin.money_forms import CreditForm
from subscriptions.models import CreditEntry, CreditGrant, CreditKind
from usage.admin import operations
from usage.admin.base import staff_user
from usage.admin.operations import Operation, Panel

MAX_ENTRIES = 200


class LeftFilter(ConditionFilter):
    title = "left"
    parameter_name = "left"
    conditions = {
        "yes": ("Something is left", Q(balance__gt=0)),
        "no": ("Used up, expired or voided", Q(balance=0)),
    }


@admin.register(CreditGrant)
class CreditAdmin(RowsOfAccounts):
    list_display = [
        "name", "account", "shown_amount", "left", "priority", "expires", "reason", "created",
    ]  # fmt: skip
    list_filter = [LeftFilter, "kind"]
    search_help_text = "The account's name or id"
    fieldsets = [
        (None, {"fields": [("account", "kind"), ("shown_amount", "left"), "reason"]}),
        ("Its turn", {"fields": [("priority", "expires")]}),
        ("History (UTC)", {"fields": [("created", "voided"), "came_from"]}),
    ]
    readonly_fields = ["shown_amount", "left", "expires", "created", "voided", "came_from"]
    actions_detail = ["void"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_settle_permission(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            return cast(HttpResponse, super().add_view(request, form_url, extra_context))

        def act(cleaned: Mapping[str, Any]) -> str:
            given = {**cleaned, "kind": CreditKind(cleaned["kind"])}
            made = credits.grant(**given, at=timezone.now(), by=of_user(staff_user(request)))
            told = f"{made} for {made.account}. {made.reason}"
            self.log_addition(request, made, told)
            return told

        return operations.run(
            Operation(
                title="Give a credit",
                explanation="The account's next invoices take it before anything is charged. Nothing that is "
                "due already is changed.",
                form=CreditForm,
                initial={"kind": CreditKind.PROMOTIONAL, **request.GET.dict()},
                act=act,
                submit="Give it",
            ),
            admin=self,
            request=request,
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        credit = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if credit is not None and self.has_view_permission(request, credit):
            context["panels"] = [_ledger(credit)]
        return cast(HttpResponse, super().change_view(request, object_id, form_url, context))

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        left = CreditGrant.objects.filter(pk=object_id, balance__gt=0).exists()
        return list(super().get_actions_detail(request, object_id)) if left else []

    @admin.display(description="credit", ordering="kind")
    def name(self, credit: CreditGrant) -> str:
        return f"{credit.get_kind_display()} {credit.pk}"

    @admin.display(description="USD", ordering="amount")
    def shown_amount(self, credit: CreditGrant) -> str:
        return dollars(credit.amount)

    @admin.display(description="left", ordering="balance")
    def left(self, credit: CreditGrant) -> str:
        return dollars(credit.balance)

    @admin.display(description="expires (UTC)", ordering=F("expires_at").asc(nulls_last=True))
    def expires(self, credit: CreditGrant) -> str:
        return minute(credit.expires_at) or "never"

    @admin.display(description="given (UTC)", ordering="created_at")
    def created(self, credit: CreditGrant) -> str:
        return minute(credit.created_at)

    @admin.display(description="voided (UTC)")
    def voided(self, credit: CreditGrant) -> str:
        return minute(credit.voided_at)

    @admin.display(description="came from")
    def came_from(self, credit: CreditGrant) -> str:
        return link(credit.from_invoice) or link(getattr(credit, "credit_note", None))

    @action(description="Void", url_path="void", permissions=SETTLE)
    def void(self, request: HttpRequest, object_id: str) -> HttpResponse:
        credit: CreditGrant = operations.found(self, request, object_id)

        def act(cleaned: Mapping[str, Any]) -> str:
            credits.void(credit, at=timezone.now(), by=of_user(staff_user(request)), reason=cleaned["reason"])
            return f"{dollars(credit.balance)} USD of the {credit} are taken back. {cleaned['reason']}"

        operation = Operation(
            title=f"Void the {credit} of {credit.account}",
            explanation=f"Takes back the {dollars(credit.balance)} USD that are left. What invoices took "
            "stays with them.",
            form=ReasonForm,
            act=act,
            submit="Void the credit",
            is_dangerous=True,
        )
        return operations.run(operation, admin=self, request=request, about=credit)


@admin.register(CreditEntry)
class CreditEntryAdmin(RowsOfAccounts):
    """The ledger of all credits, append-only."""

    list_display = ["when", "account", "kind", "shown_amount", "of", "for_invoice", "actor", "reason"]
    list_display_links = ["when"]
    list_filter = ["kind"]
    list_select_related = ["account", "grant", "invoice"]
    search_help_text = "The account's name or id"
    fields = ["account", "kind", "shown_amount", "of", "for_invoice", "when", "actor", "reason"]
    readonly_fields = ["shown_amount", "of", "for_invoice", "when"]

    @admin.display(description="when (UTC)", ordering="pk")
    def when(self, entry: CreditEntry) -> str:
        return minute(entry.at)

    @admin.display(description="USD", ordering="amount")
    def shown_amount(self, entry: CreditEntry) -> str:
        return dollars(entry.amount)

    @admin.display(description="credit")
    def of(self, entry: CreditEntry) -> str:
        return link(entry.grant)

    @admin.display(description="invoice")
    def for_invoice(self, entry: CreditEntry) -> str:
        return link(entry.invoice)


def _ledger(credit: CreditGrant) -> Panel:
    found = credit.entries.select_related("invoice").order_by("-id")[:MAX_ENTRIES]
    return Panel(
        title="Ledger",
        headers=["when (UTC)", "what", "USD", "invoice", "who", "why"],
        rows=[
            [
                minute(each.at),
                each.get_kind_display(),
                dollars(each.amount),
                link(each.invoice),
                each.actor,
                each.reason,
            ]
            for each in found
        ],
    )
