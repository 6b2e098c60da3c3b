"""Forgetting Stripe's events that were processed long ago; Stripe itself keeps them for a month."""

from datetime import datetime, timedelta

from django.db import transaction

from subscriptions.models import StripeEvent, StripeEventState

EVENTS_KEPT = timedelta(days=90)
PROCESSED = (StripeEventState.DONE, StripeEventState.IGNORED)


def prune(*, at: datetime, limit: int) -> int:
    """Forget up to `limit` events that were processed more than EVENTS_KEPT ago; returns how many. Those that
    were parked stay. Safe to run twice and at once.
    """
    until = at - EVENTS_KEPT
    old = StripeEvent.objects.filter(received_at__lt=until, processed_at__lt=until, state__in=PROCESSED)
    with transaction.atomic():
        some = old.order_by("received_at").select_for_update(skip_locked=True)[:limit]
        forgotten, _ = StripeEvent.objects.filter(pk__in=[event.pk for event in some.only("pk")]).delete()
    return forgotten
