"""Looking at what moved, and saying what holds of it.

Accounts whose usage or limits moved are looked at one by one; a mark that was left since is looked at again.
What the clock alone changes (payments, cards, prices that wait …) is swept rule by rule.
"""

import logging
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction

from alerts import raising, rules, sweeps
from alerts.locks import take_turn
from alerts.models import UsageAlert
from alerts.rules.base import Standing
from subscriptions import budgets
from usage import moves
from usage.models import Account

logger = logging.getLogger(__name__)

# An open alert whose end was due is looked at again after so long.
RECHECK_AFTER = timedelta(minutes=5)


def evaluate_moved(*, at: datetime, limit: int) -> int:
    """Look at up to `limit` accounts that moved; returns how many. Safe to run twice and in parallel.

    One that cannot be looked at keeps its mark, is tried again later and holds up no other.
    """
    looked = 0
    for account_id in moves.waiting(at=at, limit=limit):
        if not moves.take(account_id, at=at):
            continue
        looked += 1
        try:
            account = Account.objects.filter(pk=account_id).first()
            if account is not None:
                # First: what is slowed down or paused now is what there is to tell.
                budgets.protect(account, at=at)
                evaluate(account, at=at)
        except (OperationalError, InterfaceError):
            # Not about this one: the database is away.
            raise
        except Exception:
            logger.exception("account %s could not be looked at", account_id)
        else:
            moves.done(account_id, taken_at=at)
    return looked


def evaluate(account: Account, *, at: datetime) -> list[UsageAlert]:
    """Raise what is new about the account, end what is over; returns the alerts that were raised."""
    with transaction.atomic():
        take_turn(f"account {account.pk}")
        standing = Standing(account=account, at=at)
        found = [each for module in rules.ACCOUNT_RULES for each in module.find(standing)]
        every = [rule for module in rules.ACCOUNT_RULES for rule in module.RULES]
        return raising.stand(account, every, found, at=at)


def recheck_due(*, at: datetime, limit: int) -> int:
    """Mark the accounts with open alerts that may be over by now, so that they are looked at; returns how
    many alerts that were.
    """
    due = UsageAlert.objects.filter(ended_at__isnull=True, recheck_at__lte=at).order_by("recheck_at")
    rows = list(due.values_list("pk", "account")[:limit])
    accounts = {account_id for _, account_id in rows if account_id is not None}
    with transaction.atomic():
        moves.mark(accounts, at=at)
        alerts = UsageAlert.objects.filter(pk__in=[pk for pk, _ in rows], ended_at__isnull=True)
        alerts.update(recheck_at=at + RECHECK_AFTER)
        moves.announce()
    return len(rows)


def sweep(*, at: datetime) -> int:
    """Let every rule that is not about usage say what holds; returns how many alerts were raised. Safe to run
    twice and in parallel; a rule that fails holds up no other, and is raised when they are done.
    """
    raised, failures = 0, []
    for module in sweeps.SWEEPS:
        try:
            with transaction.atomic():
                take_turn(f"rule {module.RULE.key}")
                raised += len(raising.stand_all(module.RULE, module.find(at=at), at=at))
        except (OperationalError, InterfaceError):
            # Not about this rule: the database is away.
            raise
        except Exception as failure:
            failure.add_note(f"rule {module.RULE.key}")
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} rules could not be looked at", failures)
    return raised
