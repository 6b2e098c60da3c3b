"""The price book: dated, append-only unit prices, and refreshed prices that wait for confirmation."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from usage.core.money import PRICE_PLACES

UNIT_PRICES = (
    "input",
    "cached_input",
    "cache_write",
    "output",
    "reasoning",
    "request",
    "search",
    "image",
    "page",
    "second",
    "character",
)


def price_field(help_text: str) -> Any:
    return models.DecimalField(
        max_digits=16, decimal_places=PRICE_PLACES, null=True, blank=True, help_text=f"USD {help_text}"
    )


class PriceSource(models.TextChoices):
    """Where a price row came from."""

    GENAI_PRICES = "genai-prices", "genai-prices"
    CATALOG = "catalog", "Default catalog"
    STAFF = "staff", "Staff"


class PriceColumns(models.Model):
    """One model's unit prices; NULL means the provider does not price that unit.

    `tiers` are long-context rates that replace the token prices for the whole call once its input tokens
    exceed `above_input_tokens`; `batch` holds all prices (and tiers) of batch processing.
    Both hold decimal strings under the names of the columns: see `usage.core.rating`.
    """

    provider = models.CharField(max_length=64, db_collation="C")
    model_name = models.CharField(
        max_length=160,
        db_collation="C",
        help_text="The price book's own name of the model; * prices every model without a row of its own.",
    )
    effective_from = models.DateTimeField(help_text="Valid from this instant until the next row's.")
    cost_per_input_token = price_field("per input token")
    cost_per_cached_input_token = price_field("per cached input token; empty: as input")
    cost_per_cache_write_token = price_field("per token written to the cache; empty: as input")
    cost_per_output_token = price_field("per output token")
    cost_per_reasoning_token = price_field("per reasoning token, when billed apart; empty: as output")
    cost_per_request = price_field("per request, beside any token price")
    cost_per_search = price_field("per search")
    cost_per_image = price_field("per image")
    cost_per_page = price_field("per page")
    cost_per_second = price_field("per second")
    cost_per_character = price_field("per character")
    tiers = models.JSONField(default=list, blank=True)
    batch = models.JSONField(null=True, blank=True)
    description = models.CharField(max_length=200, blank=True, default="")
    source = models.CharField(max_length=16, choices=PriceSource)
    source_version = models.CharField(max_length=32, blank=True, default="")
    source_hash = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True


def priced_at_all() -> Q:
    """At least one unit price, none of them negative."""
    columns = [f"cost_per_{unit}" + ("_token" if index < 5 else "") for index, unit in enumerate(UNIT_PRICES)]
    some = Q()
    for column in columns:
        some |= Q(**{f"{column}__isnull": False})
    none_negative = Q()
    for column in columns:
        none_negative &= Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__gte": 0})
    return some & none_negative


class APIProviderPricing(PriceColumns):
    """One effective-dated price. Append-only, held by a trigger: a correction is a new row."""

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        db_table = "api_provider_pricing"
        verbose_name = "price"
        ordering = ["provider", "model_name", "-effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "model_name", "effective_from"], name="price_once_per_instant"
            ),
            models.CheckConstraint(condition=priced_at_all(), name="price_not_empty_or_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model_name} from {self.effective_from:%Y-%m-%d}"


class HeldPrice(PriceColumns):
    """A refreshed price that moved by more than the configured factor and waits for a staff member."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        CONFIRMED = "confirmed", "Confirmed"
        DISCARDED = "discarded", "Discarded"

    reason = models.CharField(max_length=300)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        db_table = "held_prices"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "model_name", "source_hash"],
                name="held_price_once",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_at__isnull=True)
                | Q(state__in=["confirmed", "discarded"], decided_at__isnull=False),
                name="held_price_decision_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model_name}: {self.get_state_display()}"
