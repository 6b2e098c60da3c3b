"""An account's subscription, everything that ever happened to it, and the limits staff set for it alone."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from subscriptions.core import states, terms
from subscriptions.models.plans import LimitColumns, PlanVersion, SubscriptionPlan
from usage.core.money import COST_MAX_DIGITS, COST_PLACES


class StateChoices(models.TextChoices):
    """`subscriptions.core.states.State`, with names for people."""

    TRIALING = states.State.TRIALING.value, "Trialing"
    ACTIVE = states.State.ACTIVE.value, "Active"
    PAST_DUE = states.State.PAST_DUE.value, "Past due"
    PAUSED = states.State.PAUSED.value, "Paused"
    CANCELED = states.State.CANCELED.value, "Canceled"
    EXPIRED = states.State.EXPIRED.value, "Expired"


class CycleChoices(models.TextChoices):
    """`subscriptions.core.terms.BillingCycle`, with names for people."""

    MONTHLY = terms.BillingCycle.MONTHLY.value, "Monthly"
    YEARLY = terms.BillingCycle.YEARLY.value, "Yearly"


USABLE = [state.value for state in sorted(states.USABLE)]
ENDED = [state.value for state in sorted(states.ENDED)]


class UserSubscription(models.Model):
    """An account's one subscription, as it stands. Written by operations only, each of which adds a change.

    A *term* is what a base fee pays for: a month or a year, or the trial. `anchor` is the instant that terms
    and the account's billing periods are counted from. `plan_version` holds what was sold for this term.
    """

    account = models.OneToOneField("usage.Account", on_delete=models.PROTECT, related_name="subscription")
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="subscriptions")
    billing_cycle = models.CharField(max_length=16, choices=CycleChoices)
    state = models.CharField(max_length=16, choices=StateChoices, db_index=True)
    anchor = models.DateTimeField()
    term_start = models.DateTimeField()
    term_end = models.DateTimeField(db_index=True)
    term_fee = models.DecimalField(
        max_digits=12, decimal_places=2, default=0, help_text="USD that the whole term costs."
    )
    renewal_count = models.PositiveIntegerField(default=0)
    trial_ends_at = models.DateTimeField(null=True, blank=True)
    cancel_at_term_end = models.BooleanField(default=False)
    pending_plan = models.ForeignKey(
        SubscriptionPlan,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Begins at the end of the term.",
    )
    pending_cycle = models.CharField(max_length=16, choices=CycleChoices, blank=True, default="")
    paused_from = models.CharField(
        max_length=16,
        choices=StateChoices,
        blank=True,
        default="",
        help_text="The state that resuming leads to.",
    )
    paused_automatically = models.BooleanField(default=False)
    resumes_at = models.DateTimeField(null=True, blank=True, help_text="When a pause ends by itself.")
    fee_waived = models.BooleanField(
        default=False, help_text="The term began while paused: its rest is charged on resuming."
    )
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "user_subscriptions"
        verbose_name = "subscription"
        ordering = ["account"]
        permissions = [
            ("support_usersubscription", "Can pause and resume subscriptions and extend trials"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=StateChoices.values), name="subscription_state_known"
            ),
            models.CheckConstraint(
                condition=Q(billing_cycle__in=CycleChoices.values), name="subscription_cycle_known"
            ),
            models.CheckConstraint(
                condition=Q(term_end__gt=F("term_start")), name="subscription_term_not_empty"
            ),
            models.CheckConstraint(
                condition=Q(
                    state=StateChoices.PAUSED, paused_from__in=[s.value for s in sorted(states.USABLE)]
                )
                | (~Q(state=StateChoices.PAUSED) & Q(paused_from="", resumes_at__isnull=True)),
                name="subscription_pause_knows_its_way_back",
            ),
            models.CheckConstraint(
                condition=Q(state__in=ENDED, ended_at__isnull=False)
                | (~Q(state__in=ENDED) & Q(ended_at__isnull=True)),
                name="subscription_ended_when_it_says_so",
            ),
            models.CheckConstraint(
                condition=Q(pending_plan__isnull=True, pending_cycle="")
                | Q(pending_plan__isnull=False, pending_cycle__in=CycleChoices.values),
                name="subscription_pending_change_is_whole",
            ),
            models.CheckConstraint(
                condition=~Q(state=StateChoices.TRIALING) | Q(trial_ends_at=F("term_end")),
                name="subscription_trial_is_its_term",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account}: {self.plan_version.plan.name} ({self.get_state_display()})"

    @property
    def plan(self) -> SubscriptionPlan:
        """The plan that the version in force is one of."""
        return self.plan_version.plan

    @property
    def cycle(self) -> terms.BillingCycle:
        return terms.BillingCycle(self.billing_cycle)

    @property
    def term(self) -> terms.Term:
        return terms.Term(self.term_start, self.term_end)

    @property
    def is_usable(self) -> bool:
        """Whether its state allows calls."""
        return states.State(self.state) in states.USABLE

    @property
    def has_ended(self) -> bool:
        return states.State(self.state) in states.ENDED


class ChangeKind(models.TextChoices):
    """What happened to a subscription."""

    STARTED = "started", "Started"
    RENEWED = "renewed", "Renewed"
    UPGRADED = "upgraded", "Upgraded"
    DOWNGRADED = "downgraded", "Downgraded"
    VERSION_APPLIED = "version_applied", "New plan version applied"
    CHANGE_SCHEDULED = "change_scheduled", "Change scheduled for the term's end"
    SCHEDULE_WITHDRAWN = "schedule_withdrawn", "Scheduled change withdrawn"
    CANCEL_SCHEDULED = "cancel_scheduled", "Cancellation scheduled for the term's end"
    TRIAL_EXTENDED = "trial_extended", "Trial extended"
    PAUSED = "paused", "Paused"
    RESUMED = "resumed", "Resumed"
    PAYMENT_FAILED = "payment_failed", "Payment failed"
    PAYMENT_RECEIVED = "payment_received", "Payment received"
    CANCELED = "canceled", "Canceled"
    EXPIRED = "expired", "Expired"
    REACTIVATED = "reactivated", "Reactivated"


# The changes that begin a term or change what is paid for it: what front ends know as renewals.
RENEWALS = [
    ChangeKind.STARTED,
    ChangeKind.REACTIVATED,
    ChangeKind.RENEWED,
    ChangeKind.UPGRADED,
    ChangeKind.DOWNGRADED,
]


class SubscriptionChange(models.Model):
    """One thing that happened to a subscription: who, when, why, before and after. Append-only, by a trigger.

    `at` is when it took effect, `recorded_at` when it was written: later where the clock had to catch up.
    `amount_due` is USD, unrounded; negative is a credit. `usage_before` are the totals of the term before.
    """

    subscription = models.ForeignKey(UserSubscription, on_delete=models.PROTECT, related_name="changes")
    account = models.ForeignKey("usage.Account", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=24, choices=ChangeKind)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    actor_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True, default="")
    state_before = models.CharField(max_length=16, choices=StateChoices, blank=True, default="")
    state_after = models.CharField(max_length=16, choices=StateChoices)
    version_before = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, null=True, related_name="+")
    version_after = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    billing_cycle = models.CharField(max_length=16, choices=CycleChoices)
    term_before_start = models.DateTimeField(null=True)
    term_before_end = models.DateTimeField(null=True)
    term_start = models.DateTimeField()
    term_end = models.DateTimeField()
    renewal_count = models.PositiveIntegerField()
    amount_due = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES, default=0)
    details = models.JSONField(default=dict)
    usage_before = models.JSONField(null=True)
    is_billed_elsewhere = models.BooleanField(
        default=False, help_text="From before there were invoices: no invoice bills it."
    )

    class Meta:
        db_table = "subscription_changes"
        verbose_name = "subscription change"
        ordering = ["subscription", "-id"]
        indexes = [
            models.Index(fields=["account", "-id"], name="change_by_account"),
            models.Index(fields=["recorded_at"], condition=Q(amount_due__gt=0), name="change_that_costs"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=ChangeKind.values), name="subscription_change_kind_known"
            ),
            # What makes two racing renewals of a term one.
            models.UniqueConstraint(
                fields=["subscription", "term_start"],
                condition=Q(kind=ChangeKind.RENEWED),
                name="subscription_renewed_once_per_term",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%Y-%m-%d %H:%M}"


class LimitOverride(LimitColumns):
    """A limit that staff set for one account, until it ends, in place of the plan's limit that counts the
    same (same measure, scope, window and mode). Never changed but for its end.
    """

    account = models.ForeignKey("usage.Account", on_delete=models.PROTECT, related_name="limit_overrides")
    reason = models.CharField(max_length=300, help_text="Why this customer gets it.")
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="Until then it holds; empty: until it is ended by hand."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, editable=False, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, editable=False)
    ended_by = models.CharField(max_length=200, blank=True, default="", editable=False)

    class Meta:
        db_table = "limit_overrides"
        ordering = ["account", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "measure", "scope", "scope_value", "window", "mode"],
                condition=Q(ended_at__isnull=True),
                name="limit_override_once_in_force",
            ),
            models.CheckConstraint(
                condition=Q(amount__isnull=True) | Q(amount__gte=0),
                name="limit_override_amount_not_negative",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="limit_override_has_a_reason"),
        ]

    def __str__(self) -> str:
        return super().__str__()
