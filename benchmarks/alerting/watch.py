"""Accounts that some of move, to be looked at again and again, and whether exactly the right was told."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
import uuid_utils.compat
from django.db import connection
from django.utils import timezone

from alerts import delivery, evaluation
from alerts.core.findings import Severity
from alerts.core.rules import LIMIT
from alerts.models import AlertChannel, AlertDelivery, DeliveryState, UsageAlert
from benchmarks import databases
from benchmarks.alerting.filling import CHANNEL, PORTION
from benchmarks.stage import in_batches
from benchmarks.sums import Check, sums
from benchmarks.timing import Sample
from usage.events import UsageData, UsageEvent
from usage.ingest import MAX_EVENTS, ingest
from usage.models import Account, UsageLimit

# One call more is 80 percent of it, a threshold of the plan.
NEARLY = {"name": "openai_calls", "amount": 500}
USED, THRESHOLD = 399, 80

TIDY = (
    "TRUNCATE usage_alerts, alert_deliveries, moved_accounts",
    "UPDATE usage_limits SET used = 0 WHERE used <> 0",
    "VACUUM (ANALYZE) usage_limits, usage_alerts, alert_deliveries, alert_channels, usage_rollups",
    "CHECKPOINT",
)
ALERTS = "SELECT count(*), count(DISTINCT account_id), sum(threshold), sum(account_id) FROM usage_alerts"
DELIVERIES = """
SELECT count(*) FILTER (WHERE state = 'sent'), count(*) FILTER (WHERE state = 'waiting'),
    count(DISTINCT alert_id)
FROM alert_deliveries
"""
MARKS = "SELECT count(*) FROM moved_accounts"

Work = Callable[[datetime], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The `accounts` in a database of their own, and a connection to look at it."""

    name: str
    database: str
    server: "psycopg.Connection[Any]"
    accounts: Sequence[Account]
    found: dict[str, Check] = field(default_factory=dict)
    calls: Iterator[int] = field(default_factory=itertools.count)

    def look_at_moved(self, count: int) -> Sample:
        """Look at `count` accounts that moved, as the task does."""
        what = f"{count} moved"
        sample = self._take(what, count, lambda at: evaluation.evaluate_moved(at=at, limit=count))
        self._confirm(f"{what}: marks left", sums(self.server, MARKS), (Decimal(0),))
        return sample

    def look_at_all(self, count: int) -> Sample:
        """The naive way to find out about `count` accounts that moved: look at all there are."""
        return self._take(f"{count} moved, all looked at", count, look_at_every_one)

    def deliver(self, count: int) -> Sample:
        """Let `count` deliveries be due, and make them."""
        self._tidy()
        with databases.pointed_at(self.database):
            plan(self.accounts, count, at=timezone.now())
            sample = measured(lambda: delivery.deliver_due(clock=timezone.now, limit=count))
        expected = (Decimal(count), Decimal(0), Decimal(count))
        self._confirm(f"{count} due: sent, waiting, alerts", sums(self.server, DELIVERIES), expected)
        return sample

    def checks(self) -> list[Check]:
        """Of each thing that must hold the newest one, or the first that did not."""
        return list(self.found.values())

    def _take(self, what: str, count: int, look: Work) -> Sample:
        """Let `count` accounts, spread over all, make a call each: every other one reaches a threshold."""
        self._tidy()
        moved = self.accounts[:: len(self.accounts) // count][:count]
        reaching = [account.pk for account in moved[::2]]
        with databases.pointed_at(self.database):
            UsageLimit.objects.filter(**NEARLY, account__in=reaching).update(used=USED)
            self._call(moved)
            at = timezone.now()
            sample = measured(lambda: look(at))
        told = Decimal(len(reaching))
        alerts = (told, told, THRESHOLD * told, Decimal(sum(reaching)))
        self._confirm(f"{what}: alerts, accounts, thresholds, whose", sums(self.server, ALERTS), alerts)
        # In the inbox it is there at once; what is written to the log is due.
        self._confirm(f"{what}: sent, due, alerts", sums(self.server, DELIVERIES), (told, told, told))
        return sample

    def _tidy(self) -> None:
        for statement in TIDY:
            self.server.execute(statement)

    def _call(self, accounts: Sequence[Account]) -> None:
        at = timezone.now()
        events = [a_call(account, next(self.calls), at=at) for account in accounts]
        for batch in in_batches(events, MAX_EVENTS):
            outcomes = ingest(batch, at=at)
            if any(outcome.outcome != "recorded" for outcome in outcomes):
                raise databases.NotMeasurable("A call was not recorded.")

    def _confirm(self, what: str, found: tuple[Decimal, ...], expected: tuple[Decimal, ...]) -> None:
        """Keep the check of the newest sample, but never lose one that does not hold."""
        check = Check(what=f"{self.name}: {what}", found=found, expected=expected)
        known = self.found.get(check.what)
        if known is None or known.holds:
            self.found[check.what] = check


def measured(work: Callable[[], int]) -> Sample:
    """How long `work` takes, which says on how many it worked, and how many statements it sends; beginning
    and ending a transaction is not counted.
    """
    statements = itertools.count()

    def counting(execute: Any, *call: Any) -> Any:
        next(statements)
        return execute(*call)

    with connection.execute_wrapper(counting):
        started = time.perf_counter()
        count = work()
        seconds = time.perf_counter() - started
    return Sample(count, seconds, statements=next(statements))


def look_at_every_one(at: datetime) -> int:
    """Whether it moved or not; returns how many there are."""
    accounts = Account.objects.all()
    for account in accounts:
        evaluation.evaluate(account, at=at)
    return len(accounts)


def a_call(account: Account, number: int, *, at: datetime) -> UsageEvent:
    return UsageEvent(
        id=f"call-{number}",
        source="alerts",
        subject=account.external_id,
        time=at,
        data=UsageData(
            provider="openai",
            request_model="gpt-4o-mini",
            operation="chat",
            input_tokens=10,
            output_tokens=10,
        ),
    )


def plan(accounts: Sequence[Account], count: int, *, at: datetime) -> None:
    """Write `count` deliveries that are due, each of an alert of its own, by the accounts' logs."""
    channels = dict(AlertChannel.objects.filter(kind=CHANNEL).values_list("account", "pk"))
    whose = list(itertools.islice(itertools.cycle(accounts), count))
    alerts = UsageAlert.objects.bulk_create(
        (
            UsageAlert(
                account=account,
                rule=LIMIT.key,
                key=f"due {number}",
                # Less than what the benchmark's log shows.
                severity=Severity.INFO,
                title="Something",
                created_at=at,
            )
            for number, account in enumerate(whose)
        ),
        batch_size=PORTION,
    )
    AlertDelivery.objects.bulk_create(
        (
            AlertDelivery(
                id=uuid_utils.compat.uuid7(),
                account=account,
                alert=alert,
                channel_id=channels[account.pk],
                state=DeliveryState.WAITING,
                next_attempt_at=at,
                created_at=at,
            )
            for account, alert in zip(whose, alerts, strict=True)
        ),
        batch_size=PORTION,
    )
