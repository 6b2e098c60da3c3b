"""Invoices: how they stand, all that is behind them, and what staff can do about one."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action, display

from subscriptions import credit_notes
from subscriptions.actors import of_user
from subscriptions.admin import invoice_pages, invoice_panels
from subscriptions.admin.base import SETTLE, RowsOfAccounts, dollars, minute, span, tax_of, unbroken
from subscriptions.admin.filters import AttentionFilter, FinalizedFilter
from subscriptions.admin.pushes import is_parked
from subscriptions.core.invoices import InvoiceState, allows
from subscriptions.models import BillingHistory, CreditNoteKind
from subscriptions.models.collection import PARKED
from usage.admin import operations
from usage.admin.base import staff_user

COLOURS = {
    InvoiceState.OPEN.value: "warning",
    InvoiceState.PAID.value: "success",
    InvoiceState.UNCOLLECTIBLE.value: "danger",
    InvoiceState.DRAFT.value: "info",
}


@admin.register(BillingHistory)
class InvoiceAdmin(RowsOfAccounts):
    """Nobody edits an invoice: what may happen to one is an operation, noted in its timeline."""

    list_display = [
        "name", "account", "shown_state", "reason", "period", "shown_total", "shown_due", "shown_remaining",
        "finalized",
    ]  # fmt: skip
    list_filter = ["state", "reason", AttentionFilter, FinalizedFilter]
    named_by = ["number"]
    search_help_text = "Number, or the account's name or id"
    fieldsets = [
        (None, {"fields": [("account", "state"), ("reason", "period"), "plan_version"]}),
        (
            "Amounts in USD",
            {
                "fields": [
                    ("shown_subtotal", "shown_tax", "shown_total"),
                    ("shown_credit", "shown_due"),
                    ("shown_credited", "shown_paid", "shown_remaining"),
                ]
            },
        ),
        ("Times (UTC)", {"fields": [("created", "finalized", "due_by"), ("paid", "ended")]}),
        ("Parties, as of the day it was finalized", {"fields": [("from_whom", "to_whom")]}),
    ]
    readonly_fields = [
        "period", "shown_subtotal", "shown_tax", "shown_total", "shown_credit", "shown_due",
        "shown_credited", "shown_paid", "shown_remaining", "created", "finalized", "due_by", "paid", "ended",
        "from_whom", "to_whom",
    ]  # fmt: skip
    actions_detail = ["prove", "record_payment", "credit_note", "adjust", "push_again", "void", "give_up"]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        invoice = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if invoice is not None and self.has_view_permission(request, invoice):
            context["panels"] = invoice_panels.of(invoice)
        answer: HttpResponse = super().change_view(request, object_id, form_url, context)
        return answer

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what can be done to it as it stands."""
        invoice = BillingHistory.objects.select_related("collection").filter(pk=object_id).first()
        if invoice is None:
            return []
        possible = _possible(invoice)
        return [each for each in super().get_actions_detail(request, object_id) if each.path in possible]

    # --- Columns ---

    @admin.display(description="number", ordering="number")
    def name(self, invoice: BillingHistory) -> str:
        return unbroken(invoice.number or f"draft {invoice.pk}")

    @display(description="state", ordering="state", label=COLOURS)
    def shown_state(self, invoice: BillingHistory) -> tuple[str, str]:
        return invoice.state, invoice.get_state_display()

    @admin.display(description="period", ordering="period_start")
    def period(self, invoice: BillingHistory) -> str:
        return span(invoice.period_start, invoice.period_end)

    @admin.display(description="subtotal")
    def shown_subtotal(self, invoice: BillingHistory) -> str:
        return dollars(invoice.subtotal)

    @admin.display(description="tax")
    def shown_tax(self, invoice: BillingHistory) -> str:
        return tax_of(invoice)

    @admin.display(description="total")
    def shown_total(self, invoice: BillingHistory) -> str:
        return dollars(invoice.total)

    @admin.display(description="credits taken")
    def shown_credit(self, invoice: BillingHistory) -> str:
        return dollars(invoice.credit_applied)

    @admin.display(description="due")
    def shown_due(self, invoice: BillingHistory) -> str:
        # Credits are taken when it is finalized: before, nobody knows.
        return "" if invoice.number is None else dollars(invoice.amount_due)

    @admin.display(description="credited by notes")
    def shown_credited(self, invoice: BillingHistory) -> str:
        return dollars(invoice.amount_credited)

    @admin.display(description="paid")
    def shown_paid(self, invoice: BillingHistory) -> str:
        return dollars(invoice.amount_paid)

    @admin.display(description="remaining")
    def shown_remaining(self, invoice: BillingHistory) -> str:
        owed = invoice.state not in (InvoiceState.DRAFT, InvoiceState.VOID)
        return dollars(invoice.amount_remaining) if owed else ""

    @admin.display(description="drafted")
    def created(self, invoice: BillingHistory) -> str:
        return minute(invoice.created_at)

    @admin.display(description="finalized (UTC)", ordering="finalized_at")
    def finalized(self, invoice: BillingHistory) -> str:
        return minute(invoice.finalized_at)

    @admin.display(description="due by")
    def due_by(self, invoice: BillingHistory) -> str:
        return minute(invoice.due_at)

    @admin.display(description="paid at")
    def paid(self, invoice: BillingHistory) -> str:
        return minute(invoice.paid_at)

    @admin.display(description="voided or given up")
    def ended(self, invoice: BillingHistory) -> str:
        return minute(invoice.ended_at)

    @admin.display(description="from")
    def from_whom(self, invoice: BillingHistory) -> str:
        return invoice_panels.party(invoice.seller)

    @admin.display(description="to")
    def to_whom(self, invoice: BillingHistory) -> str:
        return invoice_panels.party(invoice.bill_to)

    # --- Buttons ---

    @action(description="Prove it", url_path="prove", permissions=["view"])
    def prove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invoice: BillingHistory = operations.found(self, request, object_id)
        operation = invoice_pages.prove(invoice, is_asked=request.method == "POST")
        return operations.run(operation, admin=self, request=request, about=invoice)

    @action(description="Record a payment", url_path="record-payment", permissions=SETTLE)
    def record_payment(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, invoice_pages.record_payment)

    @action(description="Credit note", url_path="credit-note", permissions=SETTLE)
    def credit_note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, invoice_pages.credit_note)

    @action(description="Adjust the next invoice", url_path="adjust", permissions=SETTLE)
    def adjust(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invoice: BillingHistory = operations.found(self, request, object_id)
        return operations.to_add_page(
            "subscriptions", "invoiceitem", account=invoice.account_id, corrects=invoice.number or ""
        )

    @action(description="Void", url_path="void", permissions=SETTLE)
    def void(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, invoice_pages.void)

    @action(description="Give up", url_path="give-up", permissions=SETTLE)
    def give_up(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, invoice_pages.give_up)

    @action(description="Push to Stripe again", url_path="push-again", permissions=SETTLE)
    def push_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, invoice_pages.push_again)

    def _run(self, request: HttpRequest, object_id: str, make: invoice_pages.Maker) -> HttpResponse:
        invoice: BillingHistory = operations.found(self, request, object_id)
        operation = make(invoice, of_user(staff_user(request)))
        return operations.run(operation, admin=self, request=request, about=invoice)


def _possible(invoice: BillingHistory) -> set[str]:
    """The paths of the buttons that its state allows."""
    state = InvoiceState(invoice.state)
    if state is InvoiceState.DRAFT:
        return {"prove"}
    checks = {
        "prove": True,
        "record-payment": allows(state, InvoiceState.PAID),
        "void": allows(state, InvoiceState.VOID) and not invoice.amount_paid,
        "give-up": allows(state, InvoiceState.UNCOLLECTIBLE),
        "credit-note": any(credit_notes.creditable(invoice, kind) for kind in CreditNoteKind),
        "adjust": True,
        "push-again": is_parked(getattr(invoice, "collection", None))
        or invoice.tax_reports.filter(PARKED).exists(),
    }
    return {path for path, is_possible in checks.items() if is_possible}
