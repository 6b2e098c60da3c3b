"""The demo: believable, the same every time, complete even after an interruption, never in production."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import Count
from pytest_django import DjangoDbBlocker, Settings
from pytest_django.live_server_helper import LiveServer

from alerts.models import UsageAlert
from alwrity_billing import demo
from alwrity_billing.demo.credentials_file import FILE_NAME
from alwrity_billing.demo.customers import CUSTOMERS, START_UP, WRITER
from alwrity_billing.demo.traffic import DAYS, calls_of
from subscriptions.models import BillingHistory, UserSubscription
from subscriptions.verification import verify
from tests.support.billing import broken_invoices
from tests.support.cast import NOW, a_user, an_account
from tests.support.ledger import assert_totals_equal_the_log, log_totals
from tests.support.prices import load_every_price
from tests.support.worlds import shared
from usage import keys
from usage.core.errors import InvalidRequest
from usage.events import UsageEvent
from usage.models import Account, ApiKey, APIUsageLog, BillingPeriod, Member, Scope, UsageLimit

# A Sunday; three weeks back from it reach into February.
FEW_DAYS = 21


def make_demo(data_dir: Path, *, days: int = FEW_DAYS, at: datetime = NOW) -> demo.Creation:
    return demo.create(data_dir=data_dir, at=at, progress=lambda days, calls: None, days=days)


def the_credentials(data_dir: Path) -> demo.DemoCredentials:
    known = demo.credentials(data_dir)
    assert known is not None
    return known


def interrupt_demo(data_dir: Path, *, after_days: int, of: int) -> None:
    """Make a demo that is stopped by Ctrl-C after some of its days."""

    def stop(days: int, calls: int) -> None:
        if days == after_days:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo.create(data_dir=data_dir, at=NOW, progress=stop, days=of)


@pytest.fixture
def priced(db: None) -> None:
    load_every_price()


# --- Its usage -----------------------------------------------------------------------------------------


@cache
def all_calls() -> list[UsageEvent]:
    return [
        call
        for customer in CUSTOMERS
        for days_ago in range(DAYS)
        for call in calls_of(customer, days_ago=days_ago, until=NOW)
    ]


def test_ninety_days_are_some_tens_of_thousands_of_calls_each_with_its_own_id() -> None:
    calls = all_calls()

    assert 20_000 < len(calls) < 40_000
    assert len({call.id for call in calls}) == len(calls)


def test_all_kinds_of_providers_are_called_and_some_calls_fail() -> None:
    calls = all_calls()
    failed = sum(call.data.status_code >= 400 for call in calls)

    assert {call.data.provider for call in calls} >= {
        "openai",
        "anthropic",
        "tavily",
        "firecrawl",
        "stability",
    }
    assert 0.01 < failed / len(calls) < 0.03


def test_a_day_comes_out_the_same_every_time() -> None:
    later = NOW + timedelta(hours=5)

    assert calls_of(WRITER, days_ago=3, until=NOW) == calls_of(WRITER, days_ago=3, until=later)
    assert calls_of(WRITER, days_ago=3, until=NOW) != calls_of(WRITER, days_ago=4, until=NOW)


def test_nothing_is_called_after_the_present() -> None:
    calls = calls_of(START_UP, days_ago=0, until=NOW)

    assert calls
    assert all(call.time is not None and call.time <= NOW for call in calls)


def calls_a_day(*, days_ago: range) -> dict[int, int]:
    return {days: len(calls_of(START_UP, days_ago=days, until=NOW)) for days in days_ago}


def test_a_start_up_grows_and_rests_at_the_weekend() -> None:
    counts = calls_a_day(days_ago=range(1, DAYS))
    # NOW is a Sunday.
    weekends = [count for days, count in counts.items() if days % 7 in (0, 1)]
    weekdays = [count for days, count in counts.items() if days % 7 not in (0, 1)]

    assert 2 * sum(weekends) / len(weekends) < sum(weekdays) / len(weekdays)
    assert 2 * sum(counts[days] for days in range(82, 89)) < sum(counts[days] for days in range(1, 8))


def test_an_office_calls_by_day_more_than_by_night() -> None:
    hours = Counter(
        call.time.hour
        for days_ago in range(1, 30)
        for call in calls_of(START_UP, days_ago=days_ago, until=NOW)
        if call.time
    )

    assert hours[10] > 5 * hours[3]


def test_one_day_stands_out() -> None:
    assert START_UP.spike is not None
    day = START_UP.spike.days_ago
    counts = calls_a_day(days_ago=range(day - 7, day + 8))

    # The same weekday before and after.
    assert counts[day] > 2 * max(counts[day - 7], counts[day + 7])


# --- Making it -----------------------------------------------------------------------------------------


def test_an_interrupted_demo_is_completed_as_if_nothing_had_happened(priced: None, tmp_path: Path) -> None:
    interrupt_demo(tmp_path, after_days=2, of=5)
    before = the_credentials(tmp_path)
    assert demo.is_wanted(tmp_path)

    made = make_demo(tmp_path, days=5, at=NOW + timedelta(days=2))

    assert the_credentials(tmp_path) == before
    assert made.calls == log_totals()[0]
    assert APIUsageLog.objects.latest("occurred_at").occurred_at <= NOW
    assert not demo.is_wanted(tmp_path)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("maker", [an_account, a_user])
def test_a_database_with_anything_in_it_is_left_alone(maker: type, tmp_path: Path) -> None:
    maker()

    assert not demo.is_wanted(tmp_path)
    with pytest.raises(InvalidRequest, match="not empty"):
        make_demo(tmp_path)
    assert not (tmp_path / FILE_NAME).exists()


def test_the_command_loads_prices_makes_the_demo_and_then_changes_nothing(
    db: None, tmp_path: Path, settings: Settings
) -> None:
    settings.DATA_DIR = tmp_path
    first, second = StringIO(), StringIO()
    call_command("demo", stdout=first)
    counted, kept = log_totals(), (tmp_path / FILE_NAME).read_text()

    call_command("demo", stdout=second)

    assert "Demo: 5 accounts, " in first.getvalue()
    assert second.getvalue() == "The database is not empty: the demo was not made, nothing has changed.\n"
    assert (log_totals(), (tmp_path / FILE_NAME).read_text()) == (counted, kept)


def test_there_is_no_demo_in_production(db: None, tmp_path: Path, settings: Settings) -> None:
    settings.PRODUCTION = True
    settings.DATA_DIR = tmp_path

    with pytest.raises(CommandError, match="no demo in production"):
        call_command("demo")
    assert not Account.objects.exists()
    assert not demo.is_wanted(tmp_path)


# --- Its credentials -----------------------------------------------------------------------------------


def test_every_demo_has_secrets_of_its_own(priced: None, tmp_path: Path) -> None:
    with transaction.atomic():
        make_demo(tmp_path / "one", days=1)
        one = the_credentials(tmp_path / "one")
        transaction.set_rollback(True)
    make_demo(tmp_path / "two", days=1)
    two = the_credentials(tmp_path / "two")

    assert one.staff_password != two.staff_password != two.customer_password
    assert one.api_key != two.api_key


def test_there_are_no_credentials_without_a_demo(db: None, tmp_path: Path) -> None:
    assert demo.credentials(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"credentials": {"who": "?"}})])
def test_a_credentials_file_that_is_not_ours_is_none(db: None, tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)

    assert demo.credentials(tmp_path) is None


@pytest.mark.django_db(transaction=True)
def test_the_curl_line_works_as_printed(tmp_path: Path, live_server: LiveServer) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    load_every_price()
    make_demo(tmp_path, days=1, at=datetime.now(UTC))

    line = the_credentials(tmp_path).curl(f"{live_server.url}/")
    answer = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, timeout=60)

    (outcome,) = json.loads(answer.stdout)["outcomes"]
    assert (outcome["outcome"], outcome["cost"]) == ("recorded", "0.006")
    assert APIUsageLog.objects.filter(account__external_id="lumen-notes", source="curl").count() == 1


# --- What was made -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A demo, and where its credentials are."""

    creation: demo.Creation
    data_dir: Path


@pytest.fixture(scope="class")
def made(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Made]:
    """The demo of some weeks."""
    data_dir = tmp_path_factory.mktemp("demo")
    with shared(django_db_blocker):
        load_every_price()
        yield Made(creation=make_demo(data_dir), data_dir=data_dir)


@pytest.mark.django_db
class TestWhatWasMade:
    """Looks at one demo; what a test changes of it is gone after the test."""

    def test_accounts_people_and_keys_are_there_to_look_at(self, made: Made) -> None:
        assert made.creation.accounts == Account.objects.count() == len(CUSTOMERS)
        assert list(User.objects.filter(is_superuser=True).values_list("username", flat=True)) == ["staff"]
        customer = User.objects.get(username=the_credentials(made.data_dir).customer_username)
        roles = Member.objects.filter(user=customer).values_list("account__external_id", "role")
        assert dict(roles) == {
            "lumen-notes": "owner",
            "harbour-and-pine": "viewer",
            "nora-lindqvist": "owner",
        }
        assert ApiKey.objects.filter(account__isnull=False).count() == 2

    def test_its_totals_equal_its_log(self, made: Made) -> None:
        assert log_totals()[0] == made.creation.calls > 0
        assert_totals_equal_the_log()

    def test_every_customer_has_a_spending_limit_that_has_counted_its_month(self, made: Made) -> None:
        for spending in UsageLimit.objects.filter(name="monthly_cost"):
            assert 0 < spending.used < (spending.amount or 0), spending.account
        assert UsageLimit.objects.filter(name="monthly_cost").count() == Account.objects.count()

    def test_every_customer_is_on_a_plan_that_was_renewed_since(self, made: Made) -> None:
        plans = {each.account.external_id: each for each in UserSubscription.objects.order_by("account__id")}
        assert {name: each.plan.key for name, each in plans.items()} == {
            "mira-okafor": "pro",
            "lumen-notes": "enterprise",
            "harbour-and-pine": "enterprise",
            "tern-analytics": "pro",
            "nora-lindqvist": "free",
        }
        assert [each.renewal_count for each in plans.values()] == [3, 3, 0, 3, 3]
        assert all(each.term_start <= NOW < each.term_end for each in plans.values())

    def test_the_customer_was_told_that_one_limit_is_nearly_used_up(self, made: Made) -> None:
        account = the_credentials(made.data_dir).customer_account
        told = UsageAlert.objects.filter(account__external_id=account, rule="limit_threshold")
        assert [(alert.title, alert.is_open, alert.is_read) for alert in told.order_by("id")] == [
            ("80 % of tokens used", True, False),
            ("90 % of tokens used", True, False),
        ]

    def test_each_day_is_billed_in_its_own_month(self, made: Made) -> None:
        periods = BillingPeriod.objects.in_bulk()
        # Ninety days before, on 15 December, each customer's months began.
        assert len(periods) == 4 * len(CUSTOMERS)
        for row in APIUsageLog.objects.all():
            period = periods[row.billing_period_id]
            assert period.period_start <= row.occurred_at <= row.recorded_at < period.period_end

    def test_a_failed_call_costs_nothing(self, made: Made) -> None:
        costs = APIUsageLog.objects.filter(status_code__gte=400).values("cost").annotate(calls=Count("id"))
        assert [row["cost"] for row in costs] == [0]

    def test_the_customers_were_invoiced_and_every_invoice_is_paid_and_proved(self, made: Made) -> None:
        invoices = list(BillingHistory.objects.select_related("account", "billing_period"))
        charged = {invoice.account.external_id for invoice in invoices if invoice.total}
        assert charged == {each.external_id for each in CUSTOMERS if each.plan != "free"}
        assert {invoice.state for invoice in invoices} == {"paid"}
        assert [str(finding) for invoice in invoices for finding in verify(invoice)] == []
        assert broken_invoices() == []

    def test_the_passwords_log_in_and_the_key_sends_and_reads(self, made: Made) -> None:
        known = the_credentials(made.data_dir)

        staff = authenticate(username=known.staff_username, password=known.staff_password)
        customer = authenticate(username=known.customer_username, password=known.customer_password)
        key = keys.verify(known.api_key, at=NOW)
        assert isinstance(staff, User)
        assert staff.is_superuser
        assert isinstance(customer, User)
        assert not customer.is_staff
        assert key is not None
        assert (key.account, set(key.scopes)) == (None, {Scope.INGEST, Scope.READ})

    def test_the_credentials_are_readable_by_their_owner_alone(self, made: Made) -> None:
        assert (made.data_dir / FILE_NAME).stat().st_mode & 0o777 == 0o600

    def test_credentials_of_another_database_are_not_shown(self, made: Made) -> None:
        ApiKey.objects.all().delete()

        assert demo.credentials(made.data_dir) is None

    def test_printing_credentials_shows_no_secret(self, made: Made) -> None:
        known = the_credentials(made.data_dir)

        for secret in (known.staff_password, known.customer_password, known.api_key):
            assert secret not in repr(known)
