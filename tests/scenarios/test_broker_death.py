"""The broker is killed under load, stays away for a while and comes back empty: every row is there, once.

Web server, worker and beat are real processes and nobody restarts them. Usage is reported over HTTP all the
time; limits and budgets are used up and billing periods end before, while and after the broker is away.
SCENARIO_OUTAGE_S=60 lets it stay away for a minute; `-rP` says how much was compared.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from alerts import destinations
from alerts.models import AlertDelivery, DeliveryState, UsageAlert
from alwrity_billing import beat
from alwrity_billing.celery import app
from alwrity_billing.models import TaskStanding
from subscriptions import budgets, month_close
from subscriptions.budget_settings import Changes
from subscriptions.models import BillingHistory
from tests.support.alerting import a_limit
from tests.support.billing import Billed, billed, broken_invoices, fees_due, overage_due, rows_not_billed_once
from tests.support.cast import an_account, an_event
from tests.support.celery_processes import readiness, running, serving
from tests.support.credentials import a_key
from tests.support.invariants import broken_invariants
from tests.support.ports import free_port
from tests.support.prices import an_entry, load
from tests.support.processes import wait_until
from tests.support.receivers import Receiver, receiving
from tests.support.recording import record
from tests.support.steady_callers import Told, calling
from tests.support.subscribing import TESTS, a_plan, start
from usage.core.calendar import anchored_month, months_after
from usage.models import Account, APIUsageLog, BillingPeriod, MovedAccount, Scope

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.django_db(transaction=True)

OUTAGE_S = int(os.environ.get("SCENARIO_OUTAGE_S", "10"))
BEFORE_S = AFTER_S = 4
PATIENCE_S = 120
# A period is closed so long after its end, when what was being recorded in it is.
GRACE_S = 1
EVERY_S = 2
# What would call Stripe, and what the passing of the test's minute does not let expect.
OFF = ("push to Stripe", "process Stripe's events", "tax drafts", "project billing periods")
BUSY, ENDING, FIRST_CALLS = 6, 8, 10
OF_PLANS, OF_BUDGETS = (80, 90, 100), (50, 95)
# Its budget refuses calls once it is used up; what has happened all the same is recorded.
PAUSES = "busy-1"
FEE, MARKUP = Decimal(30), Decimal("1.1")
# 1000 input tokens at 2.50 USD a million and 100 output tokens at 10 USD.
COST = Decimal("0.0035")
EARLIER = 5
OF_LIMITS = UsageAlert.objects.filter(rule="limit_threshold")


class Broker(Protocol):
    url: str

    def kill(self) -> None: ...
    def start(self) -> None: ...


class Folders:
    """The broker of `make run`. While it is away nobody can make its folders again."""

    url = ""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kill(self) -> None:
        """Delete them with all that is in them."""
        gone = False
        while not gone:
            shutil.rmtree(self._folder, ignore_errors=True)
            with suppress(FileExistsError):
                self._folder.touch(exist_ok=False)
                gone = True

    def start(self) -> None:
        """Let them be made again."""
        self._folder.unlink()


@pytest.fixture(params=["folders", pytest.param("redis", marks=pytest.mark.redis)])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Broker:
    if request.param == "redis":
        redis: Broker = request.getfixturevalue("redis_process")
        return redis
    return Folders(tmp_path / "broker")


@dataclass
class World:
    """The accounts, when the billing periods end that are closed in the test, and what was used before."""

    accounts: dict[str, Account] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    budgets: dict[str, Decimal] = field(default_factory=dict)
    ends: set[tuple[str, datetime]] = field(default_factory=set)
    earlier: list[tuple[str, str]] = field(default_factory=list)

    def subscribe(self, name: str, *limits: Any, begins: datetime, until: datetime, hook: str) -> Account:
        """A customer since `begins` of 30 USD a month and all usage with a tenth more, told by webhook."""
        plan = a_plan(
            name,
            *limits,
            overage_policy="bill",
            included_usage=Decimal(0),
            overage_markup_percent=Decimal(10),
        )
        account = self.accounts[name] = an_account(name)
        events = [f"{name}-{number}" for number in range(EARLIER)]
        # At once, as the clock runs: what was used before is there when the period is closed.
        with transaction.atomic():
            start(plan, account=account, at=begins)
            destinations.add(account, kind="webhook", address=f"{hook}/{name}", at=begins, by="tests")
            record(*(an_event(each, subject=name, at=begins) for each in events), at=begins)
        self.earlier += [(name, each) for each in events]
        ends = (months_after(begins, number) for number in range(1, 4))
        self.ends |= {(name, end) for end in ends if end <= until}
        return account


def furnish(hook: str, *, at: datetime) -> World:
    """Customers whose limits and budgets are used up one after the other, and whose last period is over; and
    customers whose period ends in the course of the test.
    """
    load(an_entry(model="gpt-4o"))
    world = World()
    for number in range(1, BUSY + 1):
        name, begins = f"busy-{number}", at - timedelta(days=40)
        world.calls[name] = FIRST_CALLS + (number - 1) * OUTAGE_S * 2
        limit = a_limit(amount=str(world.calls[name]))
        account = world.subscribe(name, limit, begins=begins, until=at, hook=hook)
        world.budgets[name] = world.calls[name] * COST * 2
        changes: Changes = {
            "monthly_budget": world.budgets[name],
            "alert_thresholds": OF_BUDGETS,
            "auto_pause": name == PAUSES,
        }
        budgets.update(account, changes=changes, at=at, by=TESTS)
    for number in range(ENDING):
        ends = at + timedelta(seconds=(BEFORE_S + OUTAGE_S + AFTER_S) * number / (ENDING - 1))
        world.subscribe(f"ending-{number}", begins=months_before(ends), until=ends, hook=hook)
    return world


def months_before(end: datetime) -> datetime:
    """When a subscription began whose billing period ends then: a month before, or two where the month before
    has no such day.
    """
    candidates = (end - timedelta(days=days) for days in range(28, 63))
    just_before = end - timedelta(microseconds=1)
    return next(begin for begin in candidates if anchored_month(begin, just_before)[1] == end)


def hurry() -> None:
    """Whatever happens by itself every so often happens every two seconds, as staff may say."""
    beat.bring_up_to_date(app.conf.beat_schedule, at=timezone.now())
    often = IntervalSchedule.objects.create(every=EVERY_S, period="seconds")
    PeriodicTask.objects.filter(interval=None).update(enabled=False)
    PeriodicTask.objects.filter(name__in=OFF).update(enabled=False)
    PeriodicTask.objects.filter(enabled=True).update(interval=often)


def runs() -> dict[str, int]:
    """How often each task that is switched on has begun to run."""
    known = dict(TaskStanding.objects.values_list("name", "runs"))
    tasks = PeriodicTask.objects.filter(enabled=True).values_list("task", flat=True)
    return {task: known.get(task, 0) for task in tasks}


def everything_runs(*, times: int) -> bool:
    """Whether every task begins to run again so often."""
    before = runs()
    return wait_until(
        lambda: all(now >= before[task] + times for task, now in runs().items()), seconds=PATIENCE_S
    )


@contextmanager
def at_work(broker: Broker, *, port: int, folder: Path) -> Iterator[Callable[[], bool]]:
    """Web server, worker and beat, once they are at work; the function says whether all still live."""
    kept: dict[str, Any] = {"data_dir": folder, "broker": broker.url}
    variables = {
        "ALERT_KICKS": "true",
        "ALERT_URLS_ALLOW_PRIVATE": "true",
        "BILLING_CLOSE_GRACE_S": str(GRACE_S),
    }
    with (
        running("worker", "--concurrency", "2", **kept, **variables) as worker,
        running("beat", **kept, **variables) as beats,
        serving(port, **kept, **variables) as web,
    ):
        assert wait_until(lambda: readiness(port).status == 200, seconds=PATIENCE_S)
        assert everything_runs(times=1)
        yield lambda: [each.poll() for each in (worker, beats, web)] == [None, None, None]


def is_settled() -> bool:
    """Whether nothing waits any more."""
    standing = month_close.progress(at=timezone.now())
    waits = AlertDelivery.objects.filter(state=DeliveryState.WAITING)
    return not (MovedAccount.objects.exists() or waits.exists() or standing.waiting or standing.drafts)


def test_nothing_is_lost_or_doubled_when_the_broker_dies_under_load(
    broker: Broker, tmp_path: Path, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="httpx2")
    settings.ALERT_URLS_ALLOW_PRIVATE = True
    settings.BILLING_CLOSE_GRACE = timedelta(seconds=GRACE_S)
    port = free_port()
    key = a_key(scopes=(Scope.INGEST,)).plain
    hurry()
    with receiving() as receiver, at_work(broker, port=port, folder=tmp_path) as alive:
        world = furnish(receiver.url, at=timezone.now())
        with calling(f"http://127.0.0.1:{port}", key=key, accounts=list(world.accounts)) as told:
            time.sleep(BEFORE_S)
            assert wait_until(OF_LIMITS.all().exists, seconds=PATIENCE_S)
            broker.kill()
            away, told_before = timezone.now(), told.count
            time.sleep(OUTAGE_S)
            not_ready, told_meanwhile = readiness(port), told.count - told_before
            broker.start()
            back = timezone.now()
            time.sleep(AFTER_S)

        assert wait_until(is_settled, seconds=PATIENCE_S)
        # Whatever would do something twice does it now.
        assert everything_runs(times=2)
        assert is_settled()
        assert alive()
        assert (not_ready.status, not_ready.failed) == (503, ["broker"])
        assert readiness(port).status == 200

    assert_that_work_fell_due(told_meanwhile, away=away, back=back)
    assert_usage(world, told)
    assert_alerts(world, told)
    assert_deliveries(receiver)
    assert_invoices(world)
    assert not TaskStanding.objects.filter(failures__gt=0).exists()
    logger.info(
        "%s events (%s of them while it was away; the slowest answer took %.1f s), %s alerts, %s deliveries, "
        "%s invoices: each once",
        told.count,
        told_meanwhile,
        told.slowest_s,
        UsageAlert.objects.count(),
        AlertDelivery.objects.count(),
        BillingHistory.objects.count(),
    )


def assert_that_work_fell_due(told: int, *, away: datetime, back: datetime) -> None:
    """While the broker was away usage was recorded, and periods ended that were closed later."""
    assert told > OUTAGE_S
    ended = BillingPeriod.objects.filter(
        period_end__gt=away, period_end__lt=back - timedelta(seconds=GRACE_S)
    )
    assert ended.filter(closed_at__gt=away).count() == ended.count() > 0
    assert OF_LIMITS.filter(created_at__gt=back).exists()


def assert_usage(world: World, told: Told) -> None:
    """What was answered as recorded is in the log, once, and nothing else is; all totals are those of it."""
    assert told.otherwise == []
    sent = [(name, event_id) for name, ids in told.recorded.items() for event_id in ids]
    logged = APIUsageLog.objects.values_list("account__external_id", "event_id")
    assert sorted(logged) == sorted(sent + world.earlier)
    assert set(told.replayed) <= {event_id for _, event_id in sent}
    assert broken_invariants(only_authorized=False) == []


def assert_alerts(world: World, told: Told) -> None:
    """Each threshold that was reached was told once, in ascending order, and every invoice."""
    expected = {(name, rule): thresholds for name, rule, thresholds in reached(world, told) if thresholds}
    found: dict[tuple[str, str], list[int]] = {}
    for alert in UsageAlert.objects.exclude(rule="invoice_ready").select_related("account").order_by("id"):
        assert alert.account is not None, alert
        found.setdefault((alert.account.external_id, alert.rule), []).append(alert.threshold)
    assert found == expected
    of_invoices = UsageAlert.objects.filter(rule="invoice_ready").values_list("subject", flat=True)
    numbers = BillingHistory.objects.values_list("number", flat=True)
    assert sorted(of_invoices) == sorted(f"invoice/{number}" for number in numbers)


def reached(world: World, told: Told) -> Iterator[tuple[str, str, list[int]]]:
    """By account and rule the thresholds that must have been told, by what the clients were told."""
    for name, amount in world.calls.items():
        used, budget = len(told.recorded[name]), world.budgets[name]
        yield name, "limit_threshold", [each for each in OF_PLANS if 100 * used >= each * amount]
        of_budget = [*OF_BUDGETS, 100] if name == PAUSES else OF_BUDGETS
        yield name, "budget_threshold", [each for each in of_budget if 100 * used * COST >= each * budget]
        yield name, "auto_paused", [0] if name == PAUSES and used * COST >= budget else []


def assert_deliveries(receiver: Receiver) -> None:
    """Each alert was put into the inbox and sent to its account's webhook, in order; a repeat has the id."""
    alerts = UsageAlert.objects.values_list("id", flat=True)
    made = AlertDelivery.objects.values_list("alert", "channel__kind", "state")
    assert sorted(made) == sorted((each, kind, "sent") for each in alerts for kind in ("in_app", "webhook"))
    by_webhook = AlertDelivery.objects.filter(channel__kind="webhook").order_by("alert_id")
    expected: dict[str, list[str]] = {}
    for delivery in by_webhook.select_related("account"):
        path = f"/alerts/{delivery.account.external_id}"
        expected.setdefault(path, []).append(f"msg_{delivery.pk.hex}")
    got: dict[str, dict[str, bytes]] = {}
    for each in receiver.received:
        first = got.setdefault(each.path, {}).setdefault(each.headers["webhook-id"], each.body)
        assert first == each.body
    assert {path: list(bodies) for path, bodies in got.items()} == expected


def assert_invoices(world: World) -> None:
    """Every period that is over has one invoice, of what it should be; they bill every row once."""
    invoices = BillingHistory.objects.select_related("billing_period", "account")
    found = sorted(
        (each.account.external_id, each.billing_period.period_end, each.total)
        for each in invoices
        if each.billing_period is not None
    )
    assert len(found) == invoices.count()
    assert found == sorted((*each, total_of(*each)) for each in world.ends)
    assert {each.state for each in invoices} == {"open"}
    assert broken_invoices() == []
    accounts = world.accounts.values()
    assert rows_not_billed_once(accounts) == []
    for account in accounts:
        last = max(end for name, end in world.ends if name == account.external_id)
        due = Billed(fees_due(account, until=last), overage_due(account), Decimal(0))
        assert billed(account) == due, account


def total_of(name: str, end: datetime) -> Decimal:
    """The fee in advance, with the first invoice that of its own term, and usage with a tenth more."""
    period = BillingPeriod.objects.get(account__external_id=name, period_end=end)
    is_first = not BillingPeriod.objects.filter(account=period.account, period_end__lt=end).exists()
    rows = APIUsageLog.objects.filter(billing_period=period).count()
    return (FEE * (1 + is_first) + rows * COST * MARKUP).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
