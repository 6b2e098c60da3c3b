"""What the app's nightly tasks found and did: months pruned, totals compared, price lists compared."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class PrunedMonth(models.Model):
    """A month whose partition of the log was dropped. Its totals stay, and nothing is compared with it again.

    Every row of it belonged to a billing period that had ended by `periods_until` and was closed.
    """

    month = models.DateTimeField(help_text="Its first moment, UTC.")
    periods_until = models.DateTimeField()
    rows = models.BigIntegerField(help_text="How many the partition had.")
    pruned_at = models.DateTimeField()

    class Meta:
        db_table = "pruned_months"
        ordering = ["-month"]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class DriftReport(models.Model):
    """One comparison of totals and limits with the log, over the hours in [start, end), and its repair."""

    checked_at = models.DateTimeField()
    start = models.DateTimeField()
    end = models.DateTimeField()
    found = models.PositiveIntegerField(help_text="How many rows differed.")
    by_kind = models.JSONField(default=dict, help_text="How many of each kind.")
    differences = models.JSONField(default=list, help_text="The first of them, for people.")
    repaired_at = models.DateTimeField(null=True)
    repaired_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    repaired = models.PositiveIntegerField(null=True, help_text="How many rows differed at the repair.")
    left = models.PositiveIntegerField(null=True, help_text="How many still differed after it.")

    class Meta:
        db_table = "drift_reports"
        ordering = ["-id"]
        permissions = [("repair_driftreport", "Can repair totals that drifted")]
        constraints = [
            models.CheckConstraint(condition=Q(start__lt=F("end")), name="drift_report_of_some_hours"),
        ]

    def __str__(self) -> str:
        return f"{self.checked_at:%Y-%m-%d %H:%M}: {self.found} drifted"


class PriceCheck(models.Model):
    """One comparison of the price lists that are installed with the book; `loaded` says that it was done."""

    checked_at = models.DateTimeField()
    loaded = models.BooleanField()
    added = models.PositiveIntegerField()
    held = models.PositiveIntegerField()
    kept = models.PositiveIntegerField()
    sentences = models.JSONField(default=list, help_text="The first of what was or would be added or held.")

    class Meta:
        db_table = "price_checks"
        ordering = ["-id"]

    def __str__(self) -> str:
        done = "" if self.loaded else "would be "
        return f"{self.added} prices {done}added, {self.held} {done}held back"
