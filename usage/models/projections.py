"""What the open billing periods are expected to come to."""

from django.db import models
from django.db.models import F, Q

from usage.models.totals import BillingPeriod


class ProjectionMethod(models.TextChoices):
    """What an expectation rests on."""

    RUN_RATE = "run_rate", "The average so far: less than a week of history"
    WEEKDAYS = "weekdays", "The account's weekdays"


class UsageProjection(models.Model):
    """What a billing period had come to at `computed_at` and was expected to come to then, in USD, unrounded.

    `low` and `high` are empty while nothing can be said of the range. Kept when the period is over, as it was
    computed last.
    """

    pk = models.CompositePrimaryKey("account_id", "billing_period_id")
    account = models.ForeignKey("usage.Account", on_delete=models.CASCADE, related_name="+", db_index=False)
    billing_period = models.ForeignKey(BillingPeriod, on_delete=models.CASCADE, related_name="+")
    computed_at = models.DateTimeField()
    method = models.CharField(max_length=8, choices=ProjectionMethod)
    days_of_history = models.PositiveSmallIntegerField()
    calls = models.BigIntegerField(help_text="Recorded in the period when it was computed.")
    expected_calls = models.BigIntegerField()
    tokens = models.BigIntegerField(help_text="Recorded in the period when it was computed.")
    expected_tokens = models.BigIntegerField()
    spent = models.DecimalField(max_digits=36, decimal_places=18)
    run_rate = models.DecimalField(max_digits=36, decimal_places=18)
    expected = models.DecimalField(max_digits=36, decimal_places=18)
    low = models.DecimalField(max_digits=36, decimal_places=18, null=True)
    high = models.DecimalField(max_digits=36, decimal_places=18, null=True)
    unusual_on = models.DateField(null=True, help_text="The day of `computed_at`, if its spend was unusual.")
    unusual_spent = models.DecimalField(max_digits=36, decimal_places=18, null=True)
    unusual_expected = models.DecimalField(max_digits=36, decimal_places=18, null=True)

    class Meta:
        db_table = "usage_projections"
        constraints = [
            models.CheckConstraint(condition=Q(expected__gte=F("spent")), name="projection_includes_spent"),
            models.CheckConstraint(
                condition=Q(low__isnull=True, high__isnull=True)
                | Q(low__gte=F("spent"), low__lte=F("expected"), high__gte=F("expected")),
                name="projection_within_its_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    unusual_on__isnull=True, unusual_spent__isnull=True, unusual_expected__isnull=True
                )
                | Q(unusual_on__isnull=False, unusual_spent__gt=F("unusual_expected")),
                name="projection_unusual_day_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(method="run_rate") | Q(low__isnull=False), name="projection_by_weekdays_has_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.expected:.2f} USD expected, {self.spent:.2f} spent"
