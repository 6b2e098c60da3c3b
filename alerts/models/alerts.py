"""Alerts, kept for reading."""

from django.db import models
from django.db.models import Q

from alerts.core.findings import Severity
from alerts.core.rules import rule_name

SEVERITIES = [(severity.value, severity.name.title()) for severity in Severity]


class UsageAlert(models.Model):
    """Something that people were told of, as it was then. Written by `alerts.raising`; only whether it was
    read, sent and has ended changes.

    Without an account it is for our own staff. `key` makes it happen once. An alert of a lasting state is
    open until `ended_at`. `payload` holds the figures, and what is told once it has ended.
    """

    account = models.ForeignKey(
        "usage.Account", on_delete=models.CASCADE, null=True, blank=True, related_name="alerts"
    )
    rule = models.CharField(max_length=32, db_collation="C")
    key = models.CharField(max_length=600, db_collation="C")
    subject = models.CharField(max_length=400, db_collation="C")
    severity = models.CharField(max_length=8, choices=SEVERITIES)
    title = models.CharField(max_length=200)
    message = models.TextField()
    provider = models.CharField(max_length=64, blank=True, default="", db_collation="C")
    threshold = models.PositiveSmallIntegerField(default=0, help_text="Percent; 0 where there is none.")
    period_start = models.DateTimeField(null=True)
    period_end = models.DateTimeField(null=True)
    path = models.CharField(max_length=200, help_text="The page that shows what it is about.")
    payload = models.JSONField(default=dict)
    is_lasting = models.BooleanField(default=False)
    is_recovery = models.BooleanField(default=False)
    is_shown = models.BooleanField(default=True, help_text="Whether it is in the inbox.")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    recheck_at = models.DateTimeField(
        null=True, help_text="When it may have ended without anything having moved."
    )
    read_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True, help_text="When it first went out by a channel.")

    class Meta:
        db_table = "usage_alerts"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["account", "-id"], condition=Q(is_shown=True), name="alert_inbox"),
            models.Index(
                fields=["account"], condition=Q(is_shown=True, read_at__isnull=True), name="alert_unread"
            ),
            models.Index(
                fields=["rule", "account"],
                condition=Q(is_lasting=True, ended_at__isnull=True),
                name="alert_open",
            ),
            models.Index(
                fields=["recheck_at"],
                condition=Q(ended_at__isnull=True, recheck_at__isnull=False),
                name="alert_to_recheck",
            ),
            models.Index(fields=["rule", "-id"], name="alert_by_rule"),
            models.Index(fields=["created_at"], name="alert_by_age"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "rule", "key"], name="alert_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(severity__in=[severity.value for severity in Severity]),
                name="alert_severity_known",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(is_lasting=True), name="alert_ends_if_it_lasts"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def rule_name(self) -> str:
        return rule_name(self.rule)

    @property
    def is_read(self) -> bool:
        return self.read_at is not None

    @property
    def is_sent(self) -> bool:
        return self.sent_at is not None

    @property
    def is_open(self) -> bool:
        return self.is_lasting and self.ended_at is None

    @property
    def billing_period(self) -> str:
        """The month its billing period starts in, YYYY-MM; that of the alert where it is about no period."""
        return f"{self.period_start or self.created_at:%Y-%m}"
