"""What the tax reports at Stripe are told of: each sale that was taxed, and what of it was taken back."""

from django.db import models
from django.db.models import Q

from subscriptions.models.collection import PARKED, CreditNote, PushColumns
from subscriptions.models.invoices import BillingHistory, cents_field


class TaxReportKind(models.TextChoices):
    """What is told."""

    SALE = "sale", "Sold"
    CREDIT_NOTE = "credit_note", "Taken back by a credit note"
    VOID = "void", "Taken back by voiding"


class TaxReport(PushColumns):
    """A tax transaction that is to be at Stripe, or is, once it has an id there.

    Apart from how the invoice is collected: one that is paid by credits is told too, and what Stripe refuses
    of a report holds up no payment.
    """

    invoice = models.ForeignKey(BillingHistory, on_delete=models.PROTECT, related_name="tax_reports")
    credit_note = models.OneToOneField(
        CreditNote, on_delete=models.PROTECT, null=True, related_name="tax_report"
    )
    kind = models.CharField(max_length=16, choices=TaxReportKind)
    amount = cents_field("With tax, as much of the invoice as Stripe computed tax on.")
    reference = models.CharField(max_length=64, unique=True)
    stripe_tax_transaction_id = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        db_table = "tax_reports"
        ordering = ["invoice", "id"]
        indexes = [
            models.Index(fields=["push_at"], condition=Q(push_at__isnull=False), name="tax_report_to_push"),
            models.Index(fields=["id"], condition=PARKED, name="tax_report_parked"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=TaxReportKind.values), name="tax_report_kind_known"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="tax_report_not_nothing"),
            models.UniqueConstraint(
                fields=["invoice", "kind"],
                condition=Q(credit_note__isnull=True),
                name="tax_report_of_an_invoice_once",
            ),
            models.CheckConstraint(
                condition=Q(kind=TaxReportKind.CREDIT_NOTE, credit_note__isnull=False)
                | ~Q(kind=TaxReportKind.CREDIT_NOTE) & Q(credit_note__isnull=True),
                name="tax_report_of_a_note_or_none",
            ),
        ]

    def __str__(self) -> str:
        return f"Tax report {self.reference}"
