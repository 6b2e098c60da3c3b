"""Days and months against the hours: what drifted, what is only still to come, what a repair sets right."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.support.cast import NOW, an_account, an_event
from tests.support.ledger import assert_everything_is_rolled_up
from tests.support.prices import an_entry, load
from usage import drift, rollups
from usage.drift import Drift
from usage.ingest import ingest
from usage.models import UsageDayRollup, UsageMonthRollup, UsageRollup

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rolled_up_usage() -> None:
    load(an_entry(model="gpt-4o"))
    an_account("acme")
    ingest([an_event(f"e{number}", at=NOW - timedelta(days=number)) for number in range(3)], at=NOW)
    rollups.roll_up(at=NOW, limit=10)


def found(*, start: datetime = START, end: datetime = END) -> list[Drift]:
    return drift.check(start=start, end=end)


def one_more() -> None:
    """A call of yesterday that is not rolled up."""
    ingest([an_event("late", at=NOW - timedelta(days=1))], at=NOW)


def test_what_is_rolled_up_shows_no_drift() -> None:
    assert found() == []


def test_a_day_that_differs_is_reported_and_with_it_its_month() -> None:
    UsageDayRollup.objects.filter(day=NOW.date()).update(calls=5, cost=Decimal(1))

    day, month = found()

    assert (day.kind, month.kind) == ("day rollup", "month rollup")
    assert day.differences == {"calls": (Decimal(5), Decimal(1)), "cost": (Decimal(1), Decimal("0.0035"))}
    # The month has 3 calls of 0.0035 USD; its days now 5 + 2 of 1 + 2 × 0.0035.
    assert month.differences == {"calls": (3, 7), "cost": (Decimal("0.0105"), Decimal("1.007"))}


def test_a_day_still_to_be_rolled_up_is_no_drift() -> None:
    one_more()

    assert found() == []


@pytest.mark.parametrize(("calls", "drifts"), [(0, False), (1, False), (2, True), (3, True)])
def test_only_calls_that_are_missing_can_still_be_to_come(calls: int, drifts: bool) -> None:
    one_more()
    # Yesterday has 2 calls by now; with 2 or more its cost is wrong for another reason.
    UsageDayRollup.objects.filter(day=NOW.date() - timedelta(days=1)).update(calls=calls, cost=9)

    assert ("day rollup" in {each.kind for each in found()}) is drifts


def test_a_day_that_lacks_calls_drifts_when_all_is_rolled_up() -> None:
    UsageDayRollup.objects.filter(day=NOW.date()).delete()

    assert {each.kind for each in found()} == {"day rollup", "month rollup"}


@pytest.mark.parametrize("hour", [0, 12, 23])
def test_an_hour_is_checked_with_its_day_and_month(hour: int) -> None:
    UsageDayRollup.objects.filter(day=NOW.date()).update(calls=5)
    start = NOW.replace(hour=hour)

    assert {each.kind for each in found(start=start, end=start + timedelta(hours=1))} == {
        "day rollup",
        "month rollup",
    }
    assert [each.kind for each in found(start=start - timedelta(days=1), end=NOW.replace(hour=0))] == [
        "month rollup"
    ]


@pytest.mark.parametrize("change", ["hour", "day", "day gone", "day invented", "month", "month gone"])
def test_any_difference_is_repaired(change: str) -> None:
    match change:
        case "hour":
            UsageRollup.objects.filter(hour__gte=NOW).update(calls=4)
            rollups.roll_up(at=NOW, limit=10)
        case "day":
            UsageDayRollup.objects.filter(day=NOW.date()).update(cost=4)
        case "day gone":
            UsageDayRollup.objects.all().delete()
        case "day invented":
            row = UsageDayRollup.objects.all()[0]
            row.day += timedelta(days=5)
            row.save(force_insert=True)
        case "month":
            UsageMonthRollup.objects.update(cost=4)
        case "month gone":
            UsageMonthRollup.objects.all().delete()

    drift.repair(found(), start=START, end=END)

    assert found() == []
    assert_everything_is_rolled_up()


def test_a_repair_rolls_up_what_is_still_to_come() -> None:
    one_more()
    UsageMonthRollup.objects.update(cost=4)
    drift.repair(found(), start=START, end=END)

    assert_everything_is_rolled_up()
    # The marks learn of it in the next run, which has nothing else to do.
    assert [rollups.roll_up(at=NOW, limit=10) for _ in range(2)] == [1, 0]
