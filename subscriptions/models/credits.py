"""Credits: what an account has paid ahead or was given, and the ledger of all that happened to it."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from subscriptions.models.invoices import BillingHistory, cents_field


class CreditKind(models.TextChoices):
    """Where a credit came from."""

    PREPAID = "prepaid", "Prepaid"
    PROMOTIONAL = "promotional", "Promotional"
    REFUND = "refund", "Given back"


class CreditGrant(models.Model):
    """USD that the account's invoices take before anything is charged.

    Those of lower `priority` go first, then those that expire sooner, then the older. `balance` is what is
    left: always the sum of the grant's entries.
    """

    account = models.ForeignKey("usage.Account", on_delete=models.PROTECT, related_name="credit_grants")
    kind = models.CharField(max_length=16, choices=CreditKind)
    amount = cents_field("USD")
    balance = cents_field()
    priority = models.PositiveSmallIntegerField(default=50, help_text="Lower goes first.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="What is left then is lost.")
    reason = models.CharField(max_length=300)
    from_invoice = models.OneToOneField(
        BillingHistory, on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+",
        help_text="The invoice whose total was negative.",
    )  # fmt: skip
    created_at = models.DateTimeField(editable=False)
    voided_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "credit_grants"
        ordering = ["account", "-id"]
        indexes = [
            models.Index(fields=["account"], condition=Q(balance__gt=0), name="credit_left_by_account"),
            models.Index(fields=["expires_at"], condition=Q(balance__gt=0), name="credit_left_by_expiry"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=CreditKind.values), name="credit_kind_known"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="credit_grant_not_nothing"),
            models.CheckConstraint(
                condition=Q(balance__gte=0, balance__lte=F("amount")), name="credit_balance_within_grant"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="credit_grant_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} credit of {self.amount} USD"


class CreditEntryKind(models.TextChoices):
    """What happened to a credit."""

    GRANTED = "granted", "Granted"
    APPLIED = "applied", "Applied"
    RETURNED = "returned", "Returned by a voided invoice"
    EXPIRED = "expired", "Expired"
    VOIDED = "voided", "Voided"


class CreditEntry(models.Model):
    """One movement of a grant, signed: in is positive, out negative. Append-only, by a trigger."""

    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="entries")
    account = models.ForeignKey("usage.Account", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=CreditEntryKind)
    amount = models.DecimalField(max_digits=16, decimal_places=2)
    invoice = models.ForeignKey(
        BillingHistory, on_delete=models.PROTECT, null=True, related_name="credit_entries"
    )
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    actor_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        db_table = "credit_entries"
        verbose_name_plural = "credit entries"
        ordering = ["-id"]
        indexes = [models.Index(fields=["account", "-id"], name="credit_entry_by_account")]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=CreditEntryKind.values), name="credit_entry_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["granted", "returned"], amount__gt=0)
                | Q(kind__in=["applied", "expired", "voided"], amount__lt=0),
                name="credit_entry_signed_by_kind",
            ),
            models.UniqueConstraint(
                fields=["grant", "invoice", "kind"], name="credit_moved_once_per_invoice"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.amount} USD"
