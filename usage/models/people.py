"""Who is asked into an account, and what was done to its people and keys."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone

from usage.models.accounts import Account, Role


class Invitation(models.Model):
    """An email address that may join an account, until it does, the invitation is withdrawn, or it expires.

    The row is gone once it was accepted or withdrawn: `AccountChange` keeps both. `sent_at` is when the mail
    with the link last left; until then `error` says why it did not.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=16, choices=Role, default=Role.MEMBER)
    invited_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "account_invitations"
        ordering = ["account", "id"]
        constraints = [
            models.UniqueConstraint("account", Lower("email"), name="invitation_once_per_address"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="invitation_role_known"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="invitation_expires_after_it_began"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.get_role_display()})"


class ChangeOf(models.TextChoices):
    """What an account's change is about."""

    MEMBER = "member", "Member"
    INVITATION = "invitation", "Invitation"
    KEY = "key", "API key"


class AccountChange(models.Model):
    """One thing that was done to an account's members, invitations or keys: who, when, before and after.

    Nothing before means that it was added, nothing after that it was taken away. Append-only, by a trigger.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="changes")
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    actor_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    about = models.CharField(max_length=16, choices=ChangeOf)
    subject = models.CharField(max_length=254, help_text="The member, address or key, by name.")
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)

    class Meta:
        db_table = "account_changes"
        ordering = ["account", "-id"]
        indexes = [models.Index(fields=["account", "-id"], name="account_change_by_account")]
        constraints = [
            models.CheckConstraint(condition=~Q(before=F("after")), name="account_change_changes_something"),
            models.CheckConstraint(condition=Q(about__in=ChangeOf.values), name="account_change_about_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_about_display()} {self.subject} of {self.account} {self.at:%Y-%m-%d %H:%M}"
