"""Every call to Stripe but those about tax (`tax_calls`): the one module that knows its library.

Each function makes one call, or pages through a list, in plain values. `key` is the idempotency key: a call
repeated under the key of one whose answer got lost is done once. All raise `subscriptions.stripe.errors`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import stripe
from django.conf import settings
from stripe.params import InvoiceCreateParams
from stripe.params.checkout import SessionCreateParams

from subscriptions.stripe import conversion
from subscriptions.stripe.conversion import cents
from subscriptions.stripe.errors import (
    CardDeclined,
    StripeError,
    StripeFailed,
    StripeMissing,
    StripeOff,
    StripeRefused,
    StripeUnavailable,
)
from subscriptions.stripe.remote import (
    RemoteCard,
    RemoteCharge,
    RemoteCheckout,
    RemoteDispute,
    RemoteInvoice,
    RemoteRefund,
    RemoteWarning,
)

# The version this code was written for; the library's own, whose types it is checked against.
API_VERSION = "2026-10-28.endive"
PAGE = 100
CURRENCY = "usd"
SERVER_ERROR = 500
WAIT_S = 30


def create_customer(*, account_id: int, external_id: str, key: str) -> str:
    """A customer for our account; returns its id."""
    with asking() as api:
        made = api.v1.customers.create(
            {"metadata": {"account_id": str(account_id), "account": external_id}}, {"idempotency_key": key}
        )
    return made.id


def find_customer(*, account_id: int, since: datetime) -> str | None:
    """The oldest customer made for our account since then."""
    with asking() as api:
        found = api.v1.customers.list({"limit": PAGE, "created": {"gte": int(since.timestamp())}})
        ours = [
            each.id
            for each in found.auto_paging_iter()
            if conversion.metadata(each).get("account_id") == str(account_id)
        ]
    return ours[-1] if ours else None


def update_customer(
    customer_id: str, *, name: str, email: str, address: Mapping[str, str], tax_id: str
) -> None:
    """Tell Stripe who is invoiced."""
    where: Any = {each: address.get(each, "") for each in conversion.ADDRESS} if address else ""
    with asking() as api:
        api.v1.customers.update(
            customer_id, {"name": name, "email": email, "address": where, "metadata": {"tax_id": tax_id}}
        )


def default_card(customer_id: str) -> RemoteCard | None:
    """The card that pays the customer's invoices. Raises StripeMissing for a customer who was deleted."""
    with asking() as api:
        customer = api.v1.customers.retrieve(
            customer_id, {"expand": ["invoice_settings.default_payment_method"]}
        )
    if getattr(customer, "deleted", False):
        raise StripeMissing(f"The customer {customer_id} was deleted at Stripe.")
    return conversion.card(getattr(customer.invoice_settings, "default_payment_method", None))


def make_default(customer_id: str, *, card_id: str) -> None:
    """Let this card pay the customer's invoices from now on."""
    with asking() as api:
        api.v1.customers.update(customer_id, {"invoice_settings": {"default_payment_method": card_id}})


def customer_of_card(card_id: str) -> str:
    """Whose card it is; empty for nobody's."""
    with asking() as api:
        return conversion.id_of(api.v1.payment_methods.retrieve(card_id).customer)


def create_invoice(
    customer_id: str, *, ours: int, number: str, account: str, due_in_days: int | None, key: str
) -> RemoteInvoice:
    """An empty draft that nothing happens to by itself; with `due_in_days` it waits to be paid by hand."""
    params: InvoiceCreateParams = {
        "customer": customer_id,
        "currency": CURRENCY,
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "description": f"Invoice {number}",
        "metadata": {"invoice": str(ours), "number": number, "account": account},
        "collection_method": "charge_automatically" if due_in_days is None else "send_invoice",
    }
    if due_in_days is not None:
        params["days_until_due"] = due_in_days
    with asking() as api:
        made = api.v1.invoices.create(params, {"idempotency_key": key})
    return conversion.invoice(made)


def find_invoices(customer_id: str, *, ours: int) -> list[RemoteInvoice]:
    """The customer's invoices that were made for ours, oldest first."""
    with asking() as api:
        found = api.v1.invoices.list({"customer": customer_id, "limit": PAGE})
        known = [conversion.invoice(each) for each in found.auto_paging_iter()]
    return [each for each in reversed(known) if each.ours == ours]


def add_lines(invoice_id: str, *, lines: Sequence[tuple[str, Decimal]], key: str) -> RemoteInvoice:
    """Put all lines on a draft: what each says, and its amount, negative for what is taken off."""
    with asking() as api:
        api.v1.invoices.add_lines(
            invoice_id,
            {"lines": [{"description": text[:500], "amount": cents(amount)} for text, amount in lines]},
            {"idempotency_key": key},
        )
    return invoice(invoice_id)


def finalize(invoice_id: str, *, key: str) -> RemoteInvoice:
    with asking() as api:
        api.v1.invoices.finalize_invoice(invoice_id, {"auto_advance": False}, {"idempotency_key": key})
    return invoice(invoice_id)


def pay(invoice_id: str, *, key: str) -> None:
    """Charge the customer's card. Raises CardDeclined."""
    # No card is named: the customer's own is charged, and a repeated call asks for the same.
    with asking() as api:
        api.v1.invoices.pay(invoice_id, {"off_session": True}, {"idempotency_key": key})


def pay_outside(invoice_id: str, *, key: str) -> None:
    """Let it be paid: the money came another way."""
    with asking() as api:
        api.v1.invoices.pay(invoice_id, {"paid_out_of_band": True}, {"idempotency_key": key})


def void(invoice_id: str, *, key: str) -> None:
    with asking() as api:
        api.v1.invoices.void_invoice(invoice_id, {}, {"idempotency_key": key})


def give_up(invoice_id: str, *, key: str) -> None:
    with asking() as api:
        api.v1.invoices.mark_uncollectible(invoice_id, {}, {"idempotency_key": key})


def invoice(invoice_id: str) -> RemoteInvoice:
    with asking() as api:
        return conversion.invoice(api.v1.invoices.retrieve(invoice_id, {"expand": ["payments"]}))


def invoices() -> Iterator[RemoteInvoice]:
    """All there are, newest first."""
    with asking() as api:
        for each in api.v1.invoices.list({"limit": PAGE}).auto_paging_iter():
            yield conversion.invoice(each)


def invoice_of_payment(payment_intent_id: str) -> str | None:
    """The invoice that an intent pays."""
    with asking() as api:
        found = api.v1.invoice_payments.list(
            {"payment": {"type": "payment_intent", "payment_intent": payment_intent_id}}
        )
    return conversion.id_of(found.data[0].invoice) if found.data else None


def charges_of(remote: RemoteInvoice) -> list[RemoteCharge]:
    """The charges that were tried for an invoice, oldest first."""
    found: list[RemoteCharge] = []
    with asking() as api:
        for intent_id in remote.payment_intent_ids:
            tried = api.v1.charges.list({"payment_intent": intent_id, "limit": PAGE})
            found += [conversion.charge(each) for each in tried.auto_paging_iter()]
    return sorted(found, key=lambda each: (each.at, each.status == "succeeded"))


def charge(charge_id: str) -> RemoteCharge:
    with asking() as api:
        return conversion.charge(api.v1.charges.retrieve(charge_id))


def charges() -> Iterator[RemoteCharge]:
    """All there are, newest first."""
    with asking() as api:
        for each in api.v1.charges.list({"limit": PAGE}).auto_paging_iter():
            yield conversion.charge(each)


def create_credit_note(invoice_id: str, *, amount: Decimal, number: str, memo: str, key: str) -> str:
    """Take `amount` off an open invoice; returns the note's id."""
    with asking() as api:
        made = api.v1.credit_notes.create(
            {"invoice": invoice_id, "amount": cents(amount), "memo": memo, "metadata": {"number": number}},
            {"idempotency_key": key},
        )
    return made.id


def find_credit_note(invoice_id: str, *, number: str) -> str | None:
    """The invoice's credit note that was made for ours."""
    with asking() as api:
        found = api.v1.credit_notes.list({"invoice": invoice_id, "limit": PAGE}).auto_paging_iter()
        return next((each.id for each in found if _says(each, "number", number)), None)


def create_refund(charge_id: str, *, amount: Decimal, number: str, key: str) -> RemoteRefund:
    """Give `amount` of a charge back to its card."""
    with asking() as api:
        made = api.v1.refunds.create(
            {"charge": charge_id, "amount": cents(amount), "metadata": {"number": number}},
            {"idempotency_key": key},
        )
    return conversion.refund(made)


def find_refund(charge_id: str, *, number: str) -> RemoteRefund | None:
    """The charge's refund that was made for our credit note."""
    with asking() as api:
        found = api.v1.refunds.list({"charge": charge_id, "limit": PAGE}).auto_paging_iter()
        return next(
            (conversion.refund(each) for each in found if _says(each, "number", number)),
            None,
        )


def refund(refund_id: str) -> RemoteRefund:
    with asking() as api:
        return conversion.refund(api.v1.refunds.retrieve(refund_id))


def dispute(dispute_id: str) -> RemoteDispute:
    with asking() as api:
        return conversion.dispute(api.v1.disputes.retrieve(dispute_id))


def dispute_of(charge_id: str) -> RemoteDispute | None:
    """The charge's last dispute."""
    with asking() as api:
        found = api.v1.disputes.list({"charge": charge_id, "limit": 1})
    return conversion.dispute(found.data[0]) if found.data else None


def warning(warning_id: str) -> RemoteWarning:
    with asking() as api:
        found = api.v1.radar.early_fraud_warnings.retrieve(warning_id)
    return RemoteWarning(charge_id=conversion.id_of(found.charge), fraud_type=found.fraud_type)


def credit_note_invoice(note_id: str) -> str:
    """The invoice that a credit note of Stripe's lowers."""
    with asking() as api:
        return conversion.id_of(api.v1.credit_notes.retrieve(note_id).invoice)


def create_checkout(
    customer_id: str,
    *,
    metadata: Mapping[str, str],
    message: str,
    success_url: str,
    cancel_url: str,
    key: str | None = None,
) -> str:
    """A page of Stripe's on which the customer saves a card; returns its address."""
    params: SessionCreateParams = {
        "mode": "setup",
        "customer": customer_id,
        "currency": CURRENCY,
        "allowed_payment_method_types": ["card"],
        "success_url": success_url,
        "cancel_url": cancel_url,
        "metadata": dict(metadata),
    }
    if message:
        params["custom_text"] = {"submit": {"message": message}}
    with asking() as api:
        made = api.v1.checkout.sessions.create(params, {"idempotency_key": key})
    return made.url or ""


def checkout(session_id: str) -> RemoteCheckout:
    """A Checkout session, with the card that was saved in it."""
    with asking() as api:
        found = api.v1.checkout.sessions.retrieve(session_id, {"expand": ["setup_intent.payment_method"]})
    return conversion.checkout(found)


def customer_of_setup(setup_intent_id: str) -> str:
    with asking() as api:
        return conversion.id_of(api.v1.setup_intents.retrieve(setup_intent_id).customer)


def create_portal(customer_id: str, *, return_url: str) -> str:
    """Stripe's page on which the customer manages cards; returns its address."""
    with asking() as api:
        return api.v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url}).url


def check() -> None:
    """Raise unless Stripe answers and knows our key."""
    with asking() as api:
        api.v1.customers.list({"limit": 1})


def verify(body: bytes, *, signature: str) -> datetime:
    """When the webhook was signed. Raises StripeRefused unless our secret signed exactly these bytes, and
    StripeOff where nothing is heard from Stripe.
    """
    _require_on()
    try:
        stripe.WebhookSignature.verify_header(body, signature, settings.STRIPE_WEBHOOK_SECRET)
        signed_at = next(part[2:] for part in signature.split(",") if part.startswith("t="))
        return conversion.instant(int(signed_at))
    # The library compares ASCII alone (TypeError), and reads a time from more than we do (ValueError).
    except (stripe.SignatureVerificationError, TypeError, ValueError, OverflowError, StopIteration) as wrong:
        raise StripeRefused("The signature is not one of our webhook secret's.") from wrong


@contextmanager
def asking() -> Iterator[stripe.StripeClient]:
    """Stripe, and what it raises in our words."""
    _require_on()
    client = _client(
        settings.STRIPE_API_KEY,
        base=settings.STRIPE_API_BASE,
        timeout_s=settings.STRIPE_TIMEOUT_S,
        retries=settings.STRIPE_NETWORK_RETRIES,
    )
    try:
        yield client
    except stripe.StripeError as failure:
        raise _meant(failure) from failure


def _require_on() -> None:
    if settings.STRIPE_MODE == "off":
        raise StripeOff("Card payments are not set up here: set STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET.")


@lru_cache(maxsize=4)
def _client(api_key: str, *, base: str, timeout_s: int, retries: int) -> stripe.StripeClient:
    return stripe.StripeClient(
        api_key,
        stripe_version=API_VERSION,
        base_addresses={"api": base},
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=timeout_s),
    )


def _meant(failure: stripe.StripeError) -> StripeError:
    said = failure.user_message or "Stripe gave no reason."
    details = {"stripe_code": failure.code} if failure.code else {}
    status = failure.http_status or 0
    match failure:
        case stripe.CardError():
            return CardDeclined(said, code=failure.code or "card_declined")
        case stripe.AuthenticationError() | stripe.PermissionError():
            # Once somebody corrects the key, the same call succeeds. What Stripe says may quote the key.
            return StripeUnavailable("Stripe refuses our API key: check STRIPE_API_KEY.")
        case stripe.APIConnectionError() | stripe.RateLimitError():
            return StripeUnavailable("Stripe does not answer just now.", details={"retry_after": WAIT_S})
        case stripe.IdempotencyError():
            return StripeFailed(said, details=details)
        case stripe.InvalidRequestError() if failure.code == "resource_missing":
            return StripeMissing(said, details=details)
        case stripe.InvalidRequestError():
            return StripeRefused(said, details=details)
    if status >= SERVER_ERROR:
        return StripeFailed(f"Stripe failed with {status}.", details={"retry_after": WAIT_S})
    return StripeUnavailable("Stripe cannot do this just now.", details={"retry_after": WAIT_S})


def _says(found: Any, name: str, value: object) -> bool:
    return conversion.metadata(found).get(name) == str(value)
