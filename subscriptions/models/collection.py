"""Collecting money through Stripe: who pays and how, what is to be done there, and what was heard from there.

Work that Stripe has yet to hear of is a state on its row (`PushColumns`), never a message in a queue: a sweep
claims what is due for a while, and a claim whose worker died runs out.
"""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from subscriptions.models.invoices import BillingHistory, cents_field

# What Stripe refused for good waits for somebody: nothing is due, and the error says why.
PARKED = Q(push_at__isnull=True) & ~Q(push_error="")


class PushColumns(models.Model):
    """What is to be pushed to Stripe, and how that went."""

    push_at = models.DateTimeField(null=True, help_text="When it is pushed next; empty: nothing to push.")
    push_claimed_until = models.DateTimeField(null=True)
    push_attempts = models.PositiveIntegerField(default=0, help_text="Failures since the last success.")
    push_error = models.CharField(max_length=500, blank=True, default="")
    push_began_at = models.DateTimeField(
        null=True, help_text="Since then Stripe may know of it, also where no id came back."
    )
    push_key_turn = models.PositiveSmallIntegerField(
        default=0,
        help_text="Part of the idempotency keys: raised when Stripe failed, as it would repeat that answer.",
    )

    class Meta:
        abstract = True

    def push_key(self, *parts: object) -> str:
        """The idempotency key of one call to Stripe that this row asks for."""
        turn = [f"turn{self.push_key_turn}"] if self.push_key_turn else []
        return "-".join(str(part) for part in [*parts, *turn])


class BillingProfile(PushColumns):
    """Whom an account's invoices go to and which card pays them, known by what its owner may see of it."""

    account = models.OneToOneField(
        "usage.Account", on_delete=models.PROTECT, primary_key=True, related_name="billing_profile"
    )
    name = models.CharField(max_length=200, blank=True, default="")
    email = models.EmailField(blank=True, default="")
    address = models.JSONField(
        default=dict, help_text="line1, line2, city, state, postal_code, country (two letters)."
    )
    tax_id = models.CharField(max_length=64, blank=True, default="")
    stripe_customer_id = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001
    payment_method_id = models.CharField(max_length=64, blank=True, default="")
    card_brand = models.CharField(max_length=32, blank=True, default="")
    card_last4 = models.CharField(max_length=4, blank=True, default="")
    card_exp_month = models.PositiveSmallIntegerField(null=True)
    card_exp_year = models.PositiveSmallIntegerField(null=True)
    hold_reason = models.CharField(
        max_length=200, blank=True, default="", help_text="While this says why, no card is charged."
    )
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "billing_profiles"
        indexes = [
            models.Index(fields=["push_at"], condition=Q(push_at__isnull=False), name="profile_to_push"),
            models.Index(fields=["account"], condition=PARKED, name="profile_parked"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(payment_method_id="", card_last4="") | ~Q(payment_method_id=""),
                name="profile_card_has_a_method",
            ),
            models.CheckConstraint(
                condition=Q(payment_method_id="") | Q(stripe_customer_id__isnull=False),
                name="profile_card_has_a_customer",
            ),
        ]

    def __str__(self) -> str:
        return f"Billing of {self.account}"

    @property
    def has_card(self) -> bool:
        return bool(self.payment_method_id)

    def card_ends_by(self, moment: datetime) -> bool:
        """Whether the card ends with the month of `moment`, or has ended before."""
        if self.card_exp_year is None or self.card_exp_month is None:
            return False
        return (self.card_exp_year, self.card_exp_month) <= (moment.year, moment.month)


class InvoiceCollection(PushColumns):
    """How an invoice is collected: its twin at Stripe, the attempts to charge it, and when the next one is.

    `payment_attempts` is raised before a charge is asked for and is part of its idempotency key, so that an
    attempt whose answer got lost is asked for again under the same key.
    """

    invoice = models.OneToOneField(
        BillingHistory, on_delete=models.PROTECT, primary_key=True, related_name="collection"
    )
    stripe_invoice_id = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001
    stripe_status = models.CharField(max_length=16, blank=True, default="")
    hosted_url = models.CharField(max_length=1000, blank=True, default="")
    payment_attempts = models.PositiveSmallIntegerField(default=0)
    failed_attempts = models.PositiveSmallIntegerField(default=0)
    next_payment_at = models.DateTimeField(null=True)
    last_failure_code = models.CharField(max_length=64, blank=True, default="")
    last_failure = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        db_table = "invoice_collections"
        indexes = [
            models.Index(fields=["push_at"], condition=Q(push_at__isnull=False), name="collection_to_push"),
            models.Index(fields=["invoice"], condition=PARKED, name="collection_parked"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(payment_attempts__gte=F("failed_attempts")),
                name="collection_failures_within_attempts",
            ),
        ]

    def __str__(self) -> str:
        return f"Collection of {self.invoice}"


class PaymentState(models.TextChoices):
    """What became of a payment."""

    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    REFUNDED = "refunded", "Refunded"
    DISPUTED = "disputed", "Disputed"
    LOST = "lost", "Lost in a dispute"


class Payment(models.Model):
    """An attempt to pay an invoice: a charge at Stripe, or money that came another way and staff recorded."""

    account = models.ForeignKey("usage.Account", on_delete=models.PROTECT, related_name="payments")
    invoice = models.ForeignKey(BillingHistory, on_delete=models.PROTECT, related_name="payments")
    state = models.CharField(max_length=16, choices=PaymentState)
    amount = cents_field()
    refunded = cents_field()
    stripe_charge_id = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001
    stripe_payment_intent_id = models.CharField(max_length=64, blank=True, default="", db_index=True)
    stripe_dispute_id = models.CharField(max_length=64, blank=True, default="")
    dispute_status = models.CharField(max_length=32, blank=True, default="")
    fraud_warning = models.CharField(max_length=64, blank=True, default="")
    method = models.CharField(max_length=64, help_text="Such as visa 4242, or bank transfer.")
    reference = models.CharField(max_length=200, blank=True, default="")
    failure_code = models.CharField(max_length=64, blank=True, default="")
    failure_message = models.CharField(max_length=300, blank=True, default="")
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)

    class Meta:
        db_table = "payments"
        ordering = ["-id"]
        indexes = [models.Index(fields=["account", "-id"], name="payment_by_account")]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=PaymentState.values), name="payment_state_known"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_not_nothing"),
            models.CheckConstraint(
                condition=Q(refunded__gte=0, refunded__lte=F("amount")), name="payment_refunded_within_amount"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display()}: {self.amount} USD, {self.method}"


class CreditNoteKind(models.TextChoices):
    """What a credit note does with its amount."""

    REDUCE = "reduce", "Reduces what is due"
    TO_CARD = "to_card", "Refunded to the card"
    TO_CREDIT = "to_credit", "Given as credit"


class CreditNote(PushColumns):
    """A correction of a finalized invoice in the customer's favour; it never changes once written."""

    number = models.CharField(max_length=32, unique=True)
    account = models.ForeignKey("usage.Account", on_delete=models.PROTECT, related_name="credit_notes")
    invoice = models.ForeignKey(BillingHistory, on_delete=models.PROTECT, related_name="credit_notes")
    kind = models.CharField(max_length=16, choices=CreditNoteKind)
    amount = cents_field()
    reason = models.CharField(max_length=300)
    grant = models.OneToOneField(
        "CreditGrant", on_delete=models.PROTECT, null=True, related_name="credit_note"
    )
    stripe_credit_note_id = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001
    stripe_refund_id = models.CharField(max_length=64, blank=True, default="")
    refund_status = models.CharField(max_length=32, blank=True, default="")
    created_at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    actor_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        db_table = "credit_notes"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["push_at"], condition=Q(push_at__isnull=False), name="credit_note_to_push"),
            models.Index(fields=["id"], condition=PARKED, name="credit_note_parked"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=CreditNoteKind.values), name="credit_note_kind_known"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="credit_note_not_nothing"),
            models.CheckConstraint(condition=~Q(reason=""), name="credit_note_says_why"),
            models.CheckConstraint(
                condition=Q(kind=CreditNoteKind.TO_CREDIT, grant__isnull=False)
                | ~Q(kind=CreditNoteKind.TO_CREDIT) & Q(grant__isnull=True),
                name="credit_note_grants_what_it_says",
            ),
        ]

    def __str__(self) -> str:
        return f"Credit note {self.number}"


class CompletedCheckout(models.Model):
    """A Checkout session whose card and plan were taken over; the key lets that happen once."""

    session_id = models.CharField(max_length=128, primary_key=True)
    account = models.ForeignKey("usage.Account", on_delete=models.PROTECT, related_name="+")
    completed_at = models.DateTimeField()

    class Meta:
        db_table = "completed_checkouts"
        ordering = ["-completed_at"]

    def __str__(self) -> str:
        return f"{self.session_id} of {self.account}"


class StripeEventState(models.TextChoices):
    """How far an event has come."""

    RECEIVED = "received", "Received"
    DONE = "done", "Done"
    IGNORED = "ignored", "Of no interest"
    PARKED = "parked", "Parked"


class StripeEvent(models.Model):
    """A webhook, verified and stored as it came, once per event id. What it is about is fetched again."""

    event_id = models.CharField(max_length=64, primary_key=True)
    type = models.CharField(max_length=100)
    object_id = models.CharField(max_length=128, blank=True, default="")
    livemode = models.BooleanField(default=False)
    created_at = models.DateTimeField(help_text="When it happened, says Stripe.")
    received_at = models.DateTimeField()
    body = models.TextField()
    state = models.CharField(max_length=16, choices=StripeEventState, default=StripeEventState.RECEIVED)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, default="")
    next_attempt_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)
    processed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "stripe_events"
        ordering = ["-received_at"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state=StripeEventState.RECEIVED),
                name="stripe_event_to_process",
            ),
            models.Index(
                fields=["-received_at"],
                condition=Q(state=StripeEventState.PARKED),
                name="stripe_event_parked",
            ),
            models.Index(fields=["-received_at"], name="stripe_event_newest"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=StripeEventState.values), name="stripe_event_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state=StripeEventState.RECEIVED, next_attempt_at__isnull=False)
                | ~Q(state=StripeEventState.RECEIVED) & Q(next_attempt_at__isnull=True),
                name="stripe_event_waits_while_received",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} ({self.event_id})"
