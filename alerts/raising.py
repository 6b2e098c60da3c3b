"""Raising alerts, and ending those whose state has ended.

Level-triggered: a rule says all that holds now, as often as it likes. What is new is raised once, in the
transaction that plans its deliveries; what is open and holds no more has ended.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q

from alerts import planning
from alerts.core.findings import Finding, Severity
from alerts.core.rules import Rule
from alerts.models import UsageAlert
from usage.models import Account

# Alerts within one insert.
PORTION = 500

# What makes the end of an alert worth telling once: the alert's id.
ENDED = "ended {}"

Found = tuple[Account | None, Finding]
# The account's id and the finding's key.
Key = tuple[int | None, str]
Holding = Mapping[Key, Found]


class News(NamedTuple):
    """What is to be told of: a finding, or that what had been found is over."""

    rule: Rule
    account: Account | None
    finding: Finding
    is_recovery: bool = False


def stand(
    account: Account, rules: Sequence[Rule], found: Iterable[tuple[Rule, Finding]], *, at: datetime
) -> list[UsageAlert]:
    """Let `found` be all that holds of `rules` for the account: alerts of what is new, rule by rule and in
    the order found, and the end of what holds no more; returns the alerts that were raised.

    The caller has taken its turn before it looked.
    """
    holding: dict[Rule, dict[Key, Found]] = {rule: {} for rule in rules}
    for rule, finding in found:
        holding[rule][account.pk, finding.key] = (account, finding)
    return _stand(holding, among=Q(account=account), at=at)


def stand_all(rule: Rule, found: Iterable[Found], *, at: datetime) -> list[UsageAlert]:
    """As `stand`, of one rule for all accounts; without an account for our staff."""
    holding = {(_id_of(account), finding.key): (account, finding) for account, finding in found}
    return _stand({rule: holding}, among=Q(), at=at)


def _stand(holding: Mapping[Rule, Holding], *, among: Q, at: datetime) -> list[UsageAlert]:
    with transaction.atomic(savepoint=False):
        known = _known(holding, among)
        news = [
            each
            for rule, held in holding.items()
            for each in (
                *_new(rule, held, known[rule.key]),
                *_end_what_is_over(rule, held, known[rule.key], at=at),
            )
        ]
        return _raise(news, at=at) if news else []


def _known(holding: Mapping[Rule, Holding], among: Q) -> Mapping[str, Mapping[Key, UsageAlert]]:
    """By rule, the alerts that there are of what holds, and those that are open, oldest first."""
    held = {key for each in holding.values() for key in each}
    of_what_holds = _of({account_id for account_id, _ in held}) & Q(key__in={key for _, key in held})
    is_open = among & Q(is_lasting=True, ended_at__isnull=True)
    known: dict[str, dict[Key, UsageAlert]] = {rule.key: {} for rule in holding}
    alerts = UsageAlert.objects.filter(of_what_holds | is_open, rule__in=known).order_by("id")
    for alert in alerts.select_related("account"):
        known[alert.rule][alert.account_id, alert.key] = alert
    return known


def _new(rule: Rule, holding: Holding, known: Mapping[Key, UsageAlert]) -> list[News]:
    """What was never told; what was, and holds again, is open again."""
    news = []
    for key, (account, finding) in holding.items():
        if key not in known:
            news.append(News(rule, account, finding))
        elif rule.is_lasting and known[key].ended_at is not None:
            ended = UsageAlert.objects.filter(pk=known[key].pk)
            ended.update(ended_at=None, recheck_at=finding.recheck_at)
    return news


def _end_what_is_over(
    rule: Rule, holding: Holding, known: Mapping[Key, UsageAlert], *, at: datetime
) -> list[News]:
    over = [alert for key, alert in known.items() if alert.is_open and key not in holding]
    UsageAlert.objects.filter(pk__in=[alert.pk for alert in over]).update(ended_at=at, recheck_at=None)
    # What has only become worse or better is told by the alert that took its place.
    still = {(account_id, finding.subject) for (account_id, _), (_, finding) in holding.items()}
    told = {
        (alert.account_id, alert.subject): alert
        for alert in over
        if alert.payload.get("recovery") and (alert.account_id, alert.subject) not in still
    }
    recoveries = [_recovery(rule, alert) for alert in told.values()]
    # What was open again after it had ended was told to be over then.
    theirs = _of({_id_of(each.account) for each in recoveries})
    before = UsageAlert.objects.filter(
        theirs, rule=rule.key, key__in={each.finding.key for each in recoveries}
    )
    known_before = set(before.values_list("account_id", "key"))
    return [each for each in recoveries if (_id_of(each.account), each.finding.key) not in known_before]


def _recovery(rule: Rule, ended: UsageAlert) -> News:
    recovery = ended.payload["recovery"]
    finding = Finding(
        subject=ended.subject,
        occasion=ENDED.format(ended.pk),
        severity=Severity.INFO,
        title=recovery["title"],
        message=recovery["message"],
        provider=ended.provider,
        period_start=ended.period_start,
        period_end=ended.period_end,
        facts=ended.payload["facts"],
        path=ended.path,
    )
    return News(rule, ended.account, finding, is_recovery=True)


def _raise(news: Sequence[News], *, at: datetime) -> list[UsageAlert]:
    """Write the alerts, in their order, and plan their deliveries. That each is told once is what the turn is
    for, and `alert_once`: whoever comes without a turn fails.
    """
    accounts = {_id_of(each.account): each.account for each in news}
    ways = {account_id: planning.ways_of(account, at=at) for account_id, account in accounts.items()}
    alerts = [_alert(each, is_shown=ways[_id_of(each.account)].shows(each.rule), at=at) for each in news]
    UsageAlert.objects.bulk_create(alerts, batch_size=PORTION)
    by_account = defaultdict(list)
    for alert in alerts:
        by_account[alert.account_id].append(alert)
    for account_id, theirs in by_account.items():
        planning.plan(theirs, ways[account_id], at=at)
    return alerts


def _alert(news: News, *, is_shown: bool, at: datetime) -> UsageAlert:
    rule, account, finding, is_recovery = news
    is_lasting = rule.is_lasting and not is_recovery
    return UsageAlert(
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
        is_lasting=is_lasting,
        is_recovery=is_recovery,
        is_shown=is_shown,
        created_at=at,
        recheck_at=finding.recheck_at if is_lasting else None,
    )


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
