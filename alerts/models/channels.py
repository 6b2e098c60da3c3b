"""Where alerts go out to, and each delivery.

A delivery is a row that is claimed for a while, tried again later, or parked with the reason; so nothing is
lost with a process or a broker.
"""

from django.db import models
from django.db.models import Q

from alerts.channels import CHANNELS


class ChannelState(models.TextChoices):
    """Whether anything is delivered to it."""

    UNCONFIRMED = "unconfirmed", "Waits to be confirmed"
    ACTIVE = "active", "Active"
    DISABLED = "disabled", "Switched off"


class AlertChannel(models.Model):
    """A way out for the alerts of an account; without one, for those of our staff.

    The inbox and the email of an account's members need no address; they are there from the first alert on.
    A URL and the secrets to sign with are kept sealed (`alerts.sealing`); `label` is what people may see of
    them. One delivery of a channel is under way at a time, which keeps their order: `busy_until` says so.
    """

    account = models.ForeignKey(
        "usage.Account", on_delete=models.CASCADE, null=True, blank=True, related_name="alert_channels"
    )
    kind = models.CharField(max_length=16, db_collation="C")
    label = models.CharField(max_length=300, blank=True, default="")
    address_hash = models.CharField(
        max_length=64, blank=True, default="", help_text="Tells addresses apart without opening them."
    )
    sealed_address = models.TextField(blank=True, default="")
    sealed_secrets = models.TextField(blank=True, default="")
    state = models.CharField(max_length=16, choices=ChannelState, default=ChannelState.ACTIVE)
    disabled_reason = models.CharField(max_length=300, blank=True, default="")
    failing_since = models.DateTimeField(null=True)
    busy_until = models.DateTimeField(null=True)
    last_delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200, blank=True, default="")
    confirmed_at = models.DateTimeField(
        null=True, help_text="When the owner of an email address agreed; none once they unsubscribed."
    )

    class Meta:
        db_table = "alert_channels"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "address_hash"], name="alert_channel_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(state__in=ChannelState.values), name="alert_channel_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state=ChannelState.DISABLED) | Q(disabled_reason=""),
                name="alert_channel_says_why_disabled",
            ),
            models.CheckConstraint(
                condition=~Q(kind="email", state=ChannelState.ACTIVE)
                | Q(account__isnull=True)
                | Q(sealed_address="")
                | Q(confirmed_at__isnull=False),
                name="alert_channel_email_confirmed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind_name} {self.label}".strip()

    @property
    def kind_name(self) -> str:
        return CHANNELS[self.kind].name if self.kind in CHANNELS else self.kind


class ConfirmationMail(models.Model):
    """A mail that asks the owner of an added email address whether alerts may go there.

    Written before it is sent, with neither `sent_at` nor `error`; kept for a day, also when its channel is
    removed, so that nobody is asked more often than `alerts.adding` allows.
    """

    account = models.ForeignKey("usage.Account", on_delete=models.CASCADE, related_name="+")
    channel = models.ForeignKey(
        AlertChannel, on_delete=models.SET_NULL, null=True, related_name="confirmation_mails"
    )
    address_hash = models.CharField(
        max_length=64, help_text="Of the address in lower case, the same in every account."
    )
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=200)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "alert_confirmation_mails"
        ordering = ["id"]
        indexes = [
            models.Index(fields=["address_hash", "asked_at"], name="confirmation_mail_by_address"),
            models.Index(fields=["account", "asked_at"], name="confirmation_mail_by_account"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(sent_at__isnull=True) | Q(error=""), name="confirmation_mail_sent_or_failed"
            ),
        ]

    def __str__(self) -> str:
        return f"Confirmation of {self.channel or 'a removed channel'}"


class DeliveryState(models.TextChoices):
    """How far it has come."""

    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    PARKED = "parked", "Given up"


class AlertDelivery(models.Model):
    """One alert on its way to one destination of a channel; `id` is what the destination knows it by.

    `recipient` is the email address, empty where the channel has one destination. A delivery that is part of
    a digest waits for the others of its recipient.
    """

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(
        "usage.Account", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    alert = models.ForeignKey("alerts.UsageAlert", on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="deliveries")
    recipient = models.CharField(max_length=254, blank=True, default="")
    is_digest = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "alert_deliveries"
        ordering = ["-alert_id", "id"]
        verbose_name_plural = "alert deliveries"
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state=DeliveryState.WAITING),
                name="alert_delivery_due",
            ),
            models.Index(fields=["account", "-alert"], name="alert_delivery_by_account"),
            models.Index(
                fields=["-id"], condition=Q(state=DeliveryState.PARKED), name="alert_delivery_parked"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["alert", "channel", "recipient"], name="alert_delivery_once"),
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="alert_delivery_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state=DeliveryState.WAITING, next_attempt_at__isnull=False)
                | ~Q(state=DeliveryState.WAITING) & Q(next_attempt_at__isnull=True),
                name="alert_delivery_has_a_turn_while_waiting",
            ),
            models.CheckConstraint(
                condition=Q(state=DeliveryState.SENT, sent_at__isnull=False)
                | ~Q(state=DeliveryState.SENT) & Q(sent_at__isnull=True),
                name="alert_delivery_sent_at_when_sent",
            ),
            models.CheckConstraint(
                condition=~Q(state=DeliveryState.PARKED) | ~Q(error=""), name="alert_delivery_parked_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alert} by {self.channel}"
