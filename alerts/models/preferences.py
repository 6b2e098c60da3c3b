"""What accounts and their members want to be told of, and how."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from alerts.channels import CHANNELS
from alerts.core.rules import rule_name


class AlertSettings(models.Model):
    """An account's own thresholds for the limits of its plan."""

    account = models.OneToOneField(
        "usage.Account", on_delete=models.CASCADE, primary_key=True, related_name="alert_settings"
    )
    limit_thresholds = ArrayField(
        models.PositiveSmallIntegerField(),
        null=True,
        blank=True,
        help_text="Percent, ascending; empty: those of the plan.",
    )
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "alert_settings"
        verbose_name_plural = "alert settings"

    def __str__(self) -> str:
        return f"Alert settings of {self.account}"


class EmailMode(models.TextChoices):
    """How a member gets alerts by email."""

    EACH = "each", "One email per alert"
    DIGEST = "digest", "One email a day"
    NONE = "none", "No emails"


class MemberAlertSettings(models.Model):
    """How a member gets alerts by email; without a row owners and billing admins get each, others none."""

    member = models.OneToOneField(
        "usage.Member", on_delete=models.CASCADE, primary_key=True, related_name="alert_settings"
    )
    email = models.CharField(max_length=8, choices=EmailMode)
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "member_alert_settings"
        verbose_name_plural = "member alert settings"
        constraints = [
            models.CheckConstraint(
                condition=Q(email__in=EmailMode.values), name="member_alert_settings_mode_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Alerts of {self.member}"


class MutedAlert(models.Model):
    """A rule that an account does not want by a kind of channel; with a member, that this member does not."""

    account = models.ForeignKey("usage.Account", on_delete=models.CASCADE, related_name="muted_alerts")
    member = models.ForeignKey(
        "usage.Member", on_delete=models.CASCADE, null=True, blank=True, related_name="muted_alerts"
    )
    rule = models.CharField(max_length=32, db_collation="C")
    kind = models.CharField(max_length=16, db_collation="C")

    class Meta:
        db_table = "muted_alerts"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "member", "rule", "kind"], name="muted_alert_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{rule_name(self.rule)} by {CHANNELS[self.kind].name}"
