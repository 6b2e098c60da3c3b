"""Raising alerts, and ending those whose state has ended.

Level-triggered: a rule says all that holds now, as often as it likes. What is new is raised once, in the
transaction that plans its deliveries; what is open and holds no more has ended.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from alerts import planning
from alerts.core.findings import Finding, Severity
from alerts.core.rules import Rule
from alerts.models import UsageAlert
from usage.models import Account

Found = tuple[Account | None, Finding]
# By the account's id and the finding's key.
Holding = Mapping[tuple[int | None, str], Found]


def stand(
    rule: Rule, account: Account | None, findings: Sequence[Finding], *, at: datetime
) -> list[UsageAlert]:
    """Let `findings` be all that holds of `rule` for `account` (None: for our staff): alerts of what is new,
    in their order, and the end of what holds no more; returns the alerts that were raised.

    The caller has taken its turn before it looked.
    """
    return stand_all(rule, [(account, finding) for finding in findings], among=[account], at=at)


def stand_all(
    rule: Rule, found: Iterable[Found], *, at: datetime, among: Sequence[Account | None] | None = None
) -> list[UsageAlert]:
    """As `stand`, for the accounts in `among`, or for all there are."""
    holding = {(_id_of(account), finding.key): (account, finding) for account, finding in found}
    with transaction.atomic():
        known = _known(rule, holding)
        raised = []
        for key, (account, finding) in holding.items():
            if key not in known:
                raised += _raise(rule, account, finding, at=at)
            elif rule.is_lasting and known[key].ended_at is not None:
                ended = UsageAlert.objects.filter(pk=known[key].pk)
                ended.update(ended_at=None, recheck_at=finding.recheck_at)
        if rule.is_lasting:
            raised += _end_what_is_over(rule, holding, among=among, at=at)
    return raised


def _known(rule: Rule, holding: Holding) -> Mapping[tuple[int | None, str], UsageAlert]:
    keys = {key for _, key in holding}
    accounts = {account_id for account_id, _ in holding}
    alerts = UsageAlert.objects.filter(_of(accounts), rule=rule.key, key__in=keys)
    return {(alert.account_id, alert.key): alert for alert in alerts}


def _end_what_is_over(
    rule: Rule,
    holding: Holding,
    *,
    among: Sequence[Account | None] | None,
    at: datetime,
) -> list[UsageAlert]:
    open_ones = UsageAlert.objects.filter(rule=rule.key, is_lasting=True, ended_at__isnull=True)
    if among is not None:
        open_ones = open_ones.filter(_of({_id_of(account) for account in among}))
    over = [alert for alert in open_ones.order_by("id") if (alert.account_id, alert.key) not in holding]
    UsageAlert.objects.filter(pk__in=[alert.pk for alert in over]).update(ended_at=at, recheck_at=None)
    # What has only become worse or better is told by the alert that took its place.
    still = {(account_id, finding.subject) for (account_id, _), (_, finding) in holding.items()}
    told = {
        (alert.account_id, alert.subject): alert
        for alert in over
        if alert.payload.get("recovery") and (alert.account_id, alert.subject) not in still
    }
    return [raised for alert in told.values() for raised in _tell_recovery(rule, alert, at=at)]


def _tell_recovery(rule: Rule, ended: UsageAlert, *, at: datetime) -> list[UsageAlert]:
    recovery = ended.payload["recovery"]
    finding = Finding(
        subject=ended.subject,
        occasion=f"ended {ended.pk}",
        severity=Severity.INFO,
        title=recovery["title"],
        message=recovery["message"],
        provider=ended.provider,
        period_start=ended.period_start,
        period_end=ended.period_end,
        facts=ended.payload["facts"],
        path=ended.path,
    )
    return _raise(rule, ended.account, finding, at=at, is_recovery=True)


def _raise(
    rule: Rule, account: Account | None, finding: Finding, *, at: datetime, is_recovery: bool = False
) -> list[UsageAlert]:
    alert = UsageAlert(
        account=account,
        rule=rule.key,
        key=finding.key,
        subject=finding.subject,
        severity=finding.severity,
        title=finding.title,
        message=finding.message,
        provider=finding.provider,
        threshold=finding.threshold,
        period_start=finding.period_start,
        period_end=finding.period_end,
        path=finding.path,
        payload=_payload(account, finding),
        is_lasting=rule.is_lasting and not is_recovery,
        is_recovery=is_recovery,
        created_at=at,
        recheck_at=finding.recheck_at if rule.is_lasting and not is_recovery else None,
    )
    ways = planning.ways_of(account, at=at)
    alert.is_shown = ways.shows(rule)
    try:
        with transaction.atomic():
            alert.save(force_insert=True)
    except IntegrityError:
        if UsageAlert.objects.filter(account=account, rule=rule.key, key=finding.key).exists():
            # Somebody else has just raised it.
            return []
        raise
    planning.plan(alert, ways, at=at)
    return [alert]


def _of(account_ids: Collection[int | None]) -> Q:
    theirs = Q(account__in=[each for each in account_ids if each is not None])
    return theirs | Q(account__isnull=True) if None in account_ids else theirs


def _id_of(account: Account | None) -> int | None:
    return None if account is None else account.pk


def _payload(account: Account | None, finding: Finding) -> dict[str, Any]:
    recovery = finding.recovery
    return {
        "account": None if account is None else {"id": account.external_id, "name": account.name},
        "facts": dict(finding.facts),
        "recovery": None if recovery is None else {"title": recovery.title, "message": recovery.message},
    }
