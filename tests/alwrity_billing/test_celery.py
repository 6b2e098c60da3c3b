"""A real worker on a real broker: what is sent is done; and beat, which stores its table for staff to see."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from celery import Celery
from django.db import connection
from django_celery_beat.models import PeriodicTask

from alwrity_billing import embedded
from alwrity_billing.celery import app
from tests.support.celery_processes import running
from tests.support.processes import wait_until
from usage import partitions

START_TIMEOUT_S = 60
TASK = "usage.tasks.make_log_partitions"

pytestmark = pytest.mark.django_db(transaction=True)


def sender(*, data_dir: Path, broker: str) -> Celery:
    client = Celery(broker=broker or "filesystem://")
    if not broker:
        client.conf.broker_transport_options = embedded.broker_folders(data_dir)
    return client


def drop_newest_partition() -> str:
    """Take away the last month's partition that the task makes ahead; returns its name."""
    partitions.ensure_ahead(at=datetime.now(UTC), months=3)
    newest = partition_names()[-1]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {newest}")
    partitions.forget()
    return newest


def partition_names() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits "
            "WHERE inhparent = 'api_usage_logs'::regclass ORDER BY 1"
        )
        return [row[0] for row in cursor.fetchall() if not row[0].endswith("default")]


@pytest.fixture(params=["files", "redis"])
def broker(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "files" else str(request.getfixturevalue("redis_server"))


def test_a_task_sent_while_no_worker_runs_is_done_by_the_next_one(broker: str, tmp_path: Path) -> None:
    missing = drop_newest_partition()
    with sender(data_dir=tmp_path, broker=broker) as client:
        client.send_task(TASK)
    assert missing not in partition_names()

    with running("worker", "--pool", "solo", data_dir=tmp_path, broker=broker):
        assert wait_until(lambda: missing in partition_names(), seconds=START_TIMEOUT_S)


def test_beat_puts_the_schedule_where_staff_can_see_it(tmp_path: Path) -> None:
    expected = {(name, entry["task"]) for name, entry in app.conf.beat_schedule.items()}

    def stored() -> set[tuple[str, str]]:
        return set(PeriodicTask.objects.values_list("name", "task"))

    with running("beat", data_dir=tmp_path, broker=""):
        assert wait_until(lambda: expected <= stored(), seconds=START_TIMEOUT_S)
