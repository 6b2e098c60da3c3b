"""Accounts whose usage or limits moved, until whoever must know of it has looked at them."""

from django.db import models


class MovedAccount(models.Model):
    """An account that moved at `moved_at`; at `seen_at` somebody began to look. Written by `usage.moves`."""

    account = models.OneToOneField(
        "usage.Account", on_delete=models.CASCADE, db_constraint=False, primary_key=True, related_name="+"
    )
    moved_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "moved_accounts"

    def __str__(self) -> str:
        return f"{self.account} moved at {self.moved_at:%Y-%m-%d %H:%M:%S}"
