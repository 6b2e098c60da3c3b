"""Invoices that could not be paid: each failed attempt is told, and that the invoice is paid in the end."""

from collections.abc import Iterator
from datetime import datetime

from alerts import words
from alerts.core.findings import Finding, Recovery, Severity
from alerts.core.rules import PAYMENT_FAILED
from alerts.raising import Found
from subscriptions.core.invoices import InvoiceState
from subscriptions.invoice_texts import day
from subscriptions.models import InvoiceCollection

RULE = PAYMENT_FAILED


def find(*, at: datetime) -> Iterator[Found]:
    """The open invoices with failed attempts."""
    failed = InvoiceCollection.objects.filter(invoice__state=InvoiceState.OPEN, failed_attempts__gt=0)
    for collection in failed.select_related("invoice__account").order_by("pk"):
        yield collection.invoice.account, _finding(collection)


def _finding(collection: InvoiceCollection) -> Finding:
    invoice = collection.invoice
    amount = words.usd(invoice.amount_remaining)
    again = collection.next_payment_at
    then = (
        f"The card is charged again on {day(again)}."
        if again is not None
        else "It is not tried again by itself: pay it, or save another card."
    )
    facts = {"invoice": str(invoice.number), "amount": amount, "reason": collection.last_failure}
    if again is not None:
        facts["next_attempt"] = day(again)
    return Finding(
        subject=f"invoice/{invoice.number}",
        occasion=f"attempt {collection.failed_attempts}",
        severity=Severity.ERROR,
        title=f"{amount} could not be paid",
        message=f"Invoice {invoice.number}: {collection.last_failure} {then}",
        facts=facts,
        path=f"/billing/invoices/{invoice.number}/",
        recovery=Recovery(
            title=f"Invoice {invoice.number} is settled", message="Nothing is left to pay on it. Thank you."
        ),
    )
