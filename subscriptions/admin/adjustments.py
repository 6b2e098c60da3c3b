"""What waits for customers' next invoices: added and withdrawn by staff, billed by an invoice's line."""

from collections.abc import Mapping
from typing import Any, cast

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action

from subscriptions import adjustments
from subscriptions.actors import of_user
from subscriptions.admin.base import SETTLE, RowsOfAccounts, exact, link, minute
from subscriptions.admin.filters import ConditionFilter
from subscriptions.admin.forms import ReasonForm
from subscriptions.admin.money_forms import AdjustmentForm
from subscriptions.models import InvoiceItem
from usage.admin import operations
from usage.admin.base import staff_user
from usage.admin.operations import Operation


class WaitingFilter(ConditionFilter):
    title = "billed"
    parameter_name = "billed"
    conditions = {
        "no": ("Waiting", Q(line__isnull=True)),
        "yes": ("Billed", Q(line__isnull=False)),
    }


@admin.register(InvoiceItem)
class AdjustmentAdmin(RowsOfAccounts):
    list_display = ["description", "account", "shown_amount", "standing", "created", "actor"]
    list_filter = [WaitingFilter]
    list_select_related = ["account", "line__invoice", "withdrawn_by", "withdraws"]
    search_help_text = "The account's name or id"
    fields = ["account", "description", "shown_amount", "standing", "corrected", "created", "actor"]
    readonly_fields = ["shown_amount", "standing", "corrected", "created"]
    actions_detail = ["withdraw"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_settle_permission(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            return cast(HttpResponse, super().add_view(request, form_url, extra_context))

        def act(cleaned: Mapping[str, Any]) -> str:
            item = adjustments.add(**cleaned, at=timezone.now(), by=of_user(staff_user(request)))
            told = f"{exact(item.amount)} USD on the next invoice of {item.account}: {item.description}"
            self.log_addition(request, item, told)
            return told

        return operations.run(
            Operation(
                title="Adjust a next invoice",
                explanation="A line for the account's next invoice, whatever that is for. What is due now is "
                "not changed: a credit note does that.",
                form=AdjustmentForm,
                initial=request.GET.dict(),
                act=act,
                submit="Add it",
            ),
            admin=self,
            request=request,
        )

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        waiting = InvoiceItem.objects.filter(
            pk=object_id, line__isnull=True, withdrawn_by__isnull=True, withdraws__isnull=True
        )
        return list(super().get_actions_detail(request, object_id)) if waiting.exists() else []

    @admin.display(description="USD", ordering="amount")
    def shown_amount(self, item: InvoiceItem) -> str:
        return exact(item.amount)

    @admin.display(description="stands")
    def standing(self, item: InvoiceItem) -> str:
        line, opposite = getattr(item, "line", None), getattr(item, "withdrawn_by", None)
        if line is not None:
            return link(line.invoice)
        if opposite is not None:
            return link(opposite, "withdrawn")
        return link(item.withdraws, "withdraws another") if item.withdraws else "waiting"

    @admin.display(description="corrects")
    def corrected(self, item: InvoiceItem) -> str:
        return link(item.corrects)

    @admin.display(description="added (UTC)", ordering="created_at")
    def created(self, item: InvoiceItem) -> str:
        return minute(item.created_at)

    @action(description="Withdraw", url_path="withdraw", permissions=SETTLE)
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        item: InvoiceItem = operations.found(self, request, object_id)

        def act(cleaned: Mapping[str, Any]) -> str:
            adjustments.withdraw(
                item, reason=cleaned["reason"], at=timezone.now(), by=of_user(staff_user(request))
            )
            return f"Withdrawn: {item}. {cleaned['reason']}"

        operation = Operation(
            title=f"Withdraw {item.description}",
            explanation=f"Its opposite, {exact(-item.amount)} USD, will stand beside it on the next invoice.",
            form=ReasonForm,
            act=act,
            submit="Withdraw it",
            is_dangerous=True,
        )
        return operations.run(operation, admin=self, request=request, about=item)
