"""Limits with what is used and held of them, authorizations, and the holds that are still open.

Whoever changes a row here has locked the account's row first (`usage.authorization` says why), so that what
an account has used and held is always looked at and changed by one transaction at a time.
"""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from usage.core.money import COST_MAX_DIGITS, COST_PLACES, format_amount


class Measure(models.TextChoices):
    """What a limit counts. A call is one event of the log, failed ones included."""

    CALLS = "calls", "Calls"
    TOKENS = "tokens", "Tokens"
    COST = "cost", "Cost (USD)"
    SEARCHES = "searches", "Searches"
    IMAGES = "images", "Images"
    PAGES = "pages", "Pages"
    SECONDS = "seconds", "Seconds"
    CHARACTERS = "characters", "Characters"


class LimitScope(models.TextChoices):
    """Which calls a limit counts; a kind is that of the provider: llm, search, scrape or image."""

    EVERYTHING = "everything", "Everything"
    KIND = "kind", "A kind of provider"
    PROVIDER = "provider", "A provider"
    MODEL = "model", "A model (provider/model)"
    REQUEST_TYPE = "request_type", "A request type"
    TEAM = "team", "A team"
    PROJECT = "project", "A project"


class Window(models.TextChoices):
    """Over what a limit counts. Second to day slide; a period is the account's billing period."""

    REQUEST = "request", "One request"
    CONCURRENT = "concurrent", "At the same time"
    SECOND = "second", "A second"
    MINUTE = "minute", "A minute"
    HOUR = "hour", "An hour"
    DAY = "day", "A day"
    PERIOD = "period", "A billing period"


class LimitMode(models.TextChoices):
    """What happens beyond the amount."""

    BLOCK = "block", "Refuse the call"
    BILL = "bill", "Let pass and invoice as overage"
    NOTIFY = "notify", "Let pass and tell"


class LimitSource(models.TextChoices):
    """Who set the limit. All of them are enforced, so the strictest wins."""

    PLAN = "plan", "Plan"
    BUDGET = "budget", "Budget (set by the customer)"
    OVERRIDE = "override", "Override (set by staff)"


class UsageLimit(models.Model):
    """One limit of an account, with its own counters. Written through `usage.limits` only.

    `amount` NULL is unlimited, 0 is nothing at all. `used` is what the log holds for the window that began at
    `window_start`, `held` what open holds reserve of it; a sliding window also keeps the count of the one
    before it in `previous`. The counters are as of their last change; `usage_limits_at` moves them on.
    """

    account = models.ForeignKey("usage.Account", on_delete=models.CASCADE, related_name="limits")
    source = models.CharField(max_length=16, choices=LimitSource, db_collation="C")
    name = models.CharField(max_length=64)
    measure = models.CharField(max_length=16, choices=Measure, db_collation="C")
    scope = models.CharField(max_length=16, choices=LimitScope, db_collation="C")
    scope_value = models.CharField(max_length=256, blank=True, default="", db_collation="C")
    window = models.CharField(max_length=16, choices=Window, db_collation="C")
    mode = models.CharField(max_length=16, choices=LimitMode, default=LimitMode.BLOCK, db_collation="C")
    amount = models.DecimalField(
        max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES, null=True, blank=True
    )
    used = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES, default=0)
    held = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES, default=0)
    previous = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES, default=0)
    window_start = models.DateTimeField()

    class Meta:
        db_table = "usage_limits"
        ordering = ["account", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "source", "measure", "scope", "scope_value", "window", "mode"],
                name="limit_once_per_source_and_mode",
            ),
            # The only one: PostgreSQL reads every check of a table anew for each statement that writes to it,
            # and this table is written to with every call. `usage.limits` sees to the rest.
            models.CheckConstraint(condition=Q(amount__gte=0), name="limit_amount_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {'unlimited' if self.amount is None else format_amount(self.amount)}"


class AuthorizationState(models.TextChoices):
    """Open until its last hold is gone; then what became of it, for good."""

    OPEN = "open", "Open"
    SETTLED = "settled", "Settled"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class Authorization(models.Model):
    """Permission for one or more calls, and what became of it. Kept; its holds are not.

    `operations` is the worst case as it was priced. `idempotency_key` (empty when none was given),
    `request_hash` and `decided` (the limits as they stood) let a repeated request be answered like the first.
    `overrun`: a call consumed more than was left of its hold.
    """

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(
        "usage.Account", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False
    )
    idempotency_key = models.CharField(max_length=128, blank=True, default="", db_collation="C")
    request_hash = models.UUIDField(null=True)
    state = models.CharField(
        max_length=16, choices=AuthorizationState, default=AuthorizationState.OPEN, db_collation="C"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    operations = models.JSONField()
    decided = models.JSONField(null=True)
    settled_calls = models.IntegerField(default=0)
    settled_cost = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES, default=0)
    overrun = models.BooleanField(default=False)

    class Meta:
        db_table = "authorizations"
        # For pruning. By a column that never changes: an index on another would make each settlement dearer.
        indexes = [BrinIndex(fields=["created_at"], name="authorization_by_creation", autosummarize=True)]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="authorization_once_per_key",
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True)
                | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="authorization_closed_when_not_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.get_state_display()})"


class Hold(models.Model):
    """What one operation of an open authorization still reserves; deleted when it is settled, released or
    expired, which is what makes each of these happen once.
    """

    pk = models.CompositePrimaryKey("authorization_id", "position")
    authorization_id = models.UUIDField()
    position = models.SmallIntegerField()
    account = models.ForeignKey(
        "usage.Account", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    provider = models.CharField(max_length=64, db_collation="C")
    kind = models.CharField(max_length=16, db_collation="C")
    model = models.CharField(max_length=160, db_collation="C")
    request_type = models.CharField(max_length=64, db_collation="C")
    team = models.CharField(max_length=128, db_collation="C")
    project = models.CharField(max_length=128, db_collation="C")
    calls = models.IntegerField()
    tokens = models.BigIntegerField()
    cost = models.DecimalField(max_digits=COST_MAX_DIGITS, decimal_places=COST_PLACES)
    searches = models.BigIntegerField()
    images = models.BigIntegerField()
    pages = models.BigIntegerField()
    seconds = models.DecimalField(max_digits=15, decimal_places=3)
    characters = models.BigIntegerField()

    class Meta:
        db_table = "usage_holds"
        indexes = [models.Index(fields=["account", "expires_at"], name="hold_by_account_and_expiry")]
        constraints = [
            models.CheckConstraint(condition=Q(calls__gt=0), name="hold_of_some_calls"),
        ]

    def __str__(self) -> str:
        return f"{self.calls} × {self.provider}/{self.model} until {self.expires_at:%H:%M:%S}"
