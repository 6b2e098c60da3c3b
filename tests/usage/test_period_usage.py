"""What a closed period's usage comes to, read from the log: all of it, nothing else, and by its key."""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support import log_pages
from tests.support.cast import NOW, an_account
from tests.support.usage_rows import MARCH, a_log_row, a_period, a_price, a_summary
from usage import period_usage
from usage.core.errors import TrackingException
from usage.models import APIUsageLog, BillingPeriod

pytestmark = pytest.mark.django_db

LAST_OF_FEBRUARY = MARCH - timedelta(hours=1)
FAR_BACK = datetime(2025, 11, 20, tzinfo=UTC)
PARTITION = "api_usage_logs_2026_03"


@pytest.fixture
def march() -> BillingPeriod:
    """March of acme."""
    return a_period(an_account())


def counted(period: BillingPeriod, *costs: str) -> None:
    """The period's totals as if calls of these costs had been recorded."""
    a_summary(period, calls=len(costs), cost=sum(map(Decimal, costs), Decimal(0)))


def statements_reading(period: BillingPeriod) -> list[str]:
    """What is asked of the log for the period's usage."""
    with CaptureQueriesContext(connection) as seen:
        period_usage.groups_of(period)
    return log_pages.of_the_log(seen.captured_queries)


def chained(rows: list[APIUsageLog]) -> str:
    """The evidence over `rows`, computed as anybody could who has them."""
    evidence = b""
    for row in rows:
        # All decimals, as PostgreSQL writes them; Python alone would make 1E-18 of the smallest cost.
        evidence = hashlib.sha256(evidence + f"{row.pk}:{row.cost:f}".encode()).digest()
    return evidence.hex()


def test_usage_is_added_up_by_model_and_price(march: BillingPeriod) -> None:
    dear, cheap = a_price("gpt-4o"), a_price("gpt-4o-mini")
    for number in range(3):
        a_log_row(march, event_id=f"dear {number}", price=dear, cost=Decimal("0.5"))
    a_log_row(march, event_id="cheap", model="gpt-4o-mini", price=cheap, cost=Decimal("0.1"))
    a_log_row(march, event_id="free", cost=Decimal(0))
    counted(march, "0.5", "0.5", "0.5", "0.1", "0")

    found = period_usage.groups_of(march)

    assert [(group.model, group.price_id, group.calls, group.cost) for group in found] == [
        ("gpt-4o", dear.pk, 3, Decimal("1.5")),
        ("gpt-4o", None, 1, Decimal(0)),
        ("gpt-4o-mini", cheap.pk, 1, Decimal("0.1")),
    ]
    assert found[0].quantities["input_tokens"] == 3_000
    assert found[0].quantities["images"] == 0


def test_a_group_tells_its_first_and_last_call_and_its_surcharge(march: BillingPeriod) -> None:
    later = NOW + timedelta(hours=1)
    a_log_row(march, event_id="later", at=later, cost=Decimal(2), surcharge=Decimal("0.25"))
    a_log_row(march, event_id="first", cost=Decimal(1))
    counted(march, "1", "2")

    (group,) = period_usage.groups_of(march)

    assert (group.first_at, group.last_at) == (NOW, later)
    assert group.surcharge == Decimal("0.25")


def test_a_period_without_usage_has_none(march: BillingPeriod) -> None:
    assert period_usage.groups_of(march) == []


def test_calls_of_the_period_and_the_day_before_are_found_at_the_first_look(march: BillingPeriod) -> None:
    a_log_row(march, event_id="in March", cost=Decimal(1))
    a_log_row(march, event_id="just before", at=LAST_OF_FEBRUARY, recorded_at=MARCH, cost=Decimal(2))
    counted(march, "1", "2")

    assert len(statements_reading(march)) == 1


@pytest.mark.parametrize(
    ("at", "looks"),
    [
        (LAST_OF_FEBRUARY, 1),
        (MARCH - timedelta(days=1), 1),
        (MARCH - timedelta(days=1, microseconds=1), 2),
        (MARCH - timedelta(days=40), 2),
        (MARCH - timedelta(days=40, microseconds=1), 3),
        (FAR_BACK, 3),
    ],
)
def test_late_calls_are_found_by_looking_further_back_each_time(
    march: BillingPeriod, at: datetime, looks: int
) -> None:
    a_log_row(march, event_id="in time", cost=Decimal(1))
    a_log_row(march, event_id="late", at=at, recorded_at=NOW, cost=Decimal(2))
    counted(march, "1", "2")

    in_time, late = period_usage.groups_of(march)

    assert (in_time.late, in_time.cost) == (False, Decimal(1))
    assert (late.late, late.cost, late.first_at) == (True, Decimal(2), at)
    assert len(statements_reading(march)) == looks


def test_the_evidence_can_be_computed_from_the_rows(march: BillingPeriod) -> None:
    costs = ("0.000000000000000001", "12.5", "3", "0")
    # The order of the ids counts, not that of the calls.
    rows = [
        a_log_row(march, event_id=cost, at=NOW - timedelta(hours=hour), cost=Decimal(cost))
        for hour, cost in enumerate(costs)
    ]
    counted(march, *costs)
    for row in rows:
        row.refresh_from_db()

    (group,) = period_usage.groups_of(march)

    assert group.evidence == chained(rows)


def test_late_calls_have_evidence_of_their_own(march: BillingPeriod) -> None:
    in_time = a_log_row(march, event_id="in time", cost=Decimal(1))
    late = a_log_row(march, event_id="late", at=LAST_OF_FEBRUARY, cost=Decimal(1))
    counted(march, "1", "1")
    for row in (in_time, late):
        row.refresh_from_db()

    assert [group.evidence for group in period_usage.groups_of(march)] == [
        chained([in_time]),
        chained([late]),
    ]


def test_the_evidence_changes_with_any_cost(march: BillingPeriod) -> None:
    for number in range(3):
        a_log_row(march, event_id=f"e{number}", cost=Decimal(1))
    (before,) = period_usage.read_groups(march)

    # The sum stays as it was.
    APIUsageLog.objects.filter(event_id="e0").update(cost=Decimal("0.9"))
    APIUsageLog.objects.filter(event_id="e1").update(cost=Decimal("1.1"))
    (after,) = period_usage.read_groups(march)

    assert (before.calls, before.cost) == (after.calls, after.cost)
    assert before.evidence != after.evidence


@pytest.mark.parametrize(
    "costs",
    [
        pytest.param(("1",), id="a call too few in the totals"),
        pytest.param(("1", "1", "1"), id="a call too many in the totals"),
        pytest.param(("1", "1.000000000000000001"), id="another cost"),
        pytest.param((), id="no totals"),
    ],
)
def test_totals_that_the_log_does_not_add_up_to_are_not_billed(
    march: BillingPeriod, costs: tuple[str, ...]
) -> None:
    for number in range(2):
        a_log_row(march, event_id=f"e{number}", cost=Decimal(1))
    counted(march, *costs)

    with pytest.raises(TrackingException) as refused:
        period_usage.groups_of(march)

    assert refused.value.error_code == "totals_drifted"


def test_nothing_but_the_periods_own_rows_is_read(march: BillingPeriod) -> None:
    a_log_row(march, event_id="ours", cost=Decimal(1))
    february = a_period(march.account, start=MARCH - timedelta(days=28), end=MARCH)
    a_log_row(february, event_id="of the period before", at=LAST_OF_FEBRUARY, cost=Decimal(2))
    # Recorded in February's period, whenever it was said to have happened.
    a_log_row(february, event_id="of a clock that was ahead", cost=Decimal(4))
    a_log_row(a_period(an_account("globex")), event_id="another account's", cost=Decimal(8))
    counted(march, "1")

    (group,) = period_usage.groups_of(march)

    assert (group.calls, group.cost) == (1, Decimal(1))


def test_a_large_log_is_read_by_the_primary_key_of_its_partitions(march: BillingPeriod) -> None:
    log_pages.fill(a_period(an_account("globex")), rows=20_000, until=NOW, apart="2 minutes")
    a_log_row(march, event_id="ours", cost=Decimal(1))
    counted(march, "1")

    (statement,) = statements_reading(march)
    found = log_pages.scans(log_pages.plan_of(statement))

    assert (PARTITION, f"{PARTITION}_pkey") in {(table, index) for _, table, index in found}
    # The month before, for calls of its last day, and the one after, for clocks that were ahead; none else.
    assert log_pages.months_of(found) <= {"2026_02", "2026_03", "2026_04"}
    assert all(index == f"{table}_pkey" for _, table, index in found if table == PARTITION)
