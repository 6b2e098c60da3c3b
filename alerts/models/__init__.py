"""Tables of the alerts app: alerts, channels with their deliveries, preferences."""

from alerts.models.alerts import UsageAlert
from alerts.models.channels import (
    AlertChannel,
    AlertDelivery,
    ChannelState,
    ConfirmationMail,
    DeliveryState,
)
from alerts.models.preferences import AlertSettings, EmailMode, MemberAlertSettings, MutedAlert

__all__ = [
    "AlertChannel",
    "AlertDelivery",
    "AlertSettings",
    "ChannelState",
    "ConfirmationMail",
    "DeliveryState",
    "EmailMode",
    "MemberAlertSettings",
    "MutedAlert",
    "UsageAlert",
]
