"""What an unpaid invoice does to the subscription: past due, attempts again, a pause; and the way back.

Called with the invoice locked, inside the transaction that records what became of its payment. A customer
whose invoices are all paid again gets the subscription back as it was before.
"""

from datetime import datetime

from django.conf import settings

from subscriptions import invoicing, lifecycle, term_ends
from subscriptions.actors import SYSTEM
from subscriptions.core.dunning import next_attempt
from subscriptions.core.invoices import InvoiceState
from subscriptions.core.states import USABLE, Move, State, allows
from subscriptions.models import (
    BillingHistory,
    ChangeKind,
    InvoiceCollection,
    InvoiceEventKind,
    SubscriptionChange,
    UserSubscription,
)
from usage.models import Account

UNPAID = "unpaid"


def failed(invoice: BillingHistory, *, code: str, message: str, at: datetime) -> None:
    """An attempt to be paid failed: the subscription is past due, and after the last attempt paused."""
    collection = InvoiceCollection.objects.select_for_update().get(invoice=invoice)
    collection.failed_attempts += 1
    collection.payment_attempts = max(collection.payment_attempts, collection.failed_attempts)
    collection.last_failure_code, collection.last_failure = code[:64], message[:300]
    collection.next_payment_at = next_attempt(
        collection.failed_attempts, failed_at=at, steps=settings.DUNNING_STEPS
    )
    collection.save()
    invoicing.note(invoice, InvoiceEventKind.PAYMENT_FAILED, at=at, by=SYSTEM, reason=message)
    subscription = _subscription_of(invoice, at=at)
    if subscription is None:
        return
    why = f"Invoice {invoice.number} could not be paid: {message}"[:300]
    if allows(Move.PAYMENT_FAILED, before=State(subscription.state)):
        subscription = lifecycle.payment_failed(subscription, at=at, by=SYSTEM, reason=why)
    if collection.next_payment_at is not None:
        return
    if subscription.paused_automatically:
        # That pause ends by itself, with the period; this one does not.
        subscription = lifecycle.resume(subscription, at=at, by=SYSTEM, reason=why)
    if State(subscription.state) in USABLE:
        lifecycle.pause(subscription, at=at, by=SYSTEM, reason=why, cause=UNPAID)


def is_attempt(invoice: BillingHistory, at: datetime) -> bool:
    """Whether a charge that failed `at` counts as an attempt.

    Between two of ours a customer may try card after card on Stripe's page, and comes no closer to the pause.
    """
    early = InvoiceCollection.objects.filter(invoice=invoice, failed_attempts__gt=0, next_payment_at__gt=at)
    return not early.exists()


def settled(invoice: BillingHistory, *, at: datetime) -> None:
    """The invoice is paid or waived. Where no other one of the account is in arrears, a subscription that was
    paused or past due for it goes on.
    """
    stop(invoice, at=at)
    if in_arrears(invoice.account):
        return
    subscription = _subscription_of(invoice, at=at)
    if subscription is None:
        return
    reason = f"Invoice {invoice.number} is settled."
    if subscription.state == State.PAUSED and paused_unpaid(subscription):
        subscription = lifecycle.resume(subscription, at=at, by=SYSTEM, reason=reason)
    if subscription.state == State.PAST_DUE:
        lifecycle.payment_received(subscription, at=at, by=SYSTEM, reason=reason)


def stop(invoice: BillingHistory, *, at: datetime) -> None:
    """Charge nobody for the invoice any more, and let Stripe hear how it stands."""
    InvoiceCollection.objects.filter(invoice=invoice).update(next_payment_at=None)
    tell(invoice, at=at)


def tell(invoice: BillingHistory, *, at: datetime) -> None:
    """Let Stripe hear how the invoice stands."""
    collections = InvoiceCollection.objects.filter(invoice=invoice)
    collections.update(push_at=at, push_attempts=0, push_error="")


def in_arrears(account: Account) -> bool:
    """Whether an open invoice of the account could not be paid."""
    return InvoiceCollection.objects.filter(
        invoice__account=account, invoice__state=InvoiceState.OPEN, failed_attempts__gt=0
    ).exists()


def paused_unpaid(subscription: UserSubscription) -> bool:
    """Whether the pause that a subscription is in was for an unpaid invoice."""
    paused = SubscriptionChange.objects.filter(subscription=subscription, kind=ChangeKind.PAUSED)
    last = paused.order_by("-id").first()
    return last is not None and last.details.get("cause") == UNPAID


def try_again(account: Account, *, at: datetime) -> int:
    """Charge the account's open invoices now, since a card that can pay them has come; returns how many."""
    waiting = InvoiceCollection.objects.filter(invoice__account=account, invoice__state=InvoiceState.OPEN)
    return waiting.update(push_at=at, next_payment_at=at, push_attempts=0)


def _subscription_of(invoice: BillingHistory, *, at: datetime) -> UserSubscription | None:
    """The account's subscription, locked, its overdue terms ended: what it then allows is asked, so that a
    cancellation that nobody has seen to yet keeps no payment from being recorded.
    """
    known = UserSubscription.objects.filter(account=invoice.account_id).first()
    return None if known is None else term_ends.locked(known, at=at)[0]
