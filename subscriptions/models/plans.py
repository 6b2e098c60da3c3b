"""Plans and their versions: what is sold, as it was sold.

A plan is the name customers know. Its terms stand in versions, of which a published one never changes again
(held by a trigger): editing a plan makes the next version.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from usage.core.money import COST_MAX_DIGITS, COST_PLACES, PRICE_PLACES, format_amount
from usage.models import LimitMode, LimitScope, Measure, Window

DEFAULT_THRESHOLDS = [80, 90, 100]


def default_thresholds() -> list[int]:
    return list(DEFAULT_THRESHOLDS)


class Tier(models.TextChoices):
    """The four tiers that front ends know; a plan outside them is reported under the nearest."""

    FREE = "free", "Free"
    BASIC = "basic", "Basic"
    PRO = "pro", "Pro"
    ENTERPRISE = "enterprise", "Enterprise"


class Visibility(models.TextChoices):
    """Who may choose the plan without asking."""

    PUBLIC = "public", "Public: everybody sees and chooses it"
    HIDDEN = "hidden", "Hidden: staff give it"


class OveragePolicy(models.TextChoices):
    """What happens once the included usage is used up."""

    BLOCK = "block", "Refuse further calls"
    BILL = "bill", "Bill what goes beyond, up to the maximum"
    PAUSE = "pause", "Pause the subscription until the next period"


class SubscriptionPlan(models.Model):
    """A plan by the name customers know; what it costs and includes stands in its versions."""

    key = models.SlugField(
        max_length=64, unique=True, help_text="What programs call it; never changes once somebody subscribed."
    )
    name = models.CharField(max_length=100)
    tier = models.CharField(max_length=16, choices=Tier, default=Tier.BASIC)
    visibility = models.CharField(max_length=16, choices=Visibility, default=Visibility.HIDDEN)
    account = models.ForeignKey(
        "usage.Account",
        on_delete=models.PROTECT,
        related_name="custom_plans",
        null=True,
        blank=True,
        help_text="For one customer alone, who may choose it; empty: for all.",
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="Plans are shown in this order.")
    is_default = models.BooleanField(default=False, help_text="New accounts begin on it; one plan at most.")
    retired_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Not sold since; its subscribers keep it."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "subscription_plans"
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(key=""), name="plan_key_not_empty"),
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="plan_tier_known"),
            models.CheckConstraint(
                condition=Q(visibility__in=Visibility.values), name="plan_visibility_known"
            ),
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="plan_default_at_most_one"
            ),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(account__isnull=True, retired_at__isnull=True),
                name="plan_default_is_for_all_and_sold",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class VersionSource(models.TextChoices):
    """Who wrote a version."""

    CATALOG = "catalog", "Catalog"
    STAFF = "staff", "Staff"


class PlanVersion(models.Model):
    """The terms of a plan, as they are sold from one moment on. A draft until it is published.

    `included_usage` is the cost of usage, in USD a billing period, that the base fee includes; NULL is all.
    `max_monthly_cost` bounds the cost of usage before the markup.
    """

    plan = models.ForeignKey(SubscriptionPlan, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(editable=False)
    price_monthly = models.DecimalField(max_digits=12, decimal_places=2, default=0, help_text="USD a month.")
    price_yearly = models.DecimalField(max_digits=12, decimal_places=2, default=0, help_text="USD a year.")
    description = models.CharField(max_length=500, blank=True, default="")
    features = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    trial_days = models.PositiveSmallIntegerField(default=0, help_text="0: no trial.")
    trial_converts = models.BooleanField(
        default=True, help_text="Whether a trial becomes a paid subscription at its end, or expires."
    )
    included_usage = models.DecimalField(
        max_digits=COST_MAX_DIGITS,
        decimal_places=COST_PLACES,
        null=True,
        blank=True,
        help_text="USD of usage a billing period that the fee includes; empty: all usage.",
    )
    overage_policy = models.CharField(max_length=16, choices=OveragePolicy, default=OveragePolicy.BLOCK)
    overage_markup_percent = models.DecimalField(
        max_digits=7, decimal_places=3, default=0, help_text="Added to usage beyond what is included."
    )
    max_monthly_cost = models.DecimalField(
        max_digits=COST_MAX_DIGITS,
        decimal_places=COST_PLACES,
        null=True,
        blank=True,
        help_text="USD of usage that a billing period can cost at most, markup not counted; empty: no bound.",
    )
    alert_thresholds = ArrayField(
        models.PositiveSmallIntegerField(),
        default=default_thresholds,
        blank=True,
        help_text="Percent of a limit at which people are told, ascending.",
    )
    note = models.CharField(
        max_length=300, blank=True, default="", help_text="Why there is this version, for colleagues."
    )
    source = models.CharField(
        max_length=16, choices=VersionSource, default=VersionSource.STAFF, editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )

    class Meta:
        db_table = "plan_versions"
        ordering = ["plan", "-number"]
        permissions = [
            ("publish_planversion", "Can publish plan versions and apply them to subscribers"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["plan", "number"], name="plan_version_once_per_number"),
            models.UniqueConstraint(
                fields=["plan"], condition=Q(published_at__isnull=True), name="plan_version_one_draft"
            ),
            models.CheckConstraint(
                condition=Q(price_monthly__gte=0, price_yearly__gte=0, overage_markup_percent__gte=0)
                & (Q(included_usage__isnull=True) | Q(included_usage__gte=0))
                & (Q(max_monthly_cost__isnull=True) | Q(max_monthly_cost__gte=0)),
                name="plan_version_amounts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(overage_policy__in=OveragePolicy.values), name="plan_version_policy_known"
            ),
            models.CheckConstraint(
                condition=Q(max_monthly_cost__isnull=True)
                | Q(included_usage__isnull=True)
                | Q(max_monthly_cost__gte=F("included_usage")),
                name="plan_version_maximum_covers_included",
            ),
        ]

    def __str__(self) -> str:
        draft = "" if self.published_at else " (draft)"
        return f"{self.plan.name} v{self.number}{draft}"


class LimitColumns(models.Model):
    """What a limit allows: the same measure × scope × window × amount × mode as in `usage`."""

    name = models.CharField(
        max_length=64, help_text="What people and programs call it, such as gemini_calls."
    )
    measure = models.CharField(max_length=16, choices=Measure, default=Measure.CALLS)
    scope = models.CharField(max_length=16, choices=LimitScope, default=LimitScope.EVERYTHING)
    scope_value = models.CharField(
        max_length=256,
        blank=True,
        default="",
        help_text="What the scope is of: openai, openai/gpt-4o, llm, a team … Empty for everything.",
    )
    window = models.CharField(max_length=16, choices=Window, default=Window.PERIOD)
    mode = models.CharField(max_length=16, choices=LimitMode, default=LimitMode.BLOCK)
    amount = models.DecimalField(
        max_digits=COST_MAX_DIGITS,
        decimal_places=COST_PLACES,
        null=True,
        blank=True,
        help_text="Empty: unlimited. 0: nothing at all.",
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name}: {'unlimited' if self.amount is None else format_amount(self.amount)}"


class PlanLimit(LimitColumns):
    """One limit that a version sells."""

    version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="limits")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        db_table = "plan_limits"
        ordering = ["version", "position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "measure", "scope", "scope_value", "window", "mode"],
                name="plan_limit_once_per_version",
            ),
            models.CheckConstraint(
                condition=Q(amount__isnull=True) | Q(amount__gte=0), name="plan_limit_amount_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return super().__str__()


class PlanSurcharge(models.Model):
    """What a version adds to the cost of calls of a request type."""

    version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="surcharges")
    request_type = models.CharField(max_length=64)
    per_request = models.DecimalField(
        max_digits=16, decimal_places=PRICE_PLACES, default=0, help_text="USD a request."
    )
    per_hour = models.DecimalField(
        max_digits=16, decimal_places=PRICE_PLACES, default=0, help_text="USD an hour of the call's seconds."
    )

    class Meta:
        db_table = "plan_surcharges"
        ordering = ["version", "request_type"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "request_type"], name="plan_surcharge_once_per_version"
            ),
            models.CheckConstraint(
                condition=Q(per_request__gte=0, per_hour__gte=0), name="plan_surcharge_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request_type}: {format_amount(self.per_request)} USD a request"
