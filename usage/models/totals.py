"""Billing periods and the totals kept beside the log: per period and provider; per hour, day and month."""

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


class RollupColumns(TotalColumns):
    """Totals by every dimension people group by, of one account and some stretch of time.

    `dimensions_hash` (MD5 over the eight dimensions, computed by `usage.totals`) keeps the key short: the
    dimensions themselves may together exceed what one index entry can hold.
    """

    account = models.ForeignKey(
        "usage.Account", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False
    )
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
        abstract = True


class UsageRollup(RollupColumns):
    """An account's hourly totals; `hour` is the hour of `occurred_at`. Written with the event."""

    pk = models.CompositePrimaryKey("account_id", "hour", "dimensions_hash")
    hour = models.DateTimeField()

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


class UsageDayRollup(RollupColumns):
    """The hourly totals of each UTC day together. `usage.rollups` brings them up to date minutes later."""

    pk = models.CompositePrimaryKey("account_id", "day", "dimensions_hash")
    day = models.DateField()

    class Meta:
        db_table = "usage_day_rollups"
        constraints = [
            models.CheckConstraint(
                condition=Q(calls__gte=F("errors")), name="day_rollup_errors_within_calls"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model} on {self.day:%Y-%m-%d}"


class UsageMonthRollup(RollupColumns):
    """The daily totals of each calendar month together; `month` is its first day."""

    pk = models.CompositePrimaryKey("account_id", "month", "dimensions_hash")
    month = models.DateField()

    class Meta:
        db_table = "usage_month_rollups"
        constraints = [
            models.CheckConstraint(
                condition=Q(calls__gte=F("errors")), name="month_rollup_errors_within_calls"
            ),
            models.CheckConstraint(condition=Q(month__day=1), name="month_rollup_month_is_a_first"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model} in {self.month:%Y-%m}"


class RollUpMark(models.Model):
    """How many of the calls that a billing period counts the rollups of days and months contain.

    Behind the period's summaries while there is something to roll up, equal to them when all is.
    """

    pk = models.CompositePrimaryKey("account_id", "billing_period_id")
    account = models.ForeignKey("usage.Account", on_delete=models.CASCADE, related_name="+", db_index=False)
    billing_period = models.ForeignKey(BillingPeriod, on_delete=models.CASCADE, related_name="+")
    calls = models.BigIntegerField()
    rolled_up_at = models.DateTimeField()

    class Meta:
        db_table = "usage_roll_up_marks"
        constraints = [
            models.CheckConstraint(condition=Q(calls__gte=0), name="roll_up_mark_calls_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.calls} calls rolled up"
