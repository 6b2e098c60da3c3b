"""Whether Stripe and we say the same of every invoice and charge: each is looked at once, on both sides.

Reads Stripe page by page. What is kept meanwhile are the keys of our rows that were found there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from subscriptions.core.invoices import InvoiceState
from subscriptions.models import (
    BillingProfile,
    InvoiceCollection,
    InvoiceStateChoices,
    Payment,
    PaymentState,
)
from subscriptions.stripe import client, rows, sync
from subscriptions.stripe.remote import RemoteCharge, RemoteInvoice
from usage.core.money import format_amount

BATCH = 100
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs, in a sentence, and where it can be repaired: our invoice, or Stripe's charge."""

    says: str
    invoice_id: int | None = None
    charge_id: str = ""


def differences(*, at: datetime) -> Iterator[Difference]:
    """Everything that differs and that no push waits to bring in line at `at`."""
    yield from _of_invoices(at=at)
    yield from _of_charges()


def repair(found: Difference, *, at: datetime) -> None:
    """Let our invoice be pushed again, or take the charge over."""
    collection = InvoiceCollection.objects.filter(pk=found.invoice_id).first() if found.invoice_id else None
    if collection is not None:
        rows.push_again(collection, at=at)
    if found.charge_id:
        sync.charge(found.charge_id, at=at)


def _of_invoices(*, at: datetime) -> Iterator[Difference]:
    seen: set[int] = set()
    for batch in _batches(client.invoices()):
        known = InvoiceCollection.objects.select_related("invoice").in_bulk(
            [twin.ours for twin in batch if twin.ours is not None]
        )
        for twin in batch:
            if twin.ours is not None:
                yield from _of_twin(twin, known.get(twin.ours), seen, at=at)
    for collection in InvoiceCollection.objects.select_related("invoice").order_by("pk").iterator():
        is_expected = collection.stripe_invoice_id or collection.invoice.state == InvoiceState.OPEN
        if is_expected and collection.pk not in seen and not _waits(collection, at=at):
            yield Difference(says=f"{collection.invoice} has no twin at Stripe.", invoice_id=collection.pk)


def _of_twin(
    twin: RemoteInvoice, collection: InvoiceCollection | None, seen: set[int], *, at: datetime
) -> Iterator[Difference]:
    if collection is None:
        yield Difference(says=f"Stripe's {twin.id} is of our invoice {twin.ours}, and there is none.")
        return
    invoice = collection.invoice
    if collection.stripe_invoice_id not in (None, twin.id):
        yield Difference(says=f"{invoice} has a second twin at Stripe: {twin.id} ({twin.status}).")
        return
    seen.add(collection.pk)
    if _waits(collection, at=at):
        return
    if twin.status != invoice.state:
        says = f"{invoice} is {invoice.state} here, and {twin.status} at Stripe ({twin.id})."
        yield Difference(says=says, invoice_id=collection.pk)
    there, here = twin.amount_remaining, invoice.amount_remaining
    if invoice.state == InvoiceStateChoices.VOID:
        there, here = twin.total, invoice.amount_due
    if (twin.total, there) != (invoice.amount_due, here):
        says = (
            f"{invoice} asks for {format_amount(invoice.amount_due)} USD, of which {format_amount(here)} is "
            f"open; at Stripe for {format_amount(twin.total)}, of which {format_amount(there)} ({twin.id})."
        )
        yield Difference(says=says, invoice_id=collection.pk)


def _waits(collection: InvoiceCollection, *, at: datetime) -> bool:
    """Whether a push is on its way that did not fail yet."""
    is_due = collection.push_at is not None and collection.push_at <= at
    return not collection.push_attempts and (is_due or collection.push_claimed_until is not None)


def _of_charges() -> Iterator[Difference]:
    seen: set[int] = set()
    for batch in _batches(client.charges()):
        known = {
            payment.stripe_charge_id: payment
            for payment in Payment.objects.filter(stripe_charge_id__in=[charge.id for charge in batch])
        }
        ours = set(
            BillingProfile.objects.filter(
                stripe_customer_id__in={charge.customer_id for charge in batch}
            ).values_list("stripe_customer_id", flat=True)
        )
        for charge in batch:
            payment = known.get(charge.id)
            if payment is not None:
                seen.add(payment.pk)
            if payment is not None or charge.customer_id in ours:
                yield from _of_charge(charge, payment)
    charged = Payment.objects.filter(stripe_charge_id__isnull=False).order_by("pk")
    for payment in charged.iterator():
        if payment.pk not in seen:
            yield Difference(says=f"Payment {payment.pk}: no charge {payment.stripe_charge_id} at Stripe.")


def _of_charge(charge: RemoteCharge, payment: Payment | None) -> Iterator[Difference]:
    if payment is None:
        if charge.status in (sync.SUCCEEDED, sync.FAILED):
            yield Difference(says=f"Stripe's charge {charge.id} is no payment here.", charge_id=charge.id)
        return
    here = (payment.amount, payment.refunded, payment.state == PaymentState.FAILED)
    if here != (charge.amount, charge.refunded, charge.status == sync.FAILED):
        says = (
            f"Payment {payment.pk} is {format_amount(payment.amount)} USD, {payment.state}, "
            f"{format_amount(payment.refunded)} given back; Stripe's charge {charge.id} is "
            f"{format_amount(charge.amount)} USD, {charge.status}, {format_amount(charge.refunded)}."
        )
        yield Difference(says=says, charge_id=charge.id)


def _batches(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    left = iter(things)
    while batch := list(islice(left, BATCH)):
        yield batch
