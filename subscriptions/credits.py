"""Credits: granted, applied to invoices, returned, expired, voided. Every movement is an entry of the ledger.

Grants are locked in the order of their ids, after the invoice that moves them. The balance of a grant is
the sum of its entries: both are written in one transaction.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, Sum

from subscriptions.actors import SYSTEM, Actor
from subscriptions.core.credits import Credit, uses
from subscriptions.models import (
    BillingHistory,
    CreditEntry,
    CreditEntryKind,
    CreditGrant,
    CreditKind,
)
from usage.core.errors import Conflict, InvalidRequest
from usage.core.money import ZERO, is_cents
from usage.models import Account

DEFAULT_PRIORITY = 50
# What the customer paid for is kept for last; what was given away goes first.
PRIORITY_OF = {CreditKind.PROMOTIONAL: 20, CreditKind.REFUND: 40, CreditKind.PREPAID: DEFAULT_PRIORITY}
MAX_AMOUNT = Decimal(10_000_000)


def grant(
    account: Account,
    *,
    kind: CreditKind,
    amount: Decimal,
    reason: str,
    at: datetime,
    by: Actor,
    priority: int | None = None,
    expires_at: datetime | None = None,
    from_invoice: BillingHistory | None = None,
) -> CreditGrant:
    """Give `account` a credit of `amount` USD, in whole cents. Raises InvalidRequest for what cannot be."""
    if not is_cents(amount) or not 0 < amount <= MAX_AMOUNT:
        raise InvalidRequest(f"amount: a positive amount in whole cents, at most {MAX_AMOUNT} USD.")
    if expires_at is not None and expires_at <= at:
        raise InvalidRequest("expires_at: choose a moment in the future, or none.")
    if not reason:
        raise InvalidRequest("reason: say why the customer gets it.")
    with transaction.atomic():
        made = CreditGrant.objects.create(
            account=account,
            kind=kind,
            amount=amount,
            balance=amount,
            priority=PRIORITY_OF[kind] if priority is None else priority,
            expires_at=expires_at,
            reason=reason,
            from_invoice=from_invoice,
            created_at=at,
        )
        _write(made, CreditEntryKind.GRANTED, amount, at=at, by=by, reason=reason)
    return made


def apply(invoice: BillingHistory, *, due: Decimal, at: datetime) -> Decimal:
    """Take what `due` needs from the account's credits; returns how much was taken. Part of a transaction of
    the caller's, who has the invoice locked.
    """
    left = {each.pk: each for each in _usable(invoice.account_id, at=at)}
    taken = ZERO
    known = [Credit(each.pk, each.balance, each.priority, each.expires_at) for each in left.values()]
    for use in uses(known, due):
        _move(left[use.grant_id], CreditEntryKind.APPLIED, -use.amount, invoice=invoice, at=at, by=SYSTEM)
        taken += use.amount
    return taken


def give_back(invoice: BillingHistory, *, at: datetime, by: Actor) -> Decimal:
    """Return what a voided invoice had taken, to the grants it came from; returns how much."""
    entries = CreditEntry.objects.filter(invoice=invoice, kind=CreditEntryKind.APPLIED)
    taken = dict(entries.values_list("grant").annotate(Sum("amount")).order_by("grant"))
    for each in CreditGrant.objects.select_for_update().filter(pk__in=taken).order_by("pk"):
        _move(each, CreditEntryKind.RETURNED, -taken[each.pk], invoice=invoice, at=at, by=by)
    return -sum(taken.values(), ZERO)


def void(credit: CreditGrant, *, at: datetime, by: Actor, reason: str) -> CreditGrant:
    """Take back what is left of a grant. Raises Conflict when nothing is."""
    with transaction.atomic():
        credit = CreditGrant.objects.select_for_update().get(pk=credit.pk)
        if not credit.balance:
            raise Conflict("Nothing is left of this credit.", code="credit_used_up")
        credit.voided_at = at
        credit.save(update_fields=["voided_at"])
        _move(credit, CreditEntryKind.VOIDED, -credit.balance, at=at, by=by, reason=reason)
    return credit


def expire_due(*, at: datetime, limit: int) -> int:
    """Expire what is left of up to `limit` grants that are over at `at`; returns how many. Safe to run twice
    and in parallel.
    """
    over = CreditGrant.objects.filter(balance__gt=0, expires_at__lte=at).order_by("expires_at")
    expired = 0
    for grant_id in list(over.values_list("pk", flat=True)[:limit]):
        with transaction.atomic():
            claimed = over.select_for_update(skip_locked=True).filter(pk=grant_id).first()
            if claimed is not None:
                _move(claimed, CreditEntryKind.EXPIRED, -claimed.balance, at=at, by=SYSTEM)
                expired += 1
    return expired


def balance_of(account: Account, *, at: datetime) -> Decimal:
    """USD that the account's next invoice can take."""
    found = CreditGrant.objects.filter(_unexpired(at), account=account, balance__gt=0)
    return found.aggregate(left=Sum("balance"))["left"] or ZERO


def _usable(account_id: int, *, at: datetime) -> list[CreditGrant]:
    found = CreditGrant.objects.filter(_unexpired(at), account=account_id, balance__gt=0)
    return list(found.select_for_update().order_by("pk"))


def _unexpired(at: datetime) -> Q:
    return Q(expires_at__isnull=True) | Q(expires_at__gt=at)


def _move(
    credit: CreditGrant,
    kind: CreditEntryKind,
    amount: Decimal,
    *,
    at: datetime,
    by: Actor,
    invoice: BillingHistory | None = None,
    reason: str = "",
) -> None:
    credit.balance += amount
    credit.save(update_fields=["balance"])
    _write(credit, kind, amount, invoice=invoice, at=at, by=by, reason=reason)


def _write(
    credit: CreditGrant,
    kind: CreditEntryKind,
    amount: Decimal,
    *,
    at: datetime,
    by: Actor,
    invoice: BillingHistory | None = None,
    reason: str = "",
) -> None:
    CreditEntry.objects.create(
        grant=credit,
        account_id=credit.account_id,
        kind=kind,
        amount=amount,
        invoice=invoice,
        at=at,
        actor=by.name,
        actor_user=by.user,
        reason=reason,
    )
