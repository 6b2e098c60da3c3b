"""Ending an invoice unpaid: voided as if it had not been, or given up as uncollectible."""

from datetime import datetime

from django.db import transaction

from subscriptions import credits, dunning, invoicing, tax_reports
from subscriptions.actors import Actor
from subscriptions.core.invoices import InvoiceState, allows
from subscriptions.models import BillingHistory, InvoiceEventKind
from usage.core.errors import Conflict, InvalidRequest

KINDS = {
    InvoiceState.VOID: InvoiceEventKind.VOIDED,
    InvoiceState.UNCOLLECTIBLE: InvoiceEventKind.UNCOLLECTIBLE,
}


def void(invoice: BillingHistory, *, at: datetime, by: Actor, reason: str) -> BillingHistory:
    """Waive all that the invoice asks for; credits it took go back. Raises Conflict where that cannot be: a
    draft, what is paid, also in part, or has ended.
    """
    with transaction.atomic():
        invoice = invoicing.locked(invoice)
        if invoice.amount_paid:
            raise Conflict(
                "Part of it is paid: refund that by a credit note instead.", code="invoice_partly_paid"
            )
        _end(invoice, InvoiceState.VOID, at=at, by=by, reason=reason)
        dunning.settled(invoice, at=at)
        credits.give_back(invoice, at=at, by=by)
        tax_reports.voided(invoice, at=at)
    return invoice


def give_up(invoice: BillingHistory, *, at: datetime, by: Actor, reason: str) -> BillingHistory:
    """Stop asking for it: uncollectible, but can still be paid. Raises Conflict where nothing is open."""
    with transaction.atomic():
        invoice = invoicing.locked(invoice)
        _end(invoice, InvoiceState.UNCOLLECTIBLE, at=at, by=by, reason=reason)
        dunning.stop(invoice, at=at)
    return invoice


def _end(invoice: BillingHistory, state: InvoiceState, *, at: datetime, by: Actor, reason: str) -> None:
    if not reason:
        raise InvalidRequest("reason: say why, colleagues will want to know.")
    if not allows(InvoiceState(invoice.state), state):
        raise Conflict(
            f"{invoice} is {invoice.get_state_display().lower()}: it cannot become {state} any more.",
            code="invoice_state",
            details={"state": invoice.state},
        )
    invoice.state, invoice.ended_at = state, at
    invoice.save(update_fields=["state", "ended_at"])
    invoicing.note(invoice, KINDS[state], at=at, by=by, reason=reason)
