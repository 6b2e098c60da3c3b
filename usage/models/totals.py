"""Billing periods and the totals kept beside the log: per period and provider, and per hour."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Func, Q, Value


class BillingPeriod(models.Model):
    """A stored period of an account, half-open in UTC; never recomputed. Closed once, by whoever bills it."""

    account = models.ForeignKey("usage.Account", on_delete=models.CASCADE, related_name="billing_periods")
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    closed_at = models.DateTimeField(
        null=True, editable=False, help_text="When it was billed, or found empty."
    )

    class Meta:
        db_table = "billing_periods"
        ordering = ["account", "-period_start"]
        indexes = [
            models.Index(
                fields=["period_end"], condition=Q(closed_at__isnull=True), name="billing_period_to_close"
            ),
            models.Index(fields=["period_end", "closed_at"], name="billing_period_by_end"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["account", "period_start"], name="billing_period_once"),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")), name="billing_period_not_empty"
            ),
            ExclusionConstraint(
                name="billing_periods_do_not_overlap",
                expressions=[
                    # A range of one id: equality in GiST without an extension.
                    (
                        Func(F("account"), F("account"), Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    (
                        Func(
                            F("period_start"),
                            F("period_end"),
                            RangeBoundary(),
                            function="tstzrange",
                            output_field=DateTimeRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.period_start:%Y-%m-%d} to {self.period_end:%Y-%m-%d}"


class TotalColumns(models.Model):
    """What is added up, in summary and rollup alike. `usage.totals` keeps them equal to the log."""

    calls = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0, help_text="Calls answered with status 400 or above.")
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    requests = models.BigIntegerField(default=0)
    searches = models.BigIntegerField(default=0)
    images = models.BigIntegerField(default=0)
    pages = models.BigIntegerField(default=0)
    characters = models.BigIntegerField(default=0)
    seconds = models.DecimalField(max_digits=20, decimal_places=3, default=0)
    response_time_ms = models.BigIntegerField(default=0, help_text="Sum over the timed calls.")
    timed_calls = models.BigIntegerField(default=0)
    cost = models.DecimalField(max_digits=36, decimal_places=18, default=0)

    class Meta:
        abstract = True


class UsageSummary(TotalColumns):
    """An account's totals per billing period and provider."""

    account = models.ForeignKey("usage.Account", on_delete=models.CASCADE, related_name="summaries")
    billing_period = models.ForeignKey(BillingPeriod, on_delete=models.CASCADE, related_name="summaries")
    provider = models.CharField(max_length=64, db_collation="C")
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "usage_summaries"
        verbose_name_plural = "usage summaries"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "billing_period", "provider"], name="summary_once_per_period_and_provider"
            ),
            models.CheckConstraint(condition=Q(calls__gte=F("errors")), name="summary_errors_within_calls"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.calls} calls"


class UsageRollup(TotalColumns):
    """An account's hourly totals by every dimension people group by; `hour` is the hour of `occurred_at`.

    `dimensions_hash` (MD5 over the eight dimensions, computed by `usage.totals`) keeps the key short: the
    dimensions themselves may together exceed what one index entry can hold.
    """

    pk = models.CompositePrimaryKey("account_id", "hour", "dimensions_hash")
    account = models.ForeignKey(
        "usage.Account", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False
    )
    hour = models.DateTimeField()
    dimensions_hash = models.UUIDField()
    provider = models.CharField(max_length=64, db_collation="C")
    model = models.CharField(max_length=160, db_collation="C")
    endpoint = models.CharField(max_length=200, db_collation="C")
    request_type = models.CharField(max_length=64, db_collation="C")
    team = models.CharField(max_length=128, db_collation="C")
    project = models.CharField(max_length=128, db_collation="C")
    department = models.CharField(max_length=128, db_collation="C")
    end_user = models.CharField(max_length=128, db_collation="C")

    class Meta:
        db_table = "usage_rollups"
        indexes = [
            BrinIndex(fields=["hour"], name="rollup_by_hour", pages_per_range=32, autosummarize=True),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(calls__gte=F("errors")), name="rollup_errors_within_calls"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model} in {self.hour:%Y-%m-%d %H}:00"
