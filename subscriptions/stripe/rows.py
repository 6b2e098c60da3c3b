"""Rows that Stripe is to hear of: claimed for a while, done, tried again later, or parked.

A claim moves `push_at` on to its own end. So a claim whose worker died comes due by itself, and what somebody
wants pushed meanwhile is told apart from what is being pushed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import Case, DateTimeField, F, Q, Value, When

from subscriptions.models import BillingProfile, CreditNote, InvoiceCollection, TaxReport
from subscriptions.stripe.errors import StripeFailed

LEASE = timedelta(minutes=5)
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=6)
# Stripe keeps idempotency keys for 24 hours at least.
KEYS_KEPT = timedelta(hours=23)

Row = BillingProfile | InvoiceCollection | CreditNote | TaxReport


def due(model: type[Row], *, at: datetime, limit: int) -> list[int]:
    """The keys of rows to be pushed that nobody has claimed, longest due first."""
    found = model._default_manager.filter(_unclaimed(at), push_at__lte=at).order_by("push_at", "pk")
    return list(found.values_list("pk", flat=True)[:limit])


def claim(model: type[Row], pk: int, *, at: datetime) -> Row | None:
    """The row, which is this worker's until LEASE is over; None where another one was faster."""
    until = at + LEASE
    waiting = model._default_manager.filter(_unclaimed(at), pk=pk, push_at__lte=at)
    if not waiting.update(push_claimed_until=until, push_at=until):
        return None
    return model._default_manager.get(pk=pk)


def done(row: Row, *, next_at: datetime | None) -> None:
    """It is as it should be at Stripe; look again at `next_at`, or when somebody wants."""
    _release(row, next_at=next_at, push_attempts=0, push_error="")


def later(row: Row, reason: str, *, at: datetime) -> None:
    """It did not work out: try again, later each time."""
    wait = min(FIRST_RETRY * 2 ** min(row.push_attempts, 10), LONGEST_RETRY)
    _release(row, next_at=at + wait, push_attempts=F("push_attempts") + 1, push_error=reason[:500])


def park(row: Row, reason: str) -> None:
    """Trying again does not help: staff read why, and let it be tried again."""
    _release(row, next_at=None, push_attempts=F("push_attempts") + 1, push_error=reason[:500])


def push_again(row: Row, *, at: datetime) -> None:
    """Let the row be pushed, whatever came of it before."""
    type(row)._default_manager.filter(pk=row.pk).update(push_at=at, push_attempts=0, push_error="")


@contextmanager
def asking(row: Row, *, at: datetime) -> Iterator[None]:
    """Around calls with keys of the row's: notes that Stripe may know of it from now on, and takes other keys
    where Stripe fails.
    """
    mine = type(row)._default_manager.filter(pk=row.pk)
    mine.filter(push_began_at__isnull=True).update(push_began_at=at)
    try:
        yield
    except StripeFailed:
        mine.update(push_key_turn=F("push_key_turn") + 1)
        raise


def may_be_known(row: Row, *, at: datetime) -> bool:
    """Whether Stripe may have made it and not say so when asked again: the key is new, or forgotten."""
    return bool(row.push_key_turn) or (row.push_began_at is not None and at - row.push_began_at > KEYS_KEPT)


def _release(row: Row, *, next_at: datetime | None, **columns: object) -> None:
    mine = type(row)._default_manager.filter(pk=row.pk, push_claimed_until=row.push_claimed_until)
    moved = When(push_at=row.push_claimed_until, then=Value(next_at, output_field=DateTimeField(null=True)))
    mine.update(push_claimed_until=None, push_at=Case(moved, default=F("push_at")), **columns)


def _unclaimed(at: datetime) -> Q:
    return Q(push_claimed_until__isnull=True) | Q(push_claimed_until__lte=at)
