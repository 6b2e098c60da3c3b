"""Rolling up: days and months equal the hours and the log, whatever came when and whoever commits late."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cast import NOW, an_account, an_event
from tests.support.concurrency import PATIENCE_S, at_once
from tests.support.invariants import END, START
from tests.support.ledger import assert_everything_is_rolled_up, day_totals, log_totals
from tests.support.log_pages import plan_of, scans
from tests.support.prices import an_entry, load
from tests.support.rolled_up import fill
from usage import drift, partitions, rollups
from usage.ingest import ingest
from usage.models import Account, RollUpMark, UsageDayRollup, UsageMonthRollup, UsageRollup, UsageSummary

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
MOST = 1_000
COST = Decimal("0.0035")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Account:
    load(an_entry(model="gpt-4o"))
    return an_account("acme")


def roll_up(at: datetime = NOW, **options: bool) -> int:
    return rollups.roll_up(at=at, limit=MOST, **options)


def call(event_id: str, *, ago: timedelta = timedelta(), at: datetime = NOW, subject: str = "acme") -> None:
    """A call of 0.0035 USD that happened `ago` and is recorded `at`."""
    ingest([an_event(event_id, at=at - ago, subject=subject)], at=at)


def days() -> dict[str, int]:
    """The calls of each day that is rolled up."""
    rows = UsageDayRollup.objects.order_by("day").values_list("day", "calls")
    return {f"{day:%m-%d}": calls for day, calls in rows}


def months() -> dict[str, int]:
    rows = UsageMonthRollup.objects.order_by("month").values_list("month", "calls")
    return {f"{month:%Y-%m}": calls for month, calls in rows}


class TestDaysAndMonths:
    def test_hours_are_added_up_by_utc_day_and_calendar_month(self) -> None:
        for number, at in enumerate(
            [
                datetime(2026, 2, 28, 23, 59, tzinfo=UTC),
                datetime(2026, 3, 1, 0, 0, tzinfo=UTC),
                datetime(2026, 3, 1, 23, 59, tzinfo=UTC),
                datetime(2026, 3, 2, 0, 0, tzinfo=UTC),
            ]
        ):
            call(f"e{number}", ago=NOW - at)
        roll_up()

        assert days() == {"02-28": 1, "03-01": 2, "03-02": 1}
        assert months() == {"2026-02": 1, "2026-03": 3}
        assert UsageMonthRollup.objects.get(month=date(2026, 3, 1)).cost == 3 * COST

    def test_dimensions_stay_apart(self) -> None:
        ingest([an_event("e1", status_code=500), an_event("e2", request_type="embedding")], at=NOW)
        roll_up()

        found = UsageDayRollup.objects.order_by("request_type").values_list("request_type", "calls", "errors")
        hashes = UsageDayRollup.objects.values_list("dimensions_hash", flat=True)
        assert len(found) == 2
        assert set(hashes) == set(UsageRollup.objects.values_list("dimensions_hash", flat=True))

    def test_accounts_stay_apart(self) -> None:
        globex = an_account("globex")
        call("e1")
        call("e1", subject="globex")
        call("e2", subject="globex")

        assert roll_up() == 2
        assert UsageDayRollup.objects.get(account=globex).calls == 2

    def test_the_running_day_grows(self) -> None:
        call("e1")
        roll_up()
        call("e2", at=NOW + MINUTE)
        roll_up()

        assert days() == {"03-15": 2}
        assert months() == {"2026-03": 2}


class TestWhatMoved:
    def test_a_second_run_finds_nothing_to_do(self) -> None:
        call("e1")

        assert [roll_up(), roll_up()] == [1, 0]

    @pytest.mark.parametrize(
        ("days_ago", "reads"),
        [(0, 1), (1, 1), (2, 2), (7, 2), (8, 3), (36, 3), (37, 4), (400, 4)],
    )
    def test_the_later_a_call_the_further_back_is_looked(self, days_ago: int, reads: int) -> None:
        call("e0", ago=500 * DAY)
        roll_up()
        call("e1", ago=days_ago * DAY, at=NOW + MINUTE)

        with CaptureQueriesContext(connection) as asked:
            roll_up(NOW + MINUTE)

        assert sum("INSERT INTO usage_day_rollups" in query["sql"] for query in asked) == reads
        assert_everything_is_rolled_up()

    def test_a_late_call_beside_many_of_today_gets_in(self) -> None:
        for number in range(3):
            call(f"e{number}")
        roll_up()
        call("late", ago=90 * DAY)
        for number in range(3, 6):
            call(f"e{number}")
        roll_up()

        assert days() == {"12-15": 1, "03-15": 6}
        assert months() == {"2025-12": 1, "2026-03": 6}

    def test_what_was_recorded_in_a_period_long_over_is_left_to_a_full_run(self) -> None:
        # The period of March ends on the 1st of April.
        call("e1")
        over, long_over = (datetime(2026, 4, 3, tzinfo=UTC) + late for late in (-MINUTE, timedelta()))

        assert roll_up(long_over) == 0
        assert roll_up(long_over, everything=True) == 1
        call("e2")
        assert roll_up(over) == 1

    def test_rows_that_did_not_change_are_not_written_again(self) -> None:
        call("e1", ago=DAY)
        call("e2")
        roll_up()
        versions = _row_versions()
        call("e3")
        roll_up()

        assert [before == after for before, after in zip(versions, _row_versions(), strict=True)] == [
            True,
            False,
        ]

    def test_at_most_so_many_accounts_are_rolled_up_those_first_that_waited_longest(self) -> None:
        names = ("acme", "globex", "initech")
        for name in names[1:]:
            an_account(name)
        for name in names:
            call("e1", subject=name)

        assert rollups.roll_up(at=NOW, limit=2) == 2
        for name in names:
            call("e2", subject=name)
        assert rollups.roll_up(at=NOW + MINUTE, limit=1) == 1

        # The third had never been rolled up.
        third = Account.objects.get(external_id="initech")
        assert UsageDayRollup.objects.get(account=third).calls == 2

    def test_totals_that_a_repair_changed_do_not_keep_it_busy(self) -> None:
        call("e1")
        roll_up()
        UsageSummary.objects.update(calls=7)

        assert [roll_up(), roll_up()] == [1, 0]


def _row_versions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid::text FROM usage_day_rollups ORDER BY day")
        return [version for (version,) in cursor.fetchall()]


@contextmanager
def recording(event_id: str, *, ago: timedelta, at: datetime) -> Iterator[None]:
    """Record a call on a connection of its own, and commit only when the block ends."""
    # Whoever makes a partition holds up the others until then.
    partitions.ensure([at - ago, at])
    written, go = threading.Event(), threading.Event()

    def record() -> None:
        try:
            with transaction.atomic():
                call(event_id, ago=ago, at=at)
                written.set()
                go.wait(PATIENCE_S)
        finally:
            connection.close()

    thread = threading.Thread(target=record)
    thread.start()
    try:
        assert written.wait(PATIENCE_S)
        yield
    finally:
        go.set()
        thread.join()


@pytest.mark.django_db(transaction=True)
class TestBesideOthers:
    @pytest.mark.parametrize("ago", [timedelta(), 3 * DAY, 50 * DAY])
    def test_what_commits_after_later_usage_was_rolled_up_gets_in(self, ago: timedelta) -> None:
        an_account("globex")
        with recording("slow", ago=ago, at=NOW):
            for minute in range(1, 4):
                call(f"e{minute}", at=NOW + minute * MINUTE, subject="globex")
                roll_up(NOW + minute * MINUTE)
            assert day_totals()[0] == 3
        # Hours later; the run between them has long passed the time the row bears.
        assert roll_up(NOW + timedelta(hours=5)) == 1

        assert log_totals()[0] == 4
        assert_everything_is_rolled_up()

    def test_and_so_it_does_beside_usage_of_its_own_account(self) -> None:
        call("e0", ago=3 * DAY)
        with recording("slow", ago=3 * DAY, at=NOW):
            roll_up(NOW + MINUTE)
            assert days() == {"03-12": 1}
        call("e1", at=NOW + 2 * MINUTE)
        roll_up(NOW + 2 * MINUTE)

        assert days() == {"03-12": 2, "03-15": 1}

    def test_runs_at_once_beside_recording_add_up(self) -> None:
        for name in ("globex", "initech"):
            an_account(name)

        def act(number: int) -> None:
            for turn in range(6):
                if number % 2:
                    roll_up()
                else:
                    name = ("acme", "globex", "initech")[turn % 3]
                    call(f"e{number}-{turn}", ago=turn * 12 * DAY, subject=name)

        at_once(act, times=6)
        roll_up()

        assert log_totals()[0] == 18
        assert_everything_is_rolled_up()
        assert drift.check(start=START, end=END) == []

    def test_an_account_that_is_being_rolled_up_is_left_alone(self, acme: Account) -> None:
        call("e1")
        with _locked_elsewhere(acme):
            assert roll_up() == 0

        assert roll_up() == 1


@contextmanager
def _locked_elsewhere(account: Account) -> Iterator[None]:
    locked, go = threading.Event(), threading.Event()

    def keep() -> None:
        try:
            with transaction.atomic():
                rollups.lock(account.pk)
                locked.set()
                go.wait(PATIENCE_S)
        finally:
            connection.close()

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        assert locked.wait(PATIENCE_S)
        yield
    finally:
        go.set()
        thread.join()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["acme", "globex"]), st.integers(min_value=0, max_value=24 * 90)),
        st.just("roll up"),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_days_hours_months_and_the_log_agree_in_whatever_order(
    steps: list[tuple[str, int] | str],
) -> None:
    Account.objects.get_or_create(external_id="globex")
    with transaction.atomic():
        for number, step in enumerate(steps):
            at = NOW + number * MINUTE
            if isinstance(step, str):
                roll_up(at)
            else:
                subject, hours = step
                call(f"e{number}", ago=timedelta(hours=hours), at=at, subject=subject)
        roll_up(NOW + DAY)

        assert_everything_is_rolled_up()
        assert drift.check(start=START, end=END) == []
        assert not RollUpMark.objects.filter(calls=0).exists()
        transaction.set_rollback(True)


class TestHowItIsRead:
    """Among two hundred accounts with half a year of days."""

    @pytest.fixture(autouse=True)
    def _many(self) -> None:
        fill(accounts=200, days=180, until=NOW - 90 * DAY)
        call("e1")

    def test_nothing_is_read_but_what_the_account_used(self) -> None:
        with CaptureQueriesContext(connection) as asked:
            assert roll_up() == 1

        read = [scan for query in asked if "usage_" in query["sql"] for scan in scans(plan_of(query["sql"]))]
        assert [found for found in read if found[0] == "Seq Scan"] == []
        assert {
            ("billing_periods", "billing_period_by_end"),
            ("usage_rollups", "usage_rollups_pkey"),
            ("usage_day_rollups", "usage_day_rollups_pkey"),
            ("usage_month_rollups", "usage_month_rollups_pkey"),
        } <= {(table, index) for _, table, index in read}

    def test_it_takes_four_statements_for_a_hundred_accounts(self) -> None:
        for number in range(90):
            call("e1", subject=f"other-{number}")

        with CaptureQueriesContext(connection) as asked:
            assert roll_up() == 91

        # Which are behind; their locks, days and months.
        assert [query["sql"].split()[0] for query in asked] == [
            "SELECT",
            "SAVEPOINT",
            "SELECT",
            "WITH",
            "WITH",
            "RELEASE",
        ]
