"""GET /api/billing/invoices, /api/billing/invoice/{id} and its PDF: an account's invoices, drafts never."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import invoice_queries, pdf
from subscriptions.api.pages import PageQuery, PageSerializer, page_fields
from subscriptions.models import (
    BillingHistory,
    CreditNote,
    CreditNoteKind,
    InvoiceLine,
    InvoiceReason,
    InvoiceStateChoices,
    LineKindChoices,
    Payment,
    PaymentState,
)
from usage.api.amounts import CURRENCY, AmountField, SignedAmountField
from usage.api.caller import account_read
from usage.api.parameters import AccountQuery, read_query

FINAL_STATES = [each for each in InvoiceStateChoices.choices if each[0] != InvoiceStateChoices.DRAFT]
INVOICE_ID = OpenApiParameter(
    "invoice_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="The invoice's number, or its id."
)


class SpanSerializer(serializers.Serializer[Any]):
    """A time; `end` is not part of it."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class InvoiceSummarySerializer(serializers.Serializer[Any]):
    """An invoice without its lines. Amounts are in whole cents."""

    id = serializers.IntegerField()
    number = serializers.CharField()
    state = serializers.ChoiceField(choices=FINAL_STATES)
    reason = serializers.ChoiceField(choices=InvoiceReason.choices)
    period = SpanSerializer(help_text="The billing period that was closed, or the term that was paid for.")
    currency = serializers.ChoiceField(choices=[CURRENCY])
    subtotal = SignedAmountField(help_text="What the lines add up to.")
    tax = SignedAmountField()
    total = SignedAmountField(help_text="Below nothing: it became a credit.")
    credit_applied = AmountField(help_text="Taken from the account's credits before anything was charged.")
    amount_due = AmountField(help_text="What was to be paid when it was finalized.")
    amount_credited = AmountField(help_text="What credit notes took off what was due.")
    amount_paid = AmountField()
    amount_remaining = AmountField(help_text="What is still to be paid, while it is not void.")
    finalized_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was voided or given up as uncollectible."
    )
    pdf_url = serializers.CharField()
    payment_url = serializers.CharField(
        allow_null=True, help_text="Where it can be paid; null where nothing is to pay, or it cannot yet."
    )


class EvidenceSerializer(serializers.Serializer[Any]):
    """The rows of the usage log that a line bills: how many, and a hash over their ids and costs."""

    events = serializers.IntegerField()
    hash = serializers.CharField()


class InvoiceLineSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=LineKindChoices.choices)
    description = serializers.CharField()
    provider = serializers.CharField(help_text="Empty where the line is not about one.")
    model = serializers.CharField(help_text="Empty where the line is not about one.")
    quantity = AmountField(allow_null=True)
    unit = serializers.CharField(help_text="What the quantity counts, such as token.")
    precise_amount = SignedAmountField(help_text="Unrounded.")
    amount = SignedAmountField(help_text="In cents; the lines' amounts add up to the subtotal.")
    currency = serializers.ChoiceField(choices=[CURRENCY])
    period = SpanSerializer()
    price_id = serializers.IntegerField(
        allow_null=True, help_text="The row of the price book that rated the line's usage."
    )
    evidence = EvidenceSerializer(allow_null=True, help_text="null for what is not usage.")


class PaymentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=PaymentState.choices)
    amount = AmountField()
    refunded = AmountField()
    method = serializers.CharField(help_text="Such as visa 4242, or bank transfer.")
    failure_message = serializers.CharField(help_text="Why it failed; empty where it did not.")
    at = serializers.DateTimeField()


class CreditNoteSerializer(serializers.Serializer[Any]):
    number = serializers.CharField()
    kind = serializers.ChoiceField(choices=CreditNoteKind.choices)
    amount = AmountField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()


class InvoiceSerializer(InvoiceSummarySerializer):
    """An invoice with its lines, and what became of it."""

    plan = serializers.CharField(allow_null=True, help_text="By whose terms it was written; null: none.")
    seller = serializers.DictField(help_text="Who invoices, as of the day it was finalized.")
    bill_to = serializers.DictField(help_text="Who is invoiced, as of the day it was finalized.")
    lines = InvoiceLineSerializer(many=True)
    payments = PaymentSerializer(many=True, help_text="Oldest first, failed attempts included.")
    credit_notes = CreditNoteSerializer(many=True, help_text="Oldest first.")


class InvoicePageSerializer(PageSerializer):
    invoices = InvoiceSummarySerializer(many=True, help_text="Newest first.")


class InvoicesView(APIView):
    """The account's invoices, newest first."""

    @extend_schema(
        operation_id="billing_invoices",
        tags=["Invoices"],
        parameters=[PageQuery],
        responses=InvoicePageSerializer,
    )
    def get(self, request: Request) -> Response:
        query = read_query(PageQuery, request)
        account = account_read(request, query.get("user_id"))
        page = invoice_queries.invoices_of(account, limit=query["limit"], offset=query["offset"])
        told = page_fields(
            page, query, rows="invoices", fields=lambda invoice: summary_fields(invoice, request)
        )
        return Response(InvoicePageSerializer(told).data)


class InvoiceView(APIView):
    """An invoice with its lines, by its number or id."""

    @extend_schema(
        operation_id="billing_invoice",
        tags=["Invoices"],
        parameters=[INVOICE_ID, AccountQuery],
        responses=InvoiceSerializer,
    )
    def get(self, request: Request, invoice_id: str) -> Response:
        return Response(InvoiceSerializer(invoice_fields(_asked(request, invoice_id), request)).data)


class PdfRenderer(BaseRenderer):
    """Lets clients ask for a PDF; the view writes it."""

    media_type = "application/pdf"
    format = "pdf"


class InvoicePdfView(APIView):
    """The invoice as a PDF: the same bytes whenever it stands the same."""

    renderer_classes = (PdfRenderer,)

    @extend_schema(
        operation_id="billing_invoice_pdf",
        tags=["Invoices"],
        parameters=[INVOICE_ID, AccountQuery],
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, invoice_id: str) -> HttpResponse:
        return pdf_response(_asked(request, invoice_id))


def pdf_response(invoice: BillingHistory) -> HttpResponse:
    """The invoice's PDF, to be kept under its number."""
    disposition = f'attachment; filename="invoice-{invoice.number}.pdf"'
    return HttpResponse(
        pdf.render(invoice),
        content_type="application/pdf",
        headers={"Content-Disposition": disposition, "Cache-Control": "private, no-store"},
    )


def _asked(request: Request, invoice_id: str) -> BillingHistory:
    query = read_query(AccountQuery, request)
    return invoice_queries.invoice_of(account_read(request, query.get("user_id")), invoice_id)


def summary_fields(invoice: BillingHistory, request: Request) -> dict[str, Any]:
    """The fields of `InvoiceSummarySerializer`."""
    address = reverse("billing-invoice-pdf", args=[invoice.number])
    return {
        "id": invoice.pk,
        "number": invoice.number,
        "state": invoice.state,
        "reason": invoice.reason,
        "period": {"start": invoice.period_start, "end": invoice.period_end},
        "currency": invoice.currency,
        "subtotal": invoice.subtotal,
        "tax": invoice.tax,
        "total": invoice.total,
        "credit_applied": invoice.credit_applied,
        "amount_due": invoice.amount_due,
        "amount_credited": invoice.amount_credited,
        "amount_paid": invoice.amount_paid,
        "amount_remaining": invoice.amount_remaining,
        "finalized_at": invoice.finalized_at,
        "due_at": invoice.due_at,
        "paid_at": invoice.paid_at,
        "ended_at": invoice.ended_at,
        "pdf_url": request.build_absolute_uri(address),
        "payment_url": invoice_queries.payment_url(invoice) or None,
    }


def invoice_fields(invoice: BillingHistory, request: Request) -> dict[str, Any]:
    """The fields of `InvoiceSerializer`."""
    return {
        **summary_fields(invoice, request),
        "plan": None if invoice.plan_version is None else invoice.plan_version.plan.name,
        "seller": invoice.seller,
        "bill_to": invoice.bill_to,
        "lines": [_line_fields(line) for line in invoice.lines.all()],
        "payments": [_payment_fields(payment) for payment in invoice.payments.all()],
        "credit_notes": [_credit_note_fields(note) for note in invoice.credit_notes.all()],
    }


def _line_fields(line: InvoiceLine) -> dict[str, Any]:
    return {
        "position": line.position,
        "kind": line.kind,
        "description": line.description,
        "provider": line.provider,
        "model": line.model,
        "quantity": line.quantity,
        "unit": line.unit,
        "precise_amount": line.precise_amount,
        "amount": line.amount,
        "currency": CURRENCY,
        "period": {"start": line.period_start, "end": line.period_end},
        "price_id": line.price_id,
        "evidence": {"events": line.event_count, "hash": line.evidence} if line.event_count else None,
    }


def _payment_fields(payment: Payment) -> dict[str, Any]:
    return {
        "id": payment.pk,
        "state": payment.state,
        "amount": payment.amount,
        "refunded": payment.refunded,
        "method": payment.method,
        "failure_message": payment.failure_message,
        "at": payment.at,
    }


def _credit_note_fields(note: CreditNote) -> dict[str, Any]:
    return {
        "number": note.number,
        "kind": note.kind,
        "amount": note.amount,
        "reason": note.reason,
        "created_at": note.created_at,
    }
