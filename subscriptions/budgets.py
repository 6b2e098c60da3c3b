"""Budgets: what customers may spend by their own choice, never more than their plan allows.

Amounts are limits of the source budget, enforced beside those of plan and overrides, so that the strictest
wins. They stay as they are when the plan changes. What may be set is in `subscriptions.budget_settings`, what
a budget does when it is nearly or quite used up in `subscriptions.budget_protection`.
"""

from datetime import datetime

from django.db import InterfaceError, OperationalError, transaction

from subscriptions import budget_protection, budget_settings, entitlements
from subscriptions.actors import Actor
from subscriptions.budget_settings import Changes, wrong
from subscriptions.models import Budget
from subscriptions.models.budgets import MAX_PAUSE_REASON
from usage.core.errors import Conflict
from usage.models import Account

MAX_REASON = 300


def update(account: Account, *, changes: Changes, at: datetime, by: Actor, reason: str = "") -> Budget:
    """Change the settings given and let them hold at once; the budget as it then is.

    Raises InvalidRequest, with the setting as `field` in its details, for what cannot be one's value and for
    an amount above what the plan allows.
    """
    _check_length("reason", reason, at_most=MAX_REASON)
    with transaction.atomic():
        budget = _locked(account)
        before = budget_protection.facts(budget)
        if budget_settings.change(budget, changes):
            _save_and_apply(budget, before, at=at, by=by, reason=reason)
    return budget


def pause(account: Account, *, reason: str, at: datetime, by: Actor) -> Budget:
    """Refuse all calls of the account from `at` on, with the reason, until somebody resumes it.

    Raises InvalidRequest without a reason, Conflict when somebody paused it before.
    """
    reason = reason.strip()
    if not reason:
        raise wrong("reason", "Say why; whoever is refused reads it.")
    _check_length("reason", reason, at_most=MAX_PAUSE_REASON)
    with transaction.atomic():
        budget = _locked(account)
        if budget.is_paused_by_hand:
            raise Conflict(f"The budget is paused already: {budget.paused_reason}", code="budget_paused")
        before = budget_protection.facts(budget)
        budget.paused_at, budget.paused_reason = at, reason
        budget.paused_until, budget.paused_automatically = None, False
        _save_and_apply(budget, before, at=at, by=by, reason=reason)
    return budget


def resume(account: Account, *, at: datetime, by: Actor) -> Budget:
    """Let calls pass again as far as limits go.

    Raises Conflict when it is not paused, and while the budget is used up, as it would pause again at once.
    """
    with transaction.atomic():
        budget = _locked(account)
        if not budget.is_paused:
            raise Conflict("The budget is not paused.", code="budget_not_paused")
        found = budget_protection.standing(budget, at=at)
        if found.exhausted:
            raise Conflict(
                f"{found.exhausted} Raise it first, or wait until the billing period ends"
                f"{'' if found.period_end is None else f' at {found.period_end:%Y-%m-%d %H:%M} UTC'}.",
                code="budget_used_up",
            )
        before = budget_protection.facts(budget)
        budget.paused_at, budget.paused_reason = None, ""
        budget.paused_until, budget.paused_automatically = None, False
        _save_and_apply(budget, before, at=at, by=by, reason="")
    return budget


def protect(account: Account, *, at: datetime) -> bool:
    """Slow down, pause, or end either, as the account's budget and usage call for at `at`; whether anything
    changed. Cheap where nothing does, safe to run twice and beside everything else.
    """
    if budget_protection.is_in_place(account, at=at):
        return False
    with transaction.atomic():
        _lock(account)
        if budget_protection.is_in_place(account, at=at):
            return False
        entitlements.apply(account, at=at)
    return True


def protect_due(*, at: datetime, limit: int) -> int:
    """The same for up to `limit` accounts that are slowed down or paused for a billing period that is over at
    `at`; returns how many changed. One that cannot be seen to does not hold up the others: what went wrong
    with it is raised when they are done.
    """
    due = Budget.objects.filter(protected_until__lte=at).select_related("account")
    changed, failures = 0, []
    for budget in list(due.order_by("protected_until")[:limit]):
        try:
            changed += protect(budget.account, at=at)
        except (OperationalError, InterfaceError):
            # Not about this one: the database is away.
            raise
        except Exception as failure:
            failure.add_note(f"account {budget.account_id}")
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} budgets could not be seen to", failures)
    return changed


def _lock(account: Account) -> None:
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)


def _locked(account: Account) -> Budget:
    """The account's budget, a new one where there is none, under the lock on the account's row."""
    _lock(account)
    return budget_protection.budget_of(account) or Budget(account=account)


def _save_and_apply(
    budget: Budget, before: dict[str, object], *, at: datetime, by: Actor, reason: str
) -> None:
    budget.updated_at = at
    budget.save()
    budget_protection.note(budget, before, at=at, by=by, reason=reason)
    entitlements.apply(budget.account, at=at)
    budget.refresh_from_db()


def _check_length(field: str, text: str, *, at_most: int) -> None:
    # PostgreSQL's text holds no NUL.
    if len(text) > at_most or "\x00" in text:
        raise wrong(field, f"Take at most {at_most} characters, and no NUL.")
