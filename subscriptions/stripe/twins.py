"""An invoice's twin at Stripe, brought to where our invoice stands: made, final, then paid, void or given up.

Each step looks at what is there first, so that a run goes on where one that was killed left off.
"""

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Greatest

from subscriptions import payments
from subscriptions.core.invoices import OF_USAGE, InvoiceState
from subscriptions.models import (
    BillingHistory,
    BillingProfile,
    CreditNote,
    CreditNoteKind,
    InvoiceCollection,
)
from subscriptions.stripe import cards, client, conversion, customers, rows, sync
from subscriptions.stripe.errors import CardDeclined, StripeRefused
from subscriptions.stripe.remote import RemoteInvoice
from usage.core.money import ZERO, format_amount

DRAFT = "draft"
PAYABLE = ("open", "uncollectible")
# Lines of a twin; what our invoice has more is added up. Ours has the details.
MOST_LINES = 100


def converge(collection: InvoiceCollection, *, at: datetime) -> datetime | None:
    """Bring the twin to where the invoice stands, charge it where that is due, and write down what came of
    it; returns when to look again.

    Raises StripeRefused where the twin would come to another amount.
    """
    invoice = BillingHistory.objects.select_related("account").get(pk=collection.pk)
    if collection.push_began_at is None and invoice.state != InvoiceState.OPEN:
        return None
    profile = customers.ensured(invoice.account, at=at)
    with rows.asking(collection, at=at):
        twin = _twin(collection, invoice, profile, at=at)
        if twin.status == DRAFT:
            twin = _finalized(collection, invoice, twin)
        sync.invoice(invoice, twin, at=at)
        invoice.refresh_from_db()
        collection.refresh_from_db()
        if _brought(collection, invoice, profile, twin, at=at):
            sync.invoice(invoice, client.invoice(twin.id), at=at)
    return _next_look(collection.pk, at=at)


def items(invoice: BillingHistory) -> list[tuple[str, Decimal]]:
    """What the twin's lines say, together the amount due. All usage is one line, and so are credits."""
    found: list[tuple[str, Decimal]] = []
    usage = ZERO
    for line in invoice.lines.order_by("position"):
        if line.kind in OF_USAGE:
            usage += line.amount
        elif line.amount:
            found.append((line.description, line.amount))
    until = f"{invoice.period_start:%Y-%m-%d} to {invoice.period_end:%Y-%m-%d}"
    rest = [
        (f"Usage, {until}", usage),
        ("Tax", invoice.tax),
        ("Other lines", sum((amount for _, amount in found[MOST_LINES:]), ZERO)),
        ("Credit", -invoice.credit_applied),
    ]
    return [*found[:MOST_LINES], *((text, amount) for text, amount in rest if amount)]


def _twin(
    collection: InvoiceCollection, invoice: BillingHistory, profile: BillingProfile, *, at: datetime
) -> RemoteInvoice:
    """The twin as it stands, made if need be."""
    if collection.stripe_invoice_id:
        return client.invoice(collection.stripe_invoice_id)
    customer_id = profile.stripe_customer_id or ""
    known = client.find_invoices(customer_id, ours=invoice.pk) if rows.may_be_known(collection, at=at) else []
    twin = known[0] if known else _create(collection, invoice, profile)
    InvoiceCollection.objects.filter(pk=collection.pk).update(
        stripe_invoice_id=twin.id, stripe_status=twin.status
    )
    return client.invoice(twin.id)


def _create(collection: InvoiceCollection, invoice: BillingHistory, profile: BillingProfile) -> RemoteInvoice:
    return client.create_invoice(
        profile.stripe_customer_id or "",
        ours=invoice.pk,
        number=invoice.number or "",
        account=invoice.account.external_id,
        due_in_days=None if profile.has_card else settings.INVOICE_DUE_DAYS,
        key=collection.push_key("invoice", invoice.pk),
    )


def _finalized(collection: InvoiceCollection, invoice: BillingHistory, twin: RemoteInvoice) -> RemoteInvoice:
    if not twin.has_lines:
        twin = client.add_lines(twin.id, lines=items(invoice), key=collection.push_key("items", invoice.pk))
    if not twin.total == twin.amount_due == invoice.amount_due:
        raise StripeRefused(
            f"Invoice {invoice.number} asks for {format_amount(invoice.amount_due)} USD, its twin {twin.id} "
            f"for {format_amount(twin.amount_due)} USD: correct the twin at Stripe, then push it again."
        )
    return client.finalize(twin.id, key=collection.push_key("finalize", invoice.pk))


def _brought(
    collection: InvoiceCollection,
    invoice: BillingHistory,
    profile: BillingProfile,
    twin: RemoteInvoice,
    *,
    at: datetime,
) -> bool:
    """Whether the twin is another than before: by us, or by somebody who was faster."""
    try:
        return _bring(collection, invoice, profile, twin, at=at)
    except StripeRefused:
        if client.invoice(twin.id).status == twin.status:
            raise
        return True


def _bring(
    collection: InvoiceCollection,
    invoice: BillingHistory,
    profile: BillingProfile,
    twin: RemoteInvoice,
    *,
    at: datetime,
) -> bool:
    """Do at Stripe what was decided here; whether there was anything to do."""
    if twin.status not in PAYABLE:
        return False
    if invoice.state == InvoiceState.VOID:
        client.void(twin.id, key=collection.push_key("void", invoice.pk))
        return True
    before, twin = twin, _lowered(collection, invoice, twin, at=at)
    if twin.status not in PAYABLE:
        return True
    match InvoiceState(invoice.state):
        case InvoiceState.PAID:
            client.pay_outside(twin.id, key=collection.push_key("outside", invoice.pk))
            return True
        case InvoiceState.UNCOLLECTIBLE if twin.status == "open":
            client.give_up(twin.id, key=collection.push_key("uncollectible", invoice.pk))
            return True
        case InvoiceState.OPEN:
            return _collect(collection, invoice, profile, twin, at=at) or twin != before
    return twin != before


def _lowered(
    collection: InvoiceCollection, invoice: BillingHistory, twin: RemoteInvoice, *, at: datetime
) -> RemoteInvoice:
    """The twin, without what credit notes took off the invoice, and what of it was paid another way."""
    notes = CreditNote.objects.filter(
        invoice=invoice, kind=CreditNoteKind.REDUCE, stripe_credit_note_id__isnull=True
    )
    for note in notes.order_by("pk"):
        key = collection.push_key("creditnote", note.pk)
        made = _known_note(collection, twin, note.number, at=at) or client.create_credit_note(
            twin.id, amount=note.amount, number=note.number, memo=note.reason, key=key
        )
        CreditNote.objects.filter(pk=note.pk).update(stripe_credit_note_id=made)
        # Read again: a note whose answer got lost had been taken off already.
        twin = client.invoice(twin.id)
    outside = twin.amount_remaining - invoice.amount_remaining
    if invoice.state != InvoiceState.OPEN or outside <= 0:
        return twin
    paid = conversion.cents(invoice.amount_paid)
    client.create_credit_note(
        twin.id,
        amount=outside,
        number=f"{invoice.number}-paid-{paid}",
        memo="Paid outside Stripe.",
        key=collection.push_key("outside", invoice.pk, paid),
    )
    return client.invoice(twin.id)


def _known_note(
    collection: InvoiceCollection, twin: RemoteInvoice, number: str, *, at: datetime
) -> str | None:
    """A credit note that is there already. An invoice may be older than Stripe keeps any key."""
    if not rows.may_be_known(collection, at=at):
        return None
    return client.find_credit_note(twin.id, number=number)


def _collect(
    collection: InvoiceCollection,
    invoice: BillingHistory,
    profile: BillingProfile,
    twin: RemoteInvoice,
    *,
    at: datetime,
) -> bool:
    """Charge the card if its time has come; whether it was charged."""
    # Since the push began a card may have come, or somebody may hold the account.
    profile.refresh_from_db()
    if collection.next_payment_at is None or collection.next_payment_at > at or profile.hold_reason:
        return False
    if not profile.has_card:
        if invoice.due_at is not None and invoice.due_at <= at:
            payments.lacks_card(invoice, at=at)
        return False
    attempt = _raise_attempts(collection)
    try:
        client.pay(twin.id, key=collection.push_key("pay", invoice.pk, attempt))
    except StripeRefused:
        # The card may have been taken off at Stripe, and the webhook that says so may not be here yet.
        cards.sync(profile, at=at)
        if BillingProfile.objects.get(pk=profile.pk).payment_method_id == profile.payment_method_id:
            raise
        return False
    except CardDeclined as declined:
        sync.invoice(invoice, client.invoice(twin.id), at=at)
        payments.refused(invoice, attempt=attempt, code=declined.error_code, message=declined.message, at=at)
        return False
    return True


def _raise_attempts(collection: InvoiceCollection) -> int:
    """Which attempt this is, written down before it is made. One whose end nobody knows is made again."""
    attempt = F("failed_attempts") + 1
    mine = InvoiceCollection.objects.filter(pk=collection.pk)
    mine.update(payment_attempts=Greatest(F("payment_attempts"), attempt))
    return int(mine.values_list("failed_attempts", flat=True).get()) + 1


def _next_look(pk: int, *, at: datetime) -> datetime | None:
    """When the next payment is due; never, where nothing is or no card may be charged."""
    collection = InvoiceCollection.objects.select_related("invoice").get(pk=pk)
    invoice, profile = collection.invoice, BillingProfile.objects.get(account=collection.invoice.account_id)
    if invoice.state != InvoiceState.OPEN or collection.next_payment_at is None or profile.hold_reason:
        return None
    moment = collection.next_payment_at
    if not profile.has_card and invoice.due_at is not None:
        moment = max(moment, invoice.due_at)
    return max(moment, at + rows.FIRST_RETRY)
