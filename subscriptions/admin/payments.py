"""Payments and credit notes, to look at: both are written by what happens to an invoice."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action, display

from subscriptions.admin.base import SETTLE, RowsOfAccounts, dollars, link, minute
from subscriptions.admin.filters import ConditionFilter
from subscriptions.admin.pushes import is_parked, push_again
from subscriptions.models import CreditNote, Payment, PaymentState
from subscriptions.models.collection import PARKED
from usage.admin import operations

COLOURS = {
    PaymentState.SUCCEEDED.value: "success",
    PaymentState.FAILED.value: "danger",
    PaymentState.REFUNDED.value: "info",
    PaymentState.DISPUTED.value: "warning",
    PaymentState.LOST.value: "danger",
}


@admin.register(Payment)
class PaymentAdmin(RowsOfAccounts):
    list_display = [
        "when", "account", "of", "shown_state", "shown_amount", "shown_refunded", "method", "failure_message",
    ]  # fmt: skip
    list_display_links = ["when"]
    list_filter = ["state"]
    list_select_related = ["account", "invoice"]
    named_by = ["stripe_charge_id", "stripe_payment_intent_id"]
    by_invoice = True
    search_help_text = "Number of an invoice, Stripe's charge or payment intent, or the account's name or id"
    fieldsets = [
        (None, {"fields": [("account", "of"), ("state", "when"), ("shown_amount", "shown_refunded")]}),
        ("How", {"fields": [("method", "reference"), ("failure_code", "failure_message"), "actor"]}),
        (
            "At Stripe",
            {
                "fields": [
                    ("stripe_charge_id", "stripe_payment_intent_id"),
                    ("stripe_dispute_id", "dispute_status"),
                    "fraud_warning",
                ]
            },
        ),
    ]
    readonly_fields = ["of", "when", "shown_amount", "shown_refunded"]

    @admin.display(description="when (UTC)", ordering="pk")
    def when(self, payment: Payment) -> str:
        return minute(payment.at)

    @admin.display(description="invoice")
    def of(self, payment: Payment) -> str:
        return link(payment.invoice, payment.invoice.number)

    @display(description="state", ordering="state", label=COLOURS)
    def shown_state(self, payment: Payment) -> tuple[str, str]:
        return payment.state, payment.get_state_display()

    @admin.display(description="USD", ordering="amount")
    def shown_amount(self, payment: Payment) -> str:
        return dollars(payment.amount)

    @admin.display(description="refunded")
    def shown_refunded(self, payment: Payment) -> str:
        return dollars(payment.refunded)


class ParkedFilter(ConditionFilter):
    """Rows whose push to Stripe has been given up until somebody looks."""

    title = "push to Stripe"
    parameter_name = "push"
    conditions = {
        "waiting": ("Waiting", Q(push_at__isnull=False)),
        "parked": ("Parked", PARKED),
    }


@admin.register(CreditNote)
class CreditNoteAdmin(RowsOfAccounts):
    list_display = ["number", "account", "of", "kind", "shown_amount", "reason", "created", "actor"]
    list_filter = ["kind", ParkedFilter]
    list_select_related = ["account", "invoice"]
    named_by = ["number"]
    by_invoice = True
    search_help_text = "Number of a credit note or invoice, or the account's name or id"
    fieldsets = [
        (None, {"fields": [("account", "of"), ("number", "kind"), ("shown_amount", "credit"), "reason"]}),
        ("Who and when", {"fields": [("created", "actor")]}),
        (
            "At Stripe",
            {
                "fields": [
                    ("stripe_credit_note_id", "pushed"),
                    ("stripe_refund_id", "refund_status"),
                    ("push_attempts", "push_error"),
                ]
            },
        ),
    ]
    readonly_fields = ["of", "shown_amount", "credit", "created", "pushed"]
    actions_detail = ["push_again"]

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        parked = is_parked(CreditNote.objects.filter(pk=object_id).first())
        return list(super().get_actions_detail(request, object_id)) if parked else []

    @admin.display(description="invoice")
    def of(self, note: CreditNote) -> str:
        return link(note.invoice, note.invoice.number)

    @admin.display(description="USD", ordering="amount")
    def shown_amount(self, note: CreditNote) -> str:
        return dollars(note.amount)

    @admin.display(description="credit")
    def credit(self, note: CreditNote) -> str:
        return link(note.grant)

    @admin.display(description="issued (UTC)", ordering="pk")
    def created(self, note: CreditNote) -> str:
        return minute(note.created_at)

    @admin.display(description="next push (UTC)")
    def pushed(self, note: CreditNote) -> str:
        return minute(note.push_at)

    @action(description="Push to Stripe again", url_path="push-again", permissions=SETTLE)
    def push_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        note: CreditNote = operations.found(self, request, object_id)
        return operations.run(push_again(note, str(note)), admin=self, request=request, about=note)
