"""The usage log and the event keys that make it exactly-once.

Both tables grow with usage. Neither is referenced by a foreign key and both can be distributed by
`account_id`. The log is partitioned by month of `occurred_at` (its SQL stands in migration 0001).
"""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce


class CostSource(models.TextChoices):
    """Who said what an event cost."""

    LOCAL = "local", "Rated from the price book"
    PROVIDER = "provider", "Reported by the provider"
    ESTIMATED = "estimated", "Estimated by the sender"


class APIUsageLog(models.Model):
    """One metered call. Append-only; quantities left NULL were not part of the call.

    `occurred_at` chose the price and the hour of the rollup; `recorded_at` chose the billing period.
    The database's primary key is (account, occurred_at, id); `id` alone is unique by its sequence.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(
        "usage.Account", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False
    )
    billing_period = models.ForeignKey(
        "usage.BillingPeriod",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        db_index=False,
    )
    price = models.ForeignKey(
        "usage.APIProviderPricing",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        db_index=False,
        null=True,
        help_text="The row that rated the call; empty when the cost was reported or nothing was to pay.",
    )
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    input_tokens = models.IntegerField(null=True, help_text="All input tokens, cached ones included.")
    cached_input_tokens = models.IntegerField(null=True)
    cache_write_tokens = models.IntegerField(null=True)
    output_tokens = models.IntegerField(null=True, help_text="All output tokens, reasoning included.")
    reasoning_tokens = models.IntegerField(null=True)
    requests = models.IntegerField(null=True)
    searches = models.IntegerField(null=True)
    images = models.IntegerField(null=True)
    pages = models.IntegerField(null=True)
    characters = models.IntegerField(null=True)
    response_time_ms = models.IntegerField(null=True)
    request_size = models.IntegerField(null=True)
    response_size = models.IntegerField(null=True)
    status_code = models.SmallIntegerField()
    retry_count = models.SmallIntegerField()
    seconds = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    cost_input = models.DecimalField(max_digits=36, decimal_places=18)
    cost_output = models.DecimalField(max_digits=36, decimal_places=18)
    cost = models.DecimalField(max_digits=36, decimal_places=18, help_text="USD, all of it, unrounded.")
    cost_source = models.CharField(max_length=9, choices=CostSource)
    surcharge = models.DecimalField(
        max_digits=36,
        decimal_places=18,
        null=True,
        help_text="The part of the cost that the account's terms add for calls of this request type.",
    )
    list_cost = models.DecimalField(
        max_digits=36,
        decimal_places=18,
        null=True,
        help_text="What the call was worth, where the customer's own provider key paid for it.",
    )
    source = models.CharField(max_length=128, db_collation="C")
    event_id = models.CharField(max_length=128, db_collation="C")
    provider = models.CharField(max_length=64, db_collation="C")
    provider_name = models.CharField(
        max_length=64, db_collation="C", help_text="The provider's name as sent."
    )
    model = models.CharField(
        max_length=160, db_collation="C", help_text="The price book's name of the model."
    )
    model_used = models.CharField(max_length=160, db_collation="C", help_text="The model's name as sent.")
    endpoint = models.CharField(max_length=200, db_collation="C")
    method = models.CharField(max_length=16, db_collation="C")
    request_type = models.CharField(max_length=64, db_collation="C")
    team = models.CharField(max_length=128, db_collation="C")
    project = models.CharField(max_length=128, db_collation="C")
    department = models.CharField(max_length=128, db_collation="C")
    end_user = models.CharField(max_length=128, db_collation="C")
    authorization = models.CharField(max_length=64, db_collation="C")
    error_message = models.CharField(max_length=1000)

    class Meta:
        db_table = "api_usage_logs"
        verbose_name = "usage log row"
        verbose_name_plural = "usage log"
        constraints = [
            models.CheckConstraint(
                condition=Q(cost_input__gte=0, cost_output__gte=0, cost__gte=0),
                name="usage_log_cost_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(input_tokens__isnull=True)
                | Q(
                    input_tokens__gte=Coalesce(F("cached_input_tokens"), 0)
                    + Coalesce(F("cache_write_tokens"), 0)
                ),
                name="usage_log_cache_within_input",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model} at {self.occurred_at:%Y-%m-%d %H:%M:%S}"


class EventKey(models.Model):
    """The claim on one event id: unique whatever the event's time, pruned with the log row or later.

    Holds what a replay must be answered with: the content's hash, the log row's id and the cost.
    """

    pk = models.CompositePrimaryKey("account_id", "source", "event_id")
    account = models.ForeignKey(
        "usage.Account", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False
    )
    log_id = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    content_hash = models.UUIDField(help_text="First 128 bits of the content's BLAKE2b.")
    cost = models.DecimalField(max_digits=36, decimal_places=18)
    source = models.CharField(max_length=128, db_collation="C")
    event_id = models.CharField(max_length=128, db_collation="C")

    class Meta:
        db_table = "usage_event_keys"
        # For pruning; as small as the table is large.
        indexes = [BrinIndex(fields=["recorded_at"], name="event_key_by_recording", autosummarize=True)]
        constraints = [
            models.CheckConstraint(condition=~Q(event_id=""), name="event_key_id_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.event_id}"
