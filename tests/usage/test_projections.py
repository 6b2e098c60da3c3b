"""Projections: when they are computed, what of, how many at a time, and what readers get."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.cast import NOW, an_account, an_event
from tests.support.concurrency import at_once
from tests.support.log_pages import plan_of, scans
from tests.support.prices import an_entry, load
from tests.support.rolled_up import fill
from tests.support.usage_rows import APRIL, MARCH, TODAY, a_day, a_period, a_rollup, a_summary
from usage import moves, projections, queries, rollups, tasks
from usage.ingest import ingest
from usage.models import Account, BillingPeriod, ProjectionMethod, UsageProjection, UsageSummary

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
MOST = 1_000

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Account:
    return an_account("acme")


@pytest.fixture
def march(acme: Account) -> BillingPeriod:
    return a_period(acme)


def compute(at: datetime = NOW, *, limit: int = MOST) -> int:
    return projections.compute_due(at=at, limit=limit)


def steady(account: Account, *, days: int, cost: str = "2", until: date = TODAY) -> None:
    """The same cost, 10 calls and 1000 tokens on each of the days before `until`."""
    for number in range(1, days + 1):
        day = until - timedelta(days=number)
        a_day(account, day=day, cost=cost, calls=10, input_tokens=600, output_tokens=400)


class TestWhatIsComputed:
    def test_the_rest_of_the_period_is_added_to_what_it_has_come_to(
        self, acme: Account, march: BillingPeriod
    ) -> None:
        steady(acme, days=20)
        a_summary(march, cost="30", calls=140, input_tokens=9000, output_tokens=5000)
        assert compute() == 1

        found = UsageProjection.objects.get()
        # Half of the 15th and sixteen days are left, of 2 USD, 10 calls and 1000 tokens.
        assert (found.spent, found.expected, found.low, found.high) == (30, 63, 63, 63)
        assert (found.calls, found.expected_calls) == (140, 305)
        assert (found.tokens, found.expected_tokens) == (14_000, 30_500)
        # 30 × 31 / 14.5
        assert round(found.run_rate, 6) == Decimal("64.137931")
        assert (found.method, found.days_of_history, found.computed_at) == ("weekdays", 20, NOW)

    def test_all_providers_and_models_count(self, acme: Account, march: BillingPeriod) -> None:
        steady(acme, days=7)
        for number in range(1, 8):
            a_day(acme, day=TODAY - number * DAY, model="gpt-4o-mini", cost="1")
        a_summary(march, cost="30")
        a_summary(march, provider="tavily", cost="12")
        compute()

        # 42 + 16.5 × 3
        assert UsageProjection.objects.get().expected == Decimal("91.5")

    @pytest.mark.parametrize(("days", "method"), [(6, "run_rate"), (7, "weekdays")])
    def test_a_history_of_less_than_a_week_leaves_the_run_rate(
        self, acme: Account, march: BillingPeriod, days: int, method: str
    ) -> None:
        steady(acme, days=days)
        a_summary(march, cost="58")
        compute()

        found = UsageProjection.objects.get()
        assert (found.method, found.days_of_history) == (method, days)
        assert (found.low is None) == (found.high is None) == (method == "run_rate")
        assert (found.expected == found.run_rate) is (method == "run_rate")
        assert found.run_rate == 124  # 58 × 31 / 14.5

    def test_idle_days_are_part_of_the_history_once_the_account_is_used(
        self, acme: Account, march: BillingPeriod
    ) -> None:
        a_day(acme, day=TODAY - timedelta(days=10), cost="10")
        a_summary(march, cost="10")
        compute()

        assert UsageProjection.objects.get().days_of_history == 10

    @pytest.mark.parametrize("days_ago", [56, 57, 300])
    def test_history_reaches_back_eight_weeks(
        self, acme: Account, march: BillingPeriod, days_ago: int
    ) -> None:
        a_day(acme, day=TODAY - timedelta(days=days_ago), cost="10")
        a_summary(march, cost="1")
        compute()

        assert UsageProjection.objects.get().days_of_history == 56

    def test_today_is_no_history(self, acme: Account, march: BillingPeriod) -> None:
        a_day(acme, cost="500")
        a_summary(march, cost="500")
        compute()

        assert UsageProjection.objects.get().days_of_history == 0

    def test_a_day_far_above_the_others_is_noted_with_what_was_to_be_expected(
        self, acme: Account, march: BillingPeriod
    ) -> None:
        """Twenty days of 2 USD each, then 6 USD, three times as much, and a little less."""
        steady(acme, days=20)
        a_summary(march, cost="6")
        a_rollup(acme, cost="5.99")
        compute()
        assert UsageProjection.objects.get().unusual_on is None
        UsageProjection.objects.all().delete()
        a_rollup(acme, cost="0.01", model="other")
        compute()
        found = UsageProjection.objects.get()
        assert (found.unusual_on, found.unusual_spent, found.unusual_expected) == (TODAY, 6, 2)

    def test_who_was_projected_is_looked_at_again(self, acme: Account, march: BillingPeriod) -> None:
        a_summary(march, cost="6")
        compute()
        assert moves.waiting(at=NOW, limit=10) == [acme.pk]

    def test_accounts_are_not_mixed_up(self, acme: Account, march: BillingPeriod) -> None:
        globex = an_account("globex")
        steady(acme, days=7)
        steady(globex, days=7, cost="4")
        a_summary(march, cost="10")
        a_summary(a_period(globex), cost="20")
        assert compute() == 2

        found = UsageProjection.objects.order_by("account_id").values_list("expected", flat=True)
        assert list(found) == [10 + Decimal("16.5") * 2, 20 + Decimal("16.5") * 4]

    def test_an_absurd_amount_in_the_first_second_is_kept_within_what_can_be_stored(
        self, march: BillingPeriod
    ) -> None:
        a_summary(march, cost="999999999999", calls=10**13)
        compute(MARCH + timedelta(seconds=1))

        found = UsageProjection.objects.get()
        assert found.expected == found.run_rate == projections.LARGEST_COST
        assert found.expected_calls == projections.LARGEST_COUNT


class TestWhatIsDue:
    def test_a_period_is_projected_once_while_nothing_is_recorded(self, march: BillingPeriod) -> None:
        a_summary(march, cost="1")

        assert [compute(), compute(NOW + MINUTE)] == [1, 0]

    def test_and_again_when_something_is_however_late_that_commits(self, march: BillingPeriod) -> None:
        summary = a_summary(march, cost="1", updated_at=NOW)
        compute()
        # What was stamped before the projection, and became visible after it.
        UsageSummary.objects.filter(pk=summary.pk).update(calls=2, cost=2, updated_at=NOW - MINUTE)

        assert compute(NOW + MINUTE) == 1
        assert UsageProjection.objects.get().spent == 2

    @pytest.mark.parametrize(
        ("age", "due"), [(DAY - timedelta(microseconds=1), 0), (DAY, 1), (DAY + MINUTE, 1)]
    )
    def test_time_alone_makes_it_due_after_a_day(
        self, march: BillingPeriod, age: timedelta, due: int
    ) -> None:
        a_summary(march, cost="1")
        compute()

        assert compute(NOW + age) == due

    @pytest.mark.parametrize(
        ("at", "due"),
        [
            (MARCH - MINUTE, 0),
            (MARCH, 1),
            (APRIL - timedelta(microseconds=1), 1),
            (APRIL, 0),
        ],
    )
    def test_only_the_open_period_is(self, march: BillingPeriod, at: datetime, due: int) -> None:
        a_summary(march, cost="1")

        assert compute(at) == due

    def test_a_new_period_is_from_its_beginning_if_the_account_was_ever_used(
        self, acme: Account, march: BillingPeriod
    ) -> None:
        a_period(an_account("unused"))
        steady(acme, days=14, until=MARCH.date())

        assert compute(MARCH) == 1
        assert UsageProjection.objects.get().expected == 62  # 31 × 2

    def test_the_oldest_are_projected_first(self, acme: Account, march: BillingPeriod) -> None:
        periods = [march, *(a_period(an_account(name)) for name in ("globex", "initech"))]
        for minute, period in enumerate(reversed(periods)):
            a_summary(period, cost="1")
            assert compute(NOW + minute * MINUTE) == 1

        # initech's was the first, then globex's; umbrella has none yet.
        umbrella = a_period(an_account("umbrella"))
        a_summary(umbrella, cost="1")
        at = NOW + 2 * DAY
        assert compute(at, limit=2) == 2
        assert set(
            UsageProjection.objects.filter(computed_at=at).values_list("billing_period", flat=True)
        ) == {
            umbrella.pk,
            periods[2].pk,
        }

    @pytest.mark.parametrize(("limit", "computed"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)])
    def test_a_run_computes_so_many(self, limit: int, computed: int) -> None:
        for name in ("globex", "initech", "umbrella"):
            a_summary(a_period(an_account(name)), cost="1")

        assert compute(limit=limit) == computed

    def test_the_task_computes(self, acme: Account) -> None:
        load(an_entry(model="gpt-4o"))
        ingest([an_event(at=None)], at=datetime.now(UTC))
        tasks.roll_up_days()
        tasks.compute_projections()

        assert UsageProjection.objects.get(account=acme).spent == Decimal("0.0035")


@pytest.mark.django_db(transaction=True)
def test_many_at_once_compute_each_once(acme: Account) -> None:
    for number in range(30):
        a_summary(a_period(an_account(f"account-{number}")), cost="1")

    computed = at_once(lambda _: compute(), times=4)

    assert sum(computed) == 30
    assert UsageProjection.objects.count() == 30


class TestReading:
    @pytest.mark.parametrize(
        ("at", "known"),
        [(MARCH - MINUTE, False), (MARCH, True), (APRIL - MINUTE, True), (APRIL, False)],
    )
    def test_the_projection_of_the_open_period_is_read(
        self, acme: Account, march: BillingPeriod, at: datetime, known: bool
    ) -> None:
        a_summary(march, cost="1")
        compute()

        assert (queries.projection_of(acme, at=at) is not None) is known

    def test_of_another_account_nothing_is(self, march: BillingPeriod) -> None:
        a_summary(march, cost="1")
        compute()

        assert queries.projection_of(an_account("globex"), at=NOW) is None

    @pytest.mark.parametrize(
        ("spent", "at_end"),
        # Projected at 30 spent: 63.
        [("30", "63"), ("62.99", "63"), ("63", "63"), ("63.01", "63.01")],
    )
    def test_the_end_is_as_projected_and_never_less_than_what_is_spent_by_now(
        self, acme: Account, march: BillingPeriod, spent: str, at_end: str
    ) -> None:
        steady(acme, days=20)
        a_summary(march, cost="30")
        compute()

        found = projections.cost_at_end(acme, period=march, spent=Decimal(spent), at=NOW + MINUTE)
        assert found == Decimal(at_end)

    @pytest.mark.parametrize("computed", [True, False])
    def test_without_weekdays_it_is_the_run_rate_of_now(
        self, acme: Account, march: BillingPeriod, computed: bool
    ) -> None:
        a_summary(march, cost="1")
        if computed:
            compute()

        # 29 × 31 / 14.5
        assert projections.cost_at_end(acme, period=march, spent=Decimal(29), at=NOW) == 62


class TestDailyCosts:
    START, END = date(2026, 3, 1), date(2026, 3, 6)

    def costs(self, *accounts: Account) -> dict[int, list[Decimal]]:
        return projections.daily_costs([each.pk for each in accounts], start=self.START, end=self.END)

    def test_days_are_listed_without_a_gap_from_the_first_use_on(self, acme: Account) -> None:
        a_day(acme, day=date(2026, 3, 2), cost="1")
        a_day(acme, day=date(2026, 3, 4), cost="2")
        a_day(acme, day=date(2026, 3, 4), model="gpt-4o-mini", cost="3")

        assert self.costs(acme) == {acme.pk: [1, 0, 5, 0]}

    def test_an_account_used_before_has_all_days(self, acme: Account) -> None:
        a_day(acme, day=date(2026, 2, 1), cost="9")
        a_day(acme, day=date(2026, 3, 1), cost="1")
        a_day(acme, day=date(2026, 3, 6), cost="9")

        assert self.costs(acme) == {acme.pk: [1, 0, 0, 0, 0]}

    def test_one_that_was_not_used_by_then_has_none(self, acme: Account) -> None:
        globex = an_account("globex")
        a_day(globex, day=date(2026, 3, 6), cost="9")

        assert self.costs(acme, globex) == {}

    def test_what_is_recorded_is_told_once_it_is_rolled_up(self, acme: Account) -> None:
        load(an_entry(model="gpt-4o"))
        ingest([an_event(at=datetime(2026, 3, 5, 23, tzinfo=UTC))], at=NOW)
        rollups.roll_up(at=NOW, limit=1)

        assert self.costs(acme) == {acme.pk: [Decimal("0.0035")]}


class TestHowItIsRead:
    """Among two hundred accounts with half a year of days."""

    @pytest.fixture(autouse=True)
    def _many(self) -> None:
        # Their last period ends within the day.
        fill(accounts=200, days=180, until=NOW + 12 * 60 * MINUTE)

    def test_it_takes_six_statements_for_hundreds_of_periods(self) -> None:
        with CaptureQueriesContext(connection) as asked:
            assert compute() == 200

        # The turn, what is due, the days before, the day so far, the projections, and who moved.
        assert [query["sql"].split()[0] for query in asked] == [
            "SAVEPOINT",
            "SELECT",
            "SELECT",
            "SELECT",
            "SELECT",
            "INSERT",
            "INSERT",
            "RELEASE",
        ]
        assert not any("api_usage_logs" in query["sql"] for query in asked)
        assert not UsageProjection.objects.exclude(method=ProjectionMethod.WEEKDAYS).exists()

    def test_days_are_read_of_the_accounts_asked_for_by_their_key(self) -> None:
        some = list(Account.objects.values_list("pk", flat=True)[:5])
        with CaptureQueriesContext(connection) as asked:
            projections.daily_costs(some, start=TODAY - timedelta(days=56), end=TODAY)

        [statement] = asked
        read = scans(plan_of(statement["sql"]))
        assert {(table, index) for _, table, index in read if table == "usage_day_rollups"} == {
            ("usage_day_rollups", "usage_day_rollups_pkey")
        }
        assert "Seq Scan" not in {how for how, _, _ in read}


def test_open_periods_are_found_by_their_end(march: BillingPeriod) -> None:
    a_summary(march)
    fill(accounts=100, days=360, until=MARCH)
    with CaptureQueriesContext(connection) as asked:
        assert compute() == 1

    read = scans(plan_of(asked[2]["sql"]))
    assert ("billing_periods", "billing_period_by_end") in {(table, index) for _, table, index in read}
    assert ("Seq Scan", "usage_summaries", "") not in read
