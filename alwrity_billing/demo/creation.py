"""Making the demo: people, accounts, keys, limits, and 90 days of usage recorded as it would have come in.

A demo that was interrupted is completed by the next call: the credentials file remembers the moment it was
made for, the same events come out again, and those already recorded are replays.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from alwrity_billing.demo import credentials_file
from alwrity_billing.demo.credentials_file import DemoCredentials, Record
from alwrity_billing.demo.customers import AGENCY, CUSTOMERS, START_UP
from alwrity_billing.demo.traffic import DAYS, calls_of
from usage import keys, limits
from usage.core.errors import InvalidRequest, TrackingException
from usage.ingest import ingest
from usage.limits import LimitTerms
from usage.models import Account, LimitSource, Measure, Member, Role, Scope, Window

STAFF, CUSTOMER = "staff", "nora"
PASSWORD_BYTES = 12
MINUTE_RATE, AT_ONCE = Decimal(120), Decimal(10)
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
    _set_limits(at=record.made_at)
    credentials_file.write(replace(record, finished=True), data_dir=data_dir)
    return Creation(len(CUSTOMERS), calls, days)


def _is_empty() -> bool:
    return not (Account.objects.exists() or User.objects.exists())


def _interrupted(data_dir: Path) -> Record | None:
    record = credentials_file.read(data_dir)
    return record if record and not record.finished and credentials_file.is_known(record) else None


@transaction.atomic
def _people_and_accounts(data_dir: Path, *, at: datetime) -> Record:
    since = at - timedelta(days=DAYS)
    accounts = {
        customer.external_id: Account.objects.create(
            external_id=customer.external_id, name=customer.name, created_at=since
        )
        for customer in CUSTOMERS
    }
    start_up, agency = accounts[START_UP.external_id], accounts[AGENCY.external_id]
    server = keys.issue(name="Demo server", account=None, scopes=[Scope.INGEST, Scope.READ], at=at)
    keys.issue(name="Lumen Notes backend", account=start_up, scopes=[Scope.INGEST], at=since)
    keys.issue(name="Harbour & Pine reports", account=agency, scopes=[Scope.READ], at=since)
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
    record = Record(credentials=made, made_at=at, finished=False)
    # Before the commit: a database with the demo's people always has their passwords beside it.
    credentials_file.write(record, data_dir=data_dir)
    return record


def _set_limits(*, at: datetime) -> None:
    """A month's spending for each customer, and the same rates for all."""
    rates = [
        LimitTerms(name="cost_per_request", measure=Measure.COST, window=Window.REQUEST, amount=Decimal(1)),
        LimitTerms(
            name="requests_per_minute", measure=Measure.CALLS, window=Window.MINUTE, amount=MINUTE_RATE
        ),
        LimitTerms(
            name="concurrent_requests", measure=Measure.CALLS, window=Window.CONCURRENT, amount=AT_ONCE
        ),
    ]
    for customer in CUSTOMERS:
        spending = LimitTerms(
            name="monthly_cost",
            measure=Measure.COST,
            window=Window.PERIOD,
            amount=Decimal(customer.monthly_cost),
        )
        account = Account.objects.get(external_id=customer.external_id)
        limits.put(account, source=LimitSource.PLAN, limits=[spending, *rates], at=at)


def _record_day(days_ago: int, *, made_at: datetime) -> int:
    """Record the day as its last moment would have, so that its own billing period gets it."""
    events = [
        event for customer in CUSTOMERS for event in calls_of(customer, days_ago=days_ago, until=made_at)
    ]
    if not events:
        return 0
    midnight = datetime.combine(made_at.astimezone(UTC), time(), tzinfo=UTC)
    at = min(made_at, midnight - timedelta(days=days_ago - 1) - JUST_BEFORE)
    for outcome in ingest(events, at=at):
        if outcome.cost is None:
            raise TrackingException(
                f"The demo's event {outcome.id} was not recorded ({outcome.message}): "
                "load the prices with manage.py load_prices."
            )
    return len(events)
