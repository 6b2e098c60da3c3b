"""Invoices that are ready: told once, for a while after they were finalized."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Concat

from alerts import words
from alerts.core.findings import Finding, Severity
from alerts.core.rules import INVOICE_READY
from alerts.models import UsageAlert
from alerts.raising import Found
from subscriptions.core.invoices import InvoiceState
from subscriptions.invoice_texts import day
from subscriptions.models import BillingHistory

RULE = INVOICE_READY
# What nobody looked for longer is no news any more.
NEWS_FOR = timedelta(days=3)
SUBJECT = "invoice/"


def find(*, at: datetime) -> Iterator[Found]:
    """The invoices of something that were finalized lately and that nobody was told of."""
    told = UsageAlert.objects.filter(
        account=OuterRef("account"), rule=RULE.key, subject=Concat(Value(SUBJECT), OuterRef("number"))
    )
    ready = BillingHistory.objects.filter(finalized_at__gt=at - NEWS_FOR, finalized_at__lte=at, total__gt=0)
    ready = ready.exclude(state=InvoiceState.VOID).filter(~Exists(told))
    for invoice in ready.select_related("account").order_by("pk"):
        yield invoice.account, _finding(invoice)


def _finding(invoice: BillingHistory) -> Finding:
    total, due = words.usd(invoice.total), words.usd(invoice.amount_remaining)
    facts = {"invoice": str(invoice.number), "total": total, "due": due}
    if invoice.amount_remaining <= 0:
        message = "It is settled: there is nothing to pay."
    else:
        by = f" by {day(invoice.due_at)}" if invoice.due_at is not None else ""
        message = f"{due} are due{by}. With a card on file it is charged by itself."
    return Finding(
        subject=f"{SUBJECT}{invoice.number}",
        severity=Severity.INFO,
        title=f"Invoice {invoice.number} is ready: {total}",
        message=message,
        facts=facts,
        path=f"/billing/invoices/{invoice.number}/",
    )
