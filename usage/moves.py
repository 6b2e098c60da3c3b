"""Which accounts moved: recording usage and changing limits mark them, whoever must know takes the mark.

A mark is a row, so nothing is forgotten when a process or a broker dies. Marking one that is marked already
writes nothing, it only locks the row until what moved is committed. Taking it waits for that: what is read
after a mark was taken includes everything that was marked by it, and later usage leaves a mark of its own.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import Q
from django.dispatch import Signal

from usage.models import MovedAccount

# Sent after the commit of what moved accounts, without arguments: only to be faster than the clock.
accounts_moved = Signal()

# Whoever took a mark and did not come back is taken for dead.
LEASE = timedelta(minutes=1)

# `{accounts}` is a relation with the ids, in the order in which they are locked.
MARK = """
INSERT INTO moved_accounts (account_id, moved_at) SELECT id, %(at)s FROM {accounts}
ON CONFLICT (account_id) DO UPDATE SET moved_at = EXCLUDED.moved_at, seen_at = NULL
WHERE moved_accounts.seen_at IS NOT NULL
"""
MARK_SOME = MARK.format(accounts="(SELECT unnest(%(ids)s::bigint[]) AS id ORDER BY 1) moved")


def mark(account_ids: Collection[int], *, at: datetime) -> None:
    """Note, inside the transaction that moves them, that these accounts moved."""
    if account_ids:
        with connection.cursor() as cursor:
            cursor.execute(MARK_SOME, {"ids": sorted(account_ids), "at": at})


def announce() -> None:
    """Let those who listen hear, once this transaction is committed, that accounts moved."""
    transaction.on_commit(partial(accounts_moved.send_robust, None), robust=True)


def waiting(*, at: datetime, limit: int) -> list[int]:
    """Up to `limit` accounts that moved and that nobody looks at, longest waiting first."""
    moved = MovedAccount.objects.filter(_untaken(at)).order_by("moved_at", "pk")
    return list(moved.values_list("pk", flat=True)[:limit])


def oldest(*, at: datetime) -> datetime | None:
    """Since when an account has been waiting to be looked at; None when none is."""
    return (
        MovedAccount.objects.filter(_untaken(at))
        .order_by("moved_at")
        .values_list("moved_at", flat=True)
        .first()
    )


def take(account_id: int, *, at: datetime) -> bool:
    """Take the mark of an account, waiting for what moves it just now; whether it was there to take.

    Outside of a transaction, or what is read later in it must not be older.
    """
    return bool(MovedAccount.objects.filter(_untaken(at), pk=account_id).update(seen_at=at))


def done(account_id: int, *, taken_at: datetime) -> None:
    """Remove the mark that was taken; one that was left since stays."""
    MovedAccount.objects.filter(pk=account_id, seen_at=taken_at).delete()


def _untaken(at: datetime) -> Q:
    return Q(seen_at__isnull=True) | Q(seen_at__lte=at - LEASE)
