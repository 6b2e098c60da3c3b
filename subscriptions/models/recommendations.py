"""What would have cost an account less, as replayed by the clock, and what people do not want to hear of."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from usage.core.money import COST_MAX_DIGITS, COST_PLACES

MAX_SUBJECT = 450


class RecommendationKind(models.TextChoices):
    """What would be cheaper."""

    CHEAPER_MODEL = "cheaper_model", "A cheaper model of the same class"
    SMALLER_MODEL = "smaller_model", "A smaller model of the same provider"
    BATCH = "batch", "Batch prices"
    CACHING = "caching", "Prompt caching"
    PLAN = "plan", "A plan that fits"


class ConfidenceChoices(models.TextChoices):
    """How sure the saving is; the rule is in `subscriptions.core.recommendations`."""

    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"


class UsageRecommendation(models.Model):
    """One alternative to what an account does: its own calls of [window_start, window_end) replayed on it.

    `subject` is what would change (a model, with a request type or an endpoint; a plan), `alternative` what
    to; a plan whose alternative is empty is the one to stay on. Costs are USD over the window, `saving` is
    over 30 days, of a plan over an average billing period. Replaced as a whole, account by account.
    """

    account = models.ForeignKey("usage.Account", on_delete=models.CASCADE, related_name="recommendations")
    kind = models.CharField(max_length=16, choices=RecommendationKind)
    subject = models.CharField(max_length=MAX_SUBJECT)
    alternative = models.CharField(max_length=MAX_SUBJECT, blank=True, default="")
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()
    calls = models.BigIntegerField(help_text="Replayed.")
    excluded_calls = models.BigIntegerField(
        help_text="Of the subject, not replayed: the arithmetic says why."
    )
    days = models.PositiveSmallIntegerField(help_text="On which of them calls were made.")
    cost_now = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES)
    cost_then = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES)
    saving = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES)
    confidence = models.CharField(max_length=8, choices=ConfidenceChoices)
    arithmetic = models.JSONField(help_text="Every line of it, in decimal strings.")
    computed_at = models.DateTimeField()

    class Meta:
        db_table = "usage_recommendations"
        ordering = ["account", "-saving"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "subject"], name="recommendation_once_per_subject"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=RecommendationKind.values), name="recommendation_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(confidence__in=ConfidenceChoices.values), name="recommendation_confidence_known"
            ),
            models.CheckConstraint(
                condition=Q(window_end__gt=F("window_start"), calls__gt=0, excluded_calls__gte=0),
                name="recommendation_has_a_sample",
            ),
            models.CheckConstraint(
                condition=Q(saving__gt=0, cost_then__lt=F("cost_now"))
                | Q(saving=0, kind="plan", alternative="", cost_then=F("cost_now")),
                name="recommendation_saves_or_stays",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"


class RecommendationDismissal(models.Model):
    """Somebody of the account does not want to hear of a recommendation for a while; kept."""

    account = models.ForeignKey(
        "usage.Account", on_delete=models.CASCADE, related_name="recommendation_dismissals"
    )
    kind = models.CharField(max_length=16, choices=RecommendationKind)
    subject = models.CharField(max_length=MAX_SUBJECT)
    at = models.DateTimeField()
    until = models.DateTimeField()
    actor = models.CharField(max_length=200)
    actor_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        db_table = "recommendation_dismissals"
        ordering = ["account", "-id"]
        indexes = [
            models.Index(fields=["account", "kind", "subject", "until"], name="dismissal_by_recommendation")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=RecommendationKind.values), name="dismissal_kind_known"
            ),
            models.CheckConstraint(condition=Q(until__gt=F("at")), name="dismissal_ends_after_it_began"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}, until {self.until:%Y-%m-%d}"


class RecommendationRun(models.Model):
    """How far an account's recommendations are: begun last, computed last, and of how many calls then."""

    account = models.OneToOneField(
        "usage.Account", on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    begun_at = models.DateTimeField()
    computed_at = models.DateTimeField(null=True)
    calls = models.BigIntegerField(null=True, help_text="Recorded ever, when they were computed.")

    class Meta:
        db_table = "recommendation_runs"
        constraints = [
            models.CheckConstraint(
                condition=Q(computed_at__isnull=True, calls__isnull=True)
                | Q(computed_at__isnull=False, calls__isnull=False),
                name="recommendation_run_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account}, begun at {self.begun_at:%Y-%m-%d %H:%M}"
