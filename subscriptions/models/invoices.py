"""Invoices and their lines, what waits for the next one, and the numbers they are given."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from subscriptions.core import invoices
from subscriptions.models.plans import PlanVersion
from subscriptions.models.subscriptions import SubscriptionChange
from usage.core.money import COST_MAX_DIGITS, COST_PLACES, format_amount

CENTS_DIGITS = 16


class InvoiceStateChoices(models.TextChoices):
    """`subscriptions.core.invoices.InvoiceState`, with names for people."""

    DRAFT = invoices.InvoiceState.DRAFT.value, "Draft"
    OPEN = invoices.InvoiceState.OPEN.value, "Open"
    PAID = invoices.InvoiceState.PAID.value, "Paid"
    VOID = invoices.InvoiceState.VOID.value, "Void"
    UNCOLLECTIBLE = invoices.InvoiceState.UNCOLLECTIBLE.value, "Uncollectible"


class InvoiceReason(models.TextChoices):
    """What made us write an invoice."""

    PERIOD_CLOSED = "period_closed", "Billing period closed"
    SUBSCRIPTION_CHANGED = "subscription_changed", "Subscription changed"


class LineKindChoices(models.TextChoices):
    """`subscriptions.core.invoices.LineKind`, with names for people."""

    BASE_FEE = invoices.LineKind.BASE_FEE.value, "Base fee"
    PRORATION_CREDIT = invoices.LineKind.PRORATION_CREDIT.value, "Unused time"
    PRORATION_CHARGE = invoices.LineKind.PRORATION_CHARGE.value, "Remaining time"
    USAGE = invoices.LineKind.USAGE.value, "Usage"
    LATE_USAGE = invoices.LineKind.LATE_USAGE.value, "Late usage"
    INCLUDED = invoices.LineKind.INCLUDED.value, "Included"
    ABOVE_MAXIMUM = invoices.LineKind.ABOVE_MAXIMUM.value, "Above the maximum"
    MARKUP = invoices.LineKind.MARKUP.value, "Markup"
    ADJUSTMENT = invoices.LineKind.ADJUSTMENT.value, "Adjustment"
    CARRIED_OVER = invoices.LineKind.CARRIED_OVER.value, "Carried over"


# What waits for its tax, where Stripe computes it.
UNTAXED = Q(state=InvoiceStateChoices.DRAFT, taxed_at__isnull=True, subtotal__gt=0)
METERED_KINDS = sorted(kind.value for kind in invoices.METERED)


def cents_field(help_text: str = "") -> Any:
    return models.DecimalField(max_digits=CENTS_DIGITS, decimal_places=2, default=0, help_text=help_text)


class BillingHistory(models.Model):
    """An invoice: one for each closed billing period, and one for each change that is due at once.

    From its number on a trigger lets nothing but its state and what was paid or credited change. Amounts are
    USD in cents; `total` = `subtotal` (the sum of the rounded lines) + `tax`, `amount_due` = what remains of
    a positive total after credits. A negative total becomes a credit grant. [`period_start`, `period_end`)
    is the billing period that was closed, or the term that was paid for.
    """

    account = models.ForeignKey("usage.Account", on_delete=models.PROTECT, related_name="invoices")
    state = models.CharField(max_length=16, choices=InvoiceStateChoices, default=InvoiceStateChoices.DRAFT)
    reason = models.CharField(max_length=24, choices=InvoiceReason)
    number = models.CharField(max_length=32, unique=True, null=True)  # noqa: DJ001  # drafts have none
    billing_period = models.OneToOneField(
        "usage.BillingPeriod", on_delete=models.PROTECT, null=True, related_name="invoice"
    )
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, null=True, related_name="+")
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    currency = models.CharField(max_length=3, default="USD")
    subtotal = cents_field()
    tax = cents_field()
    taxed_at = models.DateTimeField(null=True, help_text="When its tax was computed; empty: it has none.")
    tax_calculation_id = models.CharField(max_length=64, blank=True, default="")
    tax_error = models.CharField(
        max_length=500, blank=True, default="", help_text="Why the tax of a draft could not be computed."
    )
    total = cents_field()
    credit_applied = cents_field("Taken from the account's credits before charging.")
    amount_due = cents_field("To be paid when it was finalized.")
    amount_credited = cents_field("What credit notes took off what was due.")
    amount_paid = cents_field()
    created_at = models.DateTimeField()
    finalized_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    paid_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True, help_text="When it was voided or given up as uncollectible.")
    seller = models.JSONField(default=dict, help_text="Who invoices, as of the day it was finalized.")
    bill_to = models.JSONField(default=dict, help_text="Who is invoiced, as of the day it was finalized.")

    class Meta:
        db_table = "billing_history"
        verbose_name = "invoice"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["account", "-id"], name="invoice_by_account"),
            models.Index(fields=["id"], condition=Q(state=InvoiceStateChoices.DRAFT), name="invoice_drafts"),
            models.Index(
                fields=["account"], condition=Q(state=InvoiceStateChoices.OPEN), name="invoice_open"
            ),
            models.Index(fields=["finalized_at"], name="invoice_by_finalized"),
        ]
        permissions = [
            ("settle_billinghistory", "Can void, write off, credit and refund invoices"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=InvoiceStateChoices.values), name="invoice_state_known"
            ),
            models.CheckConstraint(condition=Q(reason__in=InvoiceReason.values), name="invoice_reason_known"),
            models.CheckConstraint(
                condition=Q(state=InvoiceStateChoices.DRAFT, number__isnull=True, finalized_at__isnull=True)
                | Q(number__isnull=False, finalized_at__isnull=False) & ~Q(state=InvoiceStateChoices.DRAFT),
                name="invoice_numbered_when_final",
            ),
            models.CheckConstraint(
                condition=Q(total=F("subtotal") + F("tax")), name="invoice_total_is_subtotal_and_tax"
            ),
            models.CheckConstraint(
                condition=Q(state=InvoiceStateChoices.DRAFT)
                | Q(total__gt=0, amount_due=F("total") - F("credit_applied"))
                | Q(total__lte=0, amount_due=0, credit_applied=0),
                name="invoice_due_is_total_less_credits",
            ),
            models.CheckConstraint(
                condition=Q(
                    credit_applied__gte=0, amount_due__gte=0, amount_credited__gte=0, amount_paid__gte=0
                )
                & Q(amount_due__gte=F("amount_credited") + F("amount_paid")),
                name="invoice_settled_within_due",
            ),
            models.CheckConstraint(
                condition=~Q(state=InvoiceStateChoices.PAID)
                | Q(amount_due=F("amount_credited") + F("amount_paid"), paid_at__isnull=False),
                name="invoice_paid_in_full",
            ),
            models.CheckConstraint(
                condition=Q(reason=InvoiceReason.PERIOD_CLOSED, billing_period__isnull=False)
                | Q(reason=InvoiceReason.SUBSCRIPTION_CHANGED, billing_period__isnull=True),
                name="invoice_closes_a_period_or_none",
            ),
        ]

    def __str__(self) -> str:
        return f"Invoice {self.number}" if self.number else f"Draft {self.pk}"

    @property
    def amount_remaining(self) -> Decimal:
        """USD still to be paid."""
        remaining: Decimal = self.amount_due - self.amount_credited - self.amount_paid
        return remaining


class InvoiceLine(models.Model):
    """One line. `precise_amount` is exact; `amount` is in cents and adds up to the subtotal.

    A metered line carries its evidence: so many events, and a hash over their ids and costs. A subscription's
    change and a waiting item are each billed by one line, which the unique keys hold.
    """

    invoice = models.ForeignKey(BillingHistory, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=24, choices=LineKindChoices)
    description = models.CharField(max_length=400)
    provider = models.CharField(max_length=64, blank=True, default="", db_collation="C")
    model = models.CharField(max_length=160, blank=True, default="", db_collation="C")
    quantity = models.DecimalField(max_digits=24, decimal_places=3, null=True)
    unit = models.CharField(max_length=16, blank=True, default="")
    precise_amount = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES)
    amount = models.DecimalField(max_digits=CENTS_DIGITS, decimal_places=2)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    price = models.ForeignKey(
        "usage.APIProviderPricing", on_delete=models.PROTECT, null=True, related_name="+"
    )
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, null=True, related_name="+")
    change = models.ForeignKey(
        SubscriptionChange, on_delete=models.PROTECT, null=True, related_name="invoice_lines"
    )
    item = models.OneToOneField("InvoiceItem", on_delete=models.PROTECT, null=True, related_name="line")
    event_count = models.BigIntegerField(default=0)
    evidence = models.CharField(max_length=64, blank=True, default="")
    details = models.JSONField(default=dict)

    class Meta:
        db_table = "billing_history_lines"
        ordering = ["invoice", "position"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_position_once"),
            models.CheckConstraint(
                condition=Q(kind__in=LineKindChoices.values), name="invoice_line_kind_known"
            ),
            models.UniqueConstraint(fields=["change", "kind"], name="subscription_change_billed_once"),
            models.CheckConstraint(
                condition=Q(kind__in=METERED_KINDS, event_count__gt=0)
                | ~Q(kind__in=METERED_KINDS) & Q(event_count=0, evidence=""),
                name="invoice_line_evidence_of_metered_only",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.description}: {self.amount} USD"


class InvoiceItem(models.Model):
    """An amount that waits for the account's next invoice; once a line bills it, it is settled.

    A correction by staff (`actor_user` says who), or what was too little to be charged by itself. Negative
    amounts are the customer's. One is withdrawn by its opposite, which waits beside it.
    """

    account = models.ForeignKey("usage.Account", on_delete=models.PROTECT, related_name="invoice_items")
    description = models.CharField(max_length=300)
    amount = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES)
    corrects = models.ForeignKey(
        BillingHistory, on_delete=models.PROTECT, null=True, related_name="corrections"
    )
    withdraws = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="withdrawn_by")
    created_at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    actor_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        db_table = "invoice_items"
        ordering = ["id"]
        indexes = [models.Index(fields=["account", "id"], name="invoice_item_by_account")]
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="invoice_item_not_nothing"),
            models.CheckConstraint(condition=~Q(description=""), name="invoice_item_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.description}: {format_amount(self.amount)} USD"


class InvoiceEventKind(models.TextChoices):
    """What happened to an invoice."""

    DRAFTED = "drafted", "Drafted"
    FINALIZED = "finalized", "Finalized"
    PAYMENT_FAILED = "payment_failed", "Payment failed"
    PAID = "paid", "Paid"
    VOIDED = "voided", "Voided"
    UNCOLLECTIBLE = "uncollectible", "Given up as uncollectible"
    CREDITED = "credited", "Credit note issued"
    REFUNDED = "refunded", "Refunded"
    DISPUTED = "disputed", "Payment disputed"


class InvoiceEvent(models.Model):
    """What happened to an invoice: who, when, why, and the state after. Append-only, by a trigger."""

    invoice = models.ForeignKey(BillingHistory, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=24, choices=InvoiceEventKind)
    state_after = models.CharField(max_length=16, choices=InvoiceStateChoices)
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    actor_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True, default="")
    amount = models.DecimalField(max_digits=CENTS_DIGITS, decimal_places=2, null=True)

    class Meta:
        db_table = "billing_history_events"
        ordering = ["invoice", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=InvoiceEventKind.values), name="invoice_event_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d %H:%M}"


class NumberSeries(models.Model):
    """The last number given in a series of a year; taken under its row's lock, so that none is left out."""

    key = models.CharField(max_length=16, primary_key=True)
    last = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "number_series"
        verbose_name_plural = "number series"
        constraints = [models.CheckConstraint(condition=~Q(key=""), name="number_series_has_a_key")]

    def __str__(self) -> str:
        return f"{self.key}: {self.last}"


class CloseFailure(models.Model):
    """A billing period that could not be closed, why, and when it is tried again. Gone once it is closed."""

    billing_period = models.OneToOneField(
        "usage.BillingPeriod", on_delete=models.CASCADE, primary_key=True, related_name="close_failure"
    )
    error = models.CharField(max_length=500)
    attempts = models.PositiveIntegerField(default=1)
    first_failed_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()

    class Meta:
        db_table = "close_failures"
        ordering = ["first_failed_at"]
        constraints = [
            models.CheckConstraint(condition=~Q(error=""), name="close_failure_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.billing_period}: {self.error}"
