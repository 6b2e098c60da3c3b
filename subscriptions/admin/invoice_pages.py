"""What staff can do about an invoice, each as a page: its form, what it shows, what it does."""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from django.http import Http404
from django.utils import timezone

from subscriptions import credit_notes, payments, settling, verification
from subscriptions.actors import Actor
from subscriptions.admin import pushes
from subscriptions.admin.base import dollars
from subscriptions.admin.forms import ReasonForm
from subscriptions.admin.money_forms import CreditNoteForm, PaymentForm
from subscriptions.models import BillingHistory, CreditNoteKind, InvoiceCollection, TaxReport
from subscriptions.models.collection import PARKED
from usage.admin.operations import Operation, Panel
from usage.core.errors import Conflict

MAX_FINDINGS = 200
Cleaned = Mapping[str, Any]
# Makes the page for an invoice, and for whoever is at work.
Maker = Callable[[BillingHistory, Actor], Operation]


def record_payment(invoice: BillingHistory, by: Actor) -> Operation:
    def act(cleaned: Cleaned) -> str:
        paid = payments.record_by_hand(invoice, **cleaned, at=timezone.now(), by=by)
        return f"{dollars(paid.amount)} USD received for {invoice} by {paid.method}. {paid.reference}".strip()

    remaining = invoice.amount_remaining
    return Operation(
        title=f"Record a payment of {invoice}",
        explanation=f"For money that did not come through Stripe. {dollars(remaining)} USD are open; once "
        "all of it is paid, nobody is charged any more and a subscription that waited for it goes on.",
        form=PaymentForm,
        initial={"amount": f"{remaining:.2f}"},
        act=act,
        submit="Record the payment",
    )


def credit_note(invoice: BillingHistory, by: Actor) -> Operation:
    most = {kind: credit_notes.creditable(invoice, kind) for kind in CreditNoteKind}
    possible = [kind for kind, amount in most.items() if amount]

    def act(cleaned: Cleaned) -> str:
        note = credit_notes.issue(
            invoice,
            kind=CreditNoteKind(cleaned["kind"]),
            amount=cleaned["amount"],
            reason=cleaned["reason"],
            at=timezone.now(),
            by=by,
        )
        what = note.get_kind_display().lower()
        return f"{note}: {dollars(note.amount)} USD of {invoice}, {what}. {note.reason}"

    return Operation(
        title=f"Credit note to {invoice}",
        explanation="A credit note gets a number, is sent to Stripe, and can never be changed or taken back.",
        form=CreditNoteForm,
        initial={"kind": possible[0]} if possible else {},
        act=act,
        submit="Issue the credit note",
        panels=[
            Panel(
                title="What can be credited",
                headers=["what it does", "at most (USD)"],
                rows=[[kind.label, dollars(amount)] for kind, amount in most.items()],
            )
        ],
        is_dangerous=True,
    )


def void(invoice: BillingHistory, by: Actor) -> Operation:
    def act(cleaned: Cleaned) -> str:
        settling.void(invoice, at=timezone.now(), by=by, reason=cleaned["reason"])
        return f"{invoice} is void. {cleaned['reason']}"

    return Operation(
        title=f"Void {invoice}",
        explanation=f"Waives the {dollars(invoice.amount_remaining)} USD that are open, for good; "
        f"{dollars(invoice.credit_applied)} USD of credits go back to the account. The number stays taken. A "
        "subscription that waited for it goes on.",
        form=ReasonForm,
        act=act,
        submit="Void the invoice",
        is_dangerous=True,
    )


def prove(invoice: BillingHistory, *, is_asked: bool) -> Operation:
    """Looks only when it is asked to: that reads the period's log."""
    findings = list(islice(verification.verify(invoice), MAX_FINDINGS)) if is_asked else []

    def act(_: Cleaned) -> str:
        if findings:
            raise Conflict(f"Not all of {invoice} can be proved: see what differs.", code="not_proved")
        return f"All of {invoice} is proved, to the last digit."

    shown = Panel(
        title="What differs",
        headers=["where", "what", "row of the log"],
        rows=[
            [f"line {each.position}" if each.position else "invoice", each.problem, str(each.log_id or "")]
            for each in findings
        ],
        note=f"The first {MAX_FINDINGS}." if len(findings) == MAX_FINDINGS else "",
    )
    return Operation(
        title=f"Prove {invoice}",
        explanation="Every line is computed again from the log of calls, the prices and the plan as they "
        "were sold, and compared to the last digit. Nothing is changed; many calls take a while.",
        act=act,
        submit="Prove it",
        panels=[shown] if findings else [],
    )


def push_again(invoice: BillingHistory, by: Actor) -> Operation:
    known = InvoiceCollection.objects.filter(invoice=invoice).first()
    refused = TaxReport.objects.filter(PARKED, invoice=invoice).first()
    if refused is not None and not pushes.is_parked(known):
        return pushes.push_again(refused, str(refused))
    if known is None:
        raise Http404
    return pushes.push_again(known, str(invoice))


def give_up(invoice: BillingHistory, by: Actor) -> Operation:
    def act(cleaned: Cleaned) -> str:
        settling.give_up(invoice, at=timezone.now(), by=by, reason=cleaned["reason"])
        return f"{invoice} is uncollectible. {cleaned['reason']}"

    return Operation(
        title=f"Give up {invoice}",
        explanation=f"Nobody is charged the {dollars(invoice.amount_remaining)} USD any more. They stay "
        "owed: a payment can still be recorded, and the invoice voided.",
        form=ReasonForm,
        act=act,
        submit="Give it up",
        is_dangerous=True,
    )
