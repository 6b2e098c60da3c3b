"""Making the demo: people, accounts, keys, subscriptions, and 90 days of usage recorded as it came in.

A demo that was interrupted is completed by the next call: the credentials file remembers the moment it was
made for, the same events come out again, and those already recorded are replays.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from alerts import evaluation
from alwrity_billing.demo import credentials_file
from alwrity_billing.demo.credentials_file import DemoCredentials, Record
from alwrity_billing.demo.customers import AGENCY, CUSTOMERS, SKETCHBOOK, START_UP, WRITER
from alwrity_billing.demo.traffic import DAYS, calls_of
from subscriptions import (
    catalog_file,
    catalog_loading,
    changes,
    entitlements,
    lifecycle,
    month_close,
    overrides,
    payments,
    recommending,
    renewals,
)
from subscriptions.actors import Actor
from subscriptions.core.invoices import InvoiceState
from subscriptions.core.terms import BillingCycle
from subscriptions.models import BillingHistory, SubscriptionPlan, UserSubscription
from usage import keys, periods, projections, queries, rollups
from usage.core.calendar import months_after
from usage.core.errors import InvalidRequest, TrackingException
from usage.ingest import ingest
from usage.limits import LimitTerms
from usage.models import Account, LimitMode, Measure, Member, Role, Scope, Window

STAFF, CUSTOMER = "staff", "nora"
PASSWORD_BYTES = 12
CATALOG = "default"
DEMO = Actor(name="demo")
OUTGROWN_AFTER = timedelta(days=40)
FAIR_USE = LimitTerms(
    name="requests_per_minute", measure=Measure.CALLS, window=Window.MINUTE, amount=Decimal(120)
)
PERCENT_USED = 92
JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Creation:
    """What was made: so many accounts, and so many calls over so many days."""

    accounts: int
    calls: int
    days: int


def is_wanted(data_dir: Path) -> bool:
    """Whether `create` would do anything: the database is empty, or holds a demo that was interrupted."""
    return not settings.PRODUCTION and (_is_empty() or _interrupted(data_dir) is not None)


def create(
    *, data_dir: Path, at: datetime, progress: Callable[[int, int], None], days: int = DAYS
) -> Creation:
    """Make the demo of the `days` up to `at`, or complete one that was interrupted.

    The credentials are kept under `data_dir`. `progress` is told the days and the calls done
    so far. Raises InvalidRequest in production and on a database that is not empty, TrackingException when
    the price book cannot rate a call.
    """
    if settings.PRODUCTION:
        raise InvalidRequest("There is no demo in production: unset PRODUCTION to try it.")
    record = _interrupted(data_dir)
    if record is None:
        if not _is_empty():
            raise InvalidRequest("The database is not empty, so the demo was not made: it needs a new one.")
        record = _people_and_accounts(data_dir, at=at)
    calls = 0
    for done, days_ago in enumerate(reversed(range(days)), start=1):
        calls += _record_day(days_ago, made_at=record.made_at)
        progress(done, calls)
    _let_time_pass(since=_first_day(record.made_at), until=record.made_at)
    # The clock would, minutes later; the first look at the demo shall find them.
    rollups.roll_up(at=record.made_at, limit=len(CUSTOMERS), everything=True)
    projections.compute_due(at=record.made_at, limit=len(CUSTOMERS))
    for account in Account.objects.order_by("pk"):
        recommending.compute(account, at=record.made_at)
    credentials_file.write(replace(record, finished=True), data_dir=data_dir)
    return Creation(len(CUSTOMERS), calls, days)


def _first_day(made_at: datetime) -> datetime:
    """The midnight (UTC) at which the demo's story begins; periods counted from it hold whole days."""
    return _midnight(made_at) - timedelta(days=DAYS)


def _midnight(at: datetime) -> datetime:
    return datetime.combine(at.astimezone(UTC), time(), tzinfo=UTC)


def _is_empty() -> bool:
    return not (Account.objects.exists() or User.objects.exists())


def _interrupted(data_dir: Path) -> Record | None:
    record = credentials_file.read(data_dir)
    return record if record and not record.finished and credentials_file.is_known(record) else None


@transaction.atomic
def _people_and_accounts(data_dir: Path, *, at: datetime) -> Record:
    since = _first_day(at)
    accounts = {
        customer.external_id: Account.objects.create(
            external_id=customer.external_id, name=customer.name, created_at=since
        )
        for customer in CUSTOMERS
    }
    _subscribe(accounts, since=since)
    start_up, agency = accounts[START_UP.external_id], accounts[AGENCY.external_id]
    server = keys.issue(name="Demo server", account=None, scopes=[Scope.INGEST, Scope.READ], at=at, by=DEMO)
    keys.issue(name="Lumen Notes backend", account=start_up, scopes=[Scope.INGEST], at=since, by=DEMO)
    keys.issue(name="Harbour & Pine reports", account=agency, scopes=[Scope.READ], at=since, by=DEMO)
    made = DemoCredentials(
        staff_username=STAFF,
        staff_password=secrets.token_urlsafe(PASSWORD_BYTES),
        customer_username=CUSTOMER,
        customer_password=secrets.token_urlsafe(PASSWORD_BYTES),
        customer_account=start_up.external_id,
        api_key=server.plain,
    )
    User.objects.create_superuser(STAFF, email="staff@example.com", password=made.staff_password)
    nora = User.objects.create_user(
        CUSTOMER,
        email="nora@example.com",
        password=made.customer_password,
        first_name="Nora",
        last_name="Lindqvist",
    )
    Member.objects.create(account=start_up, user=nora, role=Role.OWNER, created_at=since)
    Member.objects.create(account=agency, user=nora, role=Role.VIEWER, created_at=at)
    sketchbook = accounts[SKETCHBOOK.external_id]
    Member.objects.create(account=sketchbook, user=nora, role=Role.OWNER, created_at=at)
    record = Record(credentials=made, made_at=at, finished=False)
    # Before the commit: a database with the demo's people always has their passwords beside it.
    credentials_file.write(record, data_dir=data_dir)
    return record


def _subscribe(accounts: Mapping[str, Account], *, since: datetime) -> None:
    """Every customer is on a plan of the default catalog since its first day."""
    catalog_loading.load(catalog_file.read(CATALOG), at=since)
    for customer in CUSTOMERS:
        plan = SubscriptionPlan.objects.get(key=customer.plan)
        account = accounts[customer.external_id]
        lifecycle.start(account, plan=plan, cycle=customer.cycle, at=since, by=DEMO)


def _let_time_pass(*, since: datetime, until: datetime) -> None:
    """What happened to the subscriptions: they were renewed and invoiced, one outgrew its plan, one was given
    more. Every invoice was paid by bank transfer.
    """
    outgrown = since + OUTGROWN_AFTER
    _invoice_and_pay(at=since)
    _close_months(since=since, until=outgrown)
    writer = UserSubscription.objects.get(account__external_id=WRITER.external_id)
    pro = SubscriptionPlan.objects.get(key="pro")
    if writer.plan != pro:
        changes.change_plan(writer, plan=pro, cycle=BillingCycle.MONTHLY, at=outgrown, by=DEMO)
    _invoice_and_pay(at=outgrown)
    _close_months(since=since, until=until)
    periods.open_missing(at=until, limit=len(CUSTOMERS))
    _agree_on_fair_use(Account.objects.get(external_id=START_UP.external_id), at=until)
    for account in Account.objects.order_by("pk"):
        evaluation.evaluate(account, at=until)


@transaction.atomic
def _agree_on_fair_use(account: Account, *, at: datetime) -> None:
    """Two limits of the customer's own; of one so much is used that people are told of it."""
    if entitlements.overrides_in_force(account):
        return
    tokens = queries.period_totals(account, period=periods.open_period(account, at=at)).tokens
    nearly_used_up = LimitTerms(
        name="tokens_per_month",
        measure=Measure.TOKENS,
        window=Window.PERIOD,
        mode=LimitMode.NOTIFY,
        amount=Decimal(max(tokens * 100 // PERCENT_USED, 1)),
    )
    for terms in (FAIR_USE, nearly_used_up):
        overrides.add(account, terms, reason="Fair use, agreed with the customer.", by=DEMO, at=at)


def _close_months(*, since: datetime, until: datetime) -> None:
    """Renew, close and invoice month after month, as the clock would have."""
    month = months_after(since, 1)
    while (at := month + settings.BILLING_CLOSE_GRACE) <= until:
        renewals.renew_due(at=at, limit=len(CUSTOMERS))
        month_close.close_due(at=at, limit=len(CUSTOMERS))
        _invoice_and_pay(at=at)
        month = months_after(month, 1)
    renewals.renew_due(at=until, limit=len(CUSTOMERS))


def _invoice_and_pay(*, at: datetime) -> None:
    month_close.invoice_changes(at=at, limit=len(CUSTOMERS))
    for invoice in BillingHistory.objects.filter(state=InvoiceState.OPEN):
        payments.record_by_hand(
            invoice,
            amount=invoice.amount_remaining,
            method="bank transfer",
            reference=f"RF {invoice.number}",
            at=at,
            by=DEMO,
        )


def _record_day(days_ago: int, *, made_at: datetime) -> int:
    """Record the day as its last moment would have, so that its own billing period gets it."""
    events = [
        event for customer in CUSTOMERS for event in calls_of(customer, days_ago=days_ago, until=made_at)
    ]
    if not events:
        return 0
    at = min(made_at, _midnight(made_at) - timedelta(days=days_ago - 1) - JUST_BEFORE)
    for outcome in ingest(events, at=at):
        if outcome.cost is None:
            raise TrackingException(
                f"The demo's event {outcome.id} was not recorded ({outcome.message}): "
                "load the prices with manage.py load_prices."
            )
    return len(events)
