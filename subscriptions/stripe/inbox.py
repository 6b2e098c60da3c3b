"""Stripe's webhooks: verified, stored once, answered at once; processed later, by one worker at a time."""

import json
import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import F, Q

from subscriptions.models import StripeEvent, StripeEventState
from subscriptions.stripe import client, conversion, handlers
from subscriptions.stripe.errors import StripeRefused, StripeUnavailable
from usage.core.errors import BillingError, InvalidRequest, TooLarge

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 512 * 1024
TOLERANCE = timedelta(minutes=5)
LEASE = timedelta(minutes=5)
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=6)
MOST_ATTEMPTS = 8


def receive(body: bytes, *, signature: str, at: datetime) -> None:
    """Store a webhook that Stripe signed just now; one that is known stays as it is.

    Raises TooLarge, and InvalidRequest for one that nobody or another signed, or that was signed more than
    TOLERANCE ago or ahead, or that is about a test where payments are real, or the reverse.
    """
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"A webhook has at most {MAX_BODY_BYTES} bytes.")
    # The signature is of the bytes: nothing looks into them before it is known to be good.
    try:
        signed_at = client.verify(body, signature=signature)
    except StripeRefused as forged:
        raise InvalidRequest(forged.message, code="signature_invalid") from forged
    if abs(at - signed_at) > TOLERANCE:
        raise InvalidRequest("The webhook was signed too long ago.", code="signature_stale")
    event = _event(body, at=at)
    if event.livemode != settings.STRIPE_LIVEMODE:
        mode = "live" if settings.STRIPE_LIVEMODE else "test"
        raise InvalidRequest(f"Only events of {mode} mode are taken here.", code="mode_differs")
    StripeEvent.objects.bulk_create([event], ignore_conflicts=True)


def process_due(*, at: datetime, limit: int) -> int:
    """Process up to `limit` events that wait, oldest first; returns how many were tried. Safe to run twice
    and in parallel. `at` is now: a claim runs out LEASE after it.
    """
    due = StripeEvent.objects.filter(_due(at)).order_by("created_at", "event_id")
    tried = 0
    for event_id in list(due.values_list("event_id", flat=True)[:limit]):
        claimed = StripeEvent.objects.filter(_due(at), event_id=event_id)
        if claimed.update(claimed_until=at + LEASE, attempts=F("attempts") + 1):
            _process(StripeEvent.objects.get(event_id=event_id), at=at)
            tried += 1
    return tried


def run_again(event: StripeEvent, *, at: datetime) -> None:
    """Let an event be processed once more by the next run, whatever came of it; that is always safe."""
    StripeEvent.objects.filter(event_id=event.event_id).update(
        state=StripeEventState.RECEIVED,
        attempts=0,
        error="",
        next_attempt_at=at,
        claimed_until=None,
        processed_at=None,
    )


def _process(event: StripeEvent, *, at: datetime) -> None:
    try:
        is_ours = handlers.handle(event.type, object_id=event.object_id, at=at)
    except (OperationalError, InterfaceError):
        # Not about this event: the database is away.
        raise
    except StripeUnavailable as away:
        _later(event, away.message, at=at)
    except BillingError as refused:
        _fail(event, f"{refused.error_code}: {refused.message}", at=at)
    except Exception as failure:
        logger.exception("Stripe's event %s could not be processed", event.event_id)
        _fail(event, f"{type(failure).__name__}: {failure}", at=at)
    else:
        _end(event, StripeEventState.DONE if is_ours else StripeEventState.IGNORED, at=at)


def _fail(event: StripeEvent, error: str, *, at: datetime) -> None:
    if event.attempts < MOST_ATTEMPTS:
        _later(event, error, at=at)
        return
    logger.warning("Stripe's event %s is parked: %s", event.event_id, error)
    _end(event, StripeEventState.PARKED, at=at, error=error)


def _later(event: StripeEvent, error: str, *, at: datetime) -> None:
    wait = min(FIRST_RETRY * 2 ** min(event.attempts - 1, 10), LONGEST_RETRY)
    _release(event, error=error[:500], next_attempt_at=at + wait)


def _end(event: StripeEvent, state: StripeEventState, *, at: datetime, error: str = "") -> None:
    _release(event, state=state, error=error[:500], next_attempt_at=None, processed_at=at)


def _release(event: StripeEvent, **columns: Any) -> None:
    mine = StripeEvent.objects.filter(event_id=event.event_id, claimed_until=event.claimed_until)
    mine.update(claimed_until=None, **columns)


def _due(at: datetime) -> Q:
    unclaimed = Q(claimed_until__isnull=True) | Q(claimed_until__lte=at)
    return unclaimed & Q(state=StripeEventState.RECEIVED, next_attempt_at__lte=at)


def _event(body: bytes, *, at: datetime) -> StripeEvent:
    try:
        told = json.loads(body)
        return StripeEvent(
            event_id=_text(told["id"], most=64),
            type=_text(told["type"], most=100),
            object_id=_text(told["data"]["object"].get("id") or "", most=128),
            livemode=bool(told["livemode"]),
            created_at=conversion.instant(int(told["created"])),
            received_at=at,
            body=body.decode(),
            next_attempt_at=at,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as wrong:
        raise InvalidRequest("The body is no event of Stripe's.", code="event_invalid") from wrong


def _text(value: object, *, most: int) -> str:
    if not isinstance(value, str) or len(value) > most or "\x00" in value:
        raise ValueError("not a text of that length")
    return value
