"""What the tax reports at Stripe are to be told of: each part of the transaction in which it happens.

Only invoices whose tax Stripe computed have any; of those no more is taken back than was sold.
"""

from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from subscriptions.models import BillingHistory, CreditNote, TaxReport, TaxReportKind
from usage.core.money import ZERO


def sold(invoice: BillingHistory, *, amount: Decimal, at: datetime) -> None:
    """The invoice is final; tax was computed on so much of it that it comes to `amount`."""
    TaxReport.objects.create(
        invoice=invoice,
        kind=TaxReportKind.SALE,
        amount=amount,
        reference=invoice.number or "",
        push_at=at,
    )


def credited(note: CreditNote, *, at: datetime) -> None:
    """A credit note takes back its amount, or what is left."""
    amount = min(note.amount, _left(note.invoice))
    if amount:
        TaxReport.objects.create(
            invoice=note.invoice,
            credit_note=note,
            kind=TaxReportKind.CREDIT_NOTE,
            amount=amount,
            reference=note.number,
            push_at=at,
        )


def voided(invoice: BillingHistory, *, at: datetime) -> None:
    """Voiding takes back all that is left."""
    amount = _left(invoice)
    if amount:
        TaxReport.objects.create(
            invoice=invoice,
            kind=TaxReportKind.VOID,
            amount=amount,
            reference=f"{invoice.number}-void",
            push_at=at,
        )


def _left(invoice: BillingHistory) -> Decimal:
    """What of a locked invoice's sale is not taken back."""
    told = TaxReport.objects.filter(invoice=invoice).values_list("kind").order_by()
    sums = dict(told.annotate(Sum("amount")))
    sale: Decimal = sums.pop(TaxReportKind.SALE, ZERO)
    return sale - sum(sums.values(), ZERO)
