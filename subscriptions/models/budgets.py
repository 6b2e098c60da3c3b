"""Budgets: the bounds that customers set themselves, what these have caused, and who changed them."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from usage.core.money import COST_MAX_DIGITS, COST_PLACES, format_amount

MAX_PAUSE_REASON = 140
MAX_PERCENT = 100


def _dollars(help_text: str) -> "models.DecimalField[Any, Any]":
    return models.DecimalField(
        max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES, null=True, blank=True, help_text=help_text
    )


def _not_given_or_positive(name: str) -> Q:
    return Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gt": 0})


class Budget(models.Model):
    """What an account may spend by its own choice, never more than its plan allows. Amounts are USD; NULL is
    no bound of the customer's own. Written under the lock on the account's row only.

    `paused_at` to `paused_automatically` say whether all calls are refused now and why; `throttled_at` since
    when rate limits are scaled down. `protected_until` is when the period ends that one of these is for.
    """

    account = models.OneToOneField(
        "usage.Account", on_delete=models.PROTECT, primary_key=True, related_name="budget"
    )
    monthly_budget = _dollars("USD of a billing period.")
    per_request = _dollars("USD that one request may cost.")
    per_hour = _dollars("USD within an hour.")
    per_day = _dollars("USD within a day.")
    alert_thresholds = ArrayField(
        models.PositiveSmallIntegerField(),
        null=True,
        blank=True,
        help_text="Percent of the budget at which people are told; empty: those of the plan.",
    )
    auto_pause = models.BooleanField(
        default=True, help_text="Whether the budget refuses calls and pauses; otherwise it only tells."
    )
    max_monthly_cost = _dollars("USD that no billing period can cost more than.")
    pause_at_maximum = models.BooleanField(
        default=False, help_text="Whether everything pauses once what a billing period may cost is reached."
    )
    throttle_from = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Percent of the monthly budget from which on calls are slowed down."
    )
    throttle_to = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Percent of each rate limit that is left then."
    )
    paused_at = models.DateTimeField(null=True, editable=False)
    paused_reason = models.CharField(max_length=MAX_PAUSE_REASON, blank=True, default="", editable=False)
    paused_until = models.DateTimeField(null=True, editable=False)
    paused_automatically = models.BooleanField(default=False, editable=False)
    throttled_at = models.DateTimeField(null=True, editable=False)
    protected_until = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "budgets"
        ordering = ["account"]
        indexes = [
            models.Index(
                fields=["protected_until"],
                condition=Q(protected_until__isnull=False),
                name="budget_by_end_of_protection",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=_not_given_or_positive("monthly_budget")
                & _not_given_or_positive("per_request")
                & _not_given_or_positive("per_hour")
                & _not_given_or_positive("per_day")
                & _not_given_or_positive("max_monthly_cost"),
                name="budget_amounts_positive",
            ),
            models.CheckConstraint(
                condition=Q(throttle_from__isnull=True, throttle_to__isnull=True)
                | Q(
                    # An unknown would pass a check.
                    throttle_from__isnull=False,
                    throttle_to__isnull=False,
                    throttle_from__gte=1,
                    throttle_from__lte=MAX_PERCENT,
                    throttle_to__gte=1,
                    throttle_to__lt=MAX_PERCENT,
                ),
                name="budget_throttles_whole_or_not",
            ),
            models.CheckConstraint(
                condition=Q(
                    paused_at__isnull=True, paused_reason="", paused_until__isnull=True,
                    paused_automatically=False,
                )
                | Q(paused_at__isnull=False, paused_until__isnull=True, paused_automatically=False)
                & ~Q(paused_reason="")
                | Q(paused_at__isnull=False, paused_until__isnull=False, paused_automatically=True)
                & ~Q(paused_reason=""),
                name="budget_pause_says_why",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        if self.monthly_budget is None:
            return f"Budget of {self.account}"
        return f"Budget of {self.account}: {format_amount(self.monthly_budget)} USD a billing period"

    @property
    def is_paused(self) -> bool:
        """Whether the budget refuses all calls."""
        return self.paused_at is not None

    @property
    def is_paused_by_hand(self) -> bool:
        """Whether a person paused it, so that only a person resumes it."""
        return self.is_paused and not self.paused_automatically


class BudgetChange(models.Model):
    """One thing that was done to a budget, or that it did: who, when, why, before and after.

    Append-only, by a trigger.
    """

    account = models.ForeignKey("usage.Account", on_delete=models.PROTECT, related_name="budget_changes")
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    actor_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    before = models.JSONField()
    after = models.JSONField()
    reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        db_table = "budget_changes"
        ordering = ["account", "-id"]
        indexes = [models.Index(fields=["account", "-id"], name="budget_change_by_account")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(before=models.F("after")), name="budget_change_changes_something"
            )
        ]

    def __str__(self) -> str:
        return f"Budget of {self.account} {self.at:%Y-%m-%d %H:%M}"
