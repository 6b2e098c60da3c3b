"""An alert as the API tells it."""

from typing import Any

from rest_framework import serializers

from alerts.core.findings import Severity
from alerts.core.rules import RULES
from alerts.models import UsageAlert


class AlertSerializer(serializers.Serializer[Any]):
    """Fields that are not required are absent rather than null."""

    id = serializers.IntegerField()
    type = serializers.CharField(help_text=f"What it is about: one of {', '.join(RULES)}.")
    threshold_percentage = serializers.IntegerField(help_text="0 where it is about no threshold.")
    provider = serializers.CharField(required=False)
    title = serializers.CharField()
    message = serializers.CharField()
    severity = serializers.ChoiceField(choices=[severity.value for severity in Severity])
    is_sent = serializers.BooleanField(help_text="Whether it went out by a channel besides the inbox.")
    sent_at = serializers.DateTimeField(required=False)
    is_read = serializers.BooleanField()
    read_at = serializers.DateTimeField(required=False)
    billing_period = serializers.CharField(help_text="The month its billing period starts in, YYYY-MM.")
    created_at = serializers.DateTimeField()


def alert_fields(alert: UsageAlert) -> dict[str, Any]:
    """The fields of `AlertSerializer`."""
    optional = {"provider": alert.provider, "sent_at": alert.sent_at, "read_at": alert.read_at}
    return {
        "id": alert.pk,
        "type": alert.rule,
        "threshold_percentage": alert.threshold,
        "title": alert.title,
        "message": alert.message,
        "severity": alert.severity,
        "is_sent": alert.is_sent,
        "is_read": alert.is_read,
        "billing_period": alert.billing_period,
        "created_at": alert.created_at,
        **{name: value for name, value in optional.items() if value},
    }
