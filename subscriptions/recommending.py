"""Computing what would be cheaper: by the clock, account by account, and kept for readers.

An account is due once its calls are no longer those that its recommendations were computed of, or once
they are a week old: time alone moves the window. Whoever begins one says so first, in a transaction of its
own; a run that dies leaves the rows as they were, and the account waits behind the others.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection, transaction

from subscriptions import plan_fit, replaying
from subscriptions.models import RecommendationRun, UsageRecommendation
from subscriptions.replaying import Found
from usage.models import Account

logger = logging.getLogger(__name__)

# No account is computed twice a night, however often it moves.
REST = timedelta(hours=12)
AGES_IN = timedelta(days=7)

# An account whose usage is all gone from the window is computed once more, and has nothing then.
FIND_DUE = """
SELECT recorded.account_id FROM (
    SELECT account_id, sum(calls) AS calls FROM usage_summaries GROUP BY account_id
) recorded
LEFT JOIN recommendation_runs run USING (account_id)
WHERE (run.begun_at IS NULL OR run.begun_at <= %(rested)s)
  AND (run.calls IS DISTINCT FROM recorded.calls OR run.computed_at <= %(aged)s AND EXISTS (
      SELECT FROM usage_recommendations row WHERE row.account_id = recorded.account_id
  ))
ORDER BY run.begun_at NULLS FIRST, recorded.account_id
LIMIT %(limit)s
"""
BEGIN = """
INSERT INTO recommendation_runs (account_id, begun_at) VALUES (%(account)s, %(at)s)
ON CONFLICT (account_id) DO UPDATE SET begun_at = EXCLUDED.begun_at
WHERE recommendation_runs.begun_at <= %(rested)s
RETURNING account_id
"""
COUNT = "SELECT COALESCE(sum(calls), 0) FROM usage_summaries WHERE account_id = %s"


def compute_due(*, clock: Callable[[], datetime], limit: int, until: datetime) -> int:
    """Compute the recommendations of up to `limit` accounts that are due, those first that waited longest;
    begin none after `until`; returns of how many. Safe to run twice and in parallel: each is begun by one.

    An account that cannot be computed keeps what it has, and holds up no other.
    """
    computed = 0
    for account_id in _due(at=clock(), limit=limit):
        at = clock()
        if at >= until:
            break
        if not _begin(account_id, at=at):
            continue
        try:
            compute(Account.objects.get(pk=account_id), at=at)
        except (OperationalError, InterfaceError):
            # Not about this one: the database is away.
            raise
        except Exception:
            logger.exception("recommendations of account %s could not be computed", account_id)
        else:
            computed += 1
    return computed


def compute(account: Account, *, at: datetime) -> list[UsageRecommendation]:
    """Replay what the account used until `at`, and put what is found in place of what it had, in one
    transaction. Older results never replace newer ones.
    """
    # First: what is recorded while the log is read makes the account due again.
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [account.pk])
        (calls,) = cursor.fetchone()
    plan = plan_fit.found(account, at=at)
    every = [*replaying.found(account, at=at), *([] if plan is None else [plan])]
    rows = [_row(account, each, at=at) for each in every]
    with transaction.atomic():
        RecommendationRun.objects.get_or_create(account=account, defaults={"begun_at": at})
        run = RecommendationRun.objects.select_for_update().get(account=account)
        if run.computed_at is not None and run.computed_at > at:
            return list(account.recommendations.all())
        account.recommendations.all().delete()
        UsageRecommendation.objects.bulk_create(rows)
        run.computed_at, run.calls = at, calls
        run.save(update_fields=["computed_at", "calls"])
    return rows


def _due(*, at: datetime, limit: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(FIND_DUE, {"rested": at - REST, "aged": at - AGES_IN, "limit": limit})
        return [account_id for (account_id,) in cursor.fetchall()]


def _begin(account_id: int, *, at: datetime) -> bool:
    """Whether the account is this run's to compute."""
    with connection.cursor() as cursor:
        cursor.execute(BEGIN, {"account": account_id, "at": at, "rested": at - REST})
        return cursor.fetchone() is not None


def _row(account: Account, found: Found, *, at: datetime) -> UsageRecommendation:
    return UsageRecommendation(
        account=account,
        kind=found.kind,
        subject=found.subject,
        alternative=found.alternative,
        window_start=found.start,
        window_end=found.end,
        calls=found.calls,
        excluded_calls=found.excluded_calls,
        days=found.days,
        cost_now=found.now,
        cost_then=found.then,
        saving=found.saving,
        confidence=found.confidence,
        arithmetic=found.arithmetic,
        computed_at=at,
    )
