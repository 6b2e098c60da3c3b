"""Forgetting alerts that were kept for ALERT_RETENTION, with their deliveries.

An alert's key is what keeps it from being raised twice. It is kept while what it is about can still hold:
for as long as the alert is open, its period lasts, or an end that was told might have to be told again.
"""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import BigIntegerField, Exists, Func, OuterRef, Q, TextField, Value
from django.db.models.functions import Cast

from alerts.models import UsageAlert
from alerts.raising import ENDED

# The id of the alert whose end is told, in the key of whatever tells it.
ENDED_ID = r"\|" + ENDED.format(r"(\d{1,18})") + r"\|0$"


def prune(*, at: datetime, limit: int) -> int:
    """Forget up to `limit` alerts, oldest first; returns how many. Nothing is left to do when it returns 0.

    Safe to run twice and at once, and beside whoever raises alerts: one that opens again meanwhile stays, or
    is raised anew.
    """
    until = at - settings.ALERT_RETENTION
    over = Q(is_lasting=False) | Q(ended_at__lt=until)
    past = Q(period_end__isnull=True) | Q(period_end__lt=until)
    old = UsageAlert.objects.filter(over, past, created_at__lt=until).exclude(_tells_end_of_what_is_kept())
    with transaction.atomic():
        some = old.order_by("created_at").select_for_update(skip_locked=True, of=["self"])
        ids = list(some.values_list("pk", flat=True)[:limit])
        UsageAlert.objects.filter(pk__in=ids).delete()
    return len(ids)


def _tells_end_of_what_is_kept() -> Q:
    ended_id = Func(OuterRef("key"), Value(ENDED_ID), function="SUBSTRING", output_field=TextField())
    return Q(is_recovery=True) & Q(Exists(UsageAlert.objects.filter(pk=Cast(ended_id, BigIntegerField()))))
