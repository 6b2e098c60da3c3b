"""Accounts, the people in them, and the keys of their servers."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from rest_framework_api_key.models import AbstractAPIKey


class Account(models.Model):
    """The party whose usage is metered: a person or an organisation.

    `external_id` is the host application's own id for it, what `{user_id}` in a URL means, and never changes.
    """

    external_id = models.CharField(max_length=128, unique=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    paused_reason = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text="While this says why, every authorization of the account is refused with it.",
    )
    suspended_reason = models.CharField(
        max_length=200,
        blank=True,
        default="",
        editable=False,
        help_text="While this says why, the account's terms allow no calls. Written by whoever sells them.",
    )
    period_anchor = models.DateTimeField(
        null=True,
        editable=False,
        help_text="Billing periods are months counted from this instant; empty: calendar months.",
    )
    default_output_cap = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Output tokens a call may have when its request names no cap; empty: the model's maximum.",
    )

    class Meta:
        db_table = "accounts"
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(external_id=""), name="account_external_id_not_empty"),
            models.CheckConstraint(
                condition=Q(default_output_cap__isnull=True) | Q(default_output_cap__gt=0),
                name="account_output_cap_not_nothing",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do: everyone reads; owners and billing admins also change."""

    OWNER = "owner", "Owner"
    BILLING_ADMIN = "billing_admin", "Billing admin"
    MEMBER = "member", "Member"
    VIEWER = "viewer", "Viewer"


class Member(models.Model):
    """A Django user in an account, with a role."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "account_members"
        ordering = ["account", "id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "user"], name="member_once_per_account"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="member_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class Scope(models.TextChoices):
    """What a credential may be used for."""

    INGEST = "ingest", "Send usage"
    READ = "read", "Read usage and prices"
    ADMIN = "admin", "Change settings"


def default_scopes() -> list[str]:
    return [Scope.INGEST.value]


class ApiKey(AbstractAPIKey):
    """A server's credential; the secret is stored as a hash and shown once, at creation.

    With an account it acts for that account alone; without one it is a service key that acts for every
    account, for the reseller's own servers.
    """

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="api_keys",
        null=True,
        blank=True,
        help_text="Leave empty for a service key, which acts for every account.",
    )
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope), default=default_scopes)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    # By its prefix, since the primary key holds the hash.
    replaced_by = models.OneToOneField(
        "self",
        to_field="prefix",
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="replaces",
        help_text="The key that was made in its place; this one ends with its expiry.",
    )

    class Meta(AbstractAPIKey.Meta):
        db_table = "api_keys"
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__len__gt=0, scopes__contained_by=Scope.values), name="api_key_scopes_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
