"""From what Stripe's library gives to plain values: cents to USD, seconds to times, objects to their ids."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from subscriptions.stripe.remote import (
    RemoteCard,
    RemoteCharge,
    RemoteCheckout,
    RemoteDispute,
    RemoteInvoice,
    RemoteRefund,
)
from usage.core.money import CENT

ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country")


def usd(amount: int) -> Decimal:
    """Cents as USD."""
    return Decimal(amount).scaleb(-2)


def cents(amount: Decimal) -> int:
    """USD in whole cents, as cents; raises ValueError for a fraction of one."""
    if amount != amount.quantize(CENT):
        raise ValueError(f"{amount} USD is not a whole number of cents")
    return int(amount.scaleb(2))


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def id_of(reference: Any) -> str:
    """The id of an object that came whole or as its id; empty for none."""
    if reference is None:
        return ""
    return reference if isinstance(reference, str) else str(reference.id)


def metadata(found: Any) -> Mapping[str, str]:
    """What we wrote on an object."""
    told = getattr(found, "metadata", None)
    return {} if told is None else {str(name): str(value) for name, value in told.to_dict().items()}


def card(method: Any) -> RemoteCard | None:
    """A payment method that is a card; None for anything else."""
    details = getattr(method, "card", None)
    if details is None:
        return None
    return RemoteCard(
        id=method.id,
        customer_id=id_of(method.customer),
        brand=details.brand,
        last4=details.last4,
        exp_month=details.exp_month,
        exp_year=details.exp_year,
        created_at=instant(method.created),
    )


def charge(found: Any) -> RemoteCharge:
    details = getattr(found.payment_method_details, "card", None)
    method = "card" if details is None else f"{details.brand} {details.last4}"
    return RemoteCharge(
        id=found.id,
        payment_intent_id=id_of(found.payment_intent),
        customer_id=id_of(found.customer),
        status=found.status,
        amount=usd(found.amount),
        refunded=usd(found.amount_refunded),
        disputed=found.disputed,
        method=method,
        at=instant(found.created),
        failure_code=found.failure_code or ("failed" if found.status == "failed" else ""),
        failure_message=found.failure_message or "",
    )


def invoice(found: Any) -> RemoteInvoice:
    """`payment_intent_ids` are there where the payments were asked for."""
    ours = metadata(found).get("invoice", "")
    payments = getattr(getattr(found, "payments", None), "data", [])
    intents = [id_of(getattr(each.payment, "payment_intent", None)) for each in payments]
    return RemoteInvoice(
        id=found.id,
        customer_id=id_of(found.customer),
        ours=int(ours) if ours.isdecimal() else None,
        status=found.status,
        total=usd(found.total),
        amount_due=usd(found.amount_due),
        amount_paid=usd(found.amount_paid),
        amount_remaining=usd(found.amount_remaining),
        has_lines=bool(found.lines.data),
        hosted_url=found.hosted_invoice_url or "",
        payment_intent_ids=tuple(each for each in intents if each),
    )


def refund(found: Any) -> RemoteRefund:
    return RemoteRefund(
        id=found.id, charge_id=id_of(found.charge), status=found.status or "", amount=usd(found.amount)
    )


def dispute(found: Any) -> RemoteDispute:
    return RemoteDispute(
        id=found.id, charge_id=id_of(found.charge), status=found.status, reason=found.reason or ""
    )


def checkout(found: Any) -> RemoteCheckout:
    return RemoteCheckout(
        id=found.id,
        customer_id=id_of(found.customer),
        is_complete=found.status == "complete",
        card=card(getattr(found.setup_intent, "payment_method", None)),
        metadata=metadata(found),
    )
