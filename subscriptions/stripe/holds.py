"""While a payment is disputed or suspected of fraud, no card of the account is charged."""

from datetime import datetime

from subscriptions.models import BillingProfile, InvoiceCollection, InvoiceStateChoices, Payment, PaymentState
from subscriptions.stripe import customers
from usage.models import Account

DISPUTED = "A payment is disputed."
FRAUD = "A card's issuer warns of fraud."


def put(account: Account, reason: str, *, at: datetime) -> None:
    """Charge no card of the account until the hold is lifted; a hold that is there stays as it is."""
    profile = customers.profile_of(account, at=at)
    BillingProfile.objects.filter(pk=profile.pk, hold_reason="").update(hold_reason=reason, updated_at=at)


def lift(account: Account, *, at: datetime) -> None:
    """Charge what is open again."""
    held = BillingProfile.objects.filter(account=account).exclude(hold_reason="")
    if held.update(hold_reason="", updated_at=at):
        waiting = InvoiceCollection.objects.filter(
            invoice__account=account, invoice__state=InvoiceStateChoices.OPEN, next_payment_at__isnull=False
        )
        waiting.update(push_at=at)


def dispute_is_over(account: Account, *, at: datetime) -> None:
    """Lift the hold if it was for disputes, and none is left."""
    profile = BillingProfile.objects.filter(account=account, hold_reason=DISPUTED).first()
    contested = Payment.objects.filter(account=account, state__in=[PaymentState.DISPUTED, PaymentState.LOST])
    if profile is not None and not contested.exists():
        lift(account, at=at)
