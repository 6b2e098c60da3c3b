"""Monthly partitions: there before they are needed, made when a backfill needs them."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from tests.support.cast import NOW, an_account, an_event
from tests.support.prices import an_entry, load
from usage import partitions, tasks
from usage.ingest import ingest

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forget() -> None:
    partitions.forget()


def partition_of(event_id: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM api_usage_logs WHERE event_id = %s", [event_id])
        return str(cursor.fetchone()[0])


def test_months_are_made_ahead_over_the_turn_of_the_year() -> None:
    made = partitions.ensure_ahead(at=datetime(2031, 11, 30, tzinfo=UTC), months=2)

    assert made == ["api_usage_logs_2031_11", "api_usage_logs_2031_12", "api_usage_logs_2032_01"]


def test_a_month_is_made_once() -> None:
    month = datetime(2031, 11, 30, tzinfo=UTC)

    assert partitions.ensure([month]) == ["api_usage_logs_2031_11"]
    assert partitions.ensure([month]) == []


@pytest.mark.parametrize(
    ("at", "name"),
    [
        (datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC), "api_usage_logs_2026_02"),
        (datetime(2026, 3, 1, tzinfo=UTC), "api_usage_logs_2026_03"),
        (datetime(2019, 7, 4, tzinfo=UTC), "api_usage_logs_2019_07"),
    ],
)
def test_usage_goes_to_the_partition_of_its_month(at: datetime, name: str) -> None:
    an_account("acme")
    load(an_entry(model="gpt-4o"))
    ingest([an_event("e1", at=at)], at=NOW)

    assert partition_of("e1") == name
    assert partitions.default_rows() == 0


def test_the_task_makes_this_month_and_the_configured_ones_ahead() -> None:
    tasks.make_log_partitions()

    assert partitions.ensure_ahead(at=datetime.now(UTC), months=3) == []


def test_a_partition_carries_the_indexes_of_the_log() -> None:
    partitions.ensure([NOW])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'api_usage_logs_2026_03' ORDER BY indexdef"
        )
        indexes = [row[0] for row in cursor.fetchall()]

    assert sorted("brin" in index for index in indexes) == [False, True]
