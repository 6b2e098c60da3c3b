"""Staff are told of tasks that fail or are late, and that they run again."""

from datetime import timedelta

import pytest
from django_celery_beat.models import PeriodicTask

from alwrity_billing import beat, clock_alerts, task_standings
from alwrity_billing.celery import app
from tests.support.alerting import raised
from tests.support.cast import NOW

HOLDS, TOTALS = "usage.tasks.expire_holds", "usage.tasks.check_recent_totals"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def started() -> None:
    """Beat was started and everything has just run."""
    beat.bring_up_to_date(app.conf.beat_schedule, at=NOW)
    PeriodicTask.objects.update(last_run_at=NOW)
    for entry in app.conf.beat_schedule.values():
        ran(entry["task"])


def ran(task: str, *, at: object = NOW, error: str = "") -> None:
    task_standings.started(task, at=at)  # type: ignore[arg-type]
    if error:
        task_standings.failed(task, at=at, took=SECOND, error=error)  # type: ignore[arg-type]
    else:
        task_standings.succeeded(task, at=at, took=SECOND, rows=0)  # type: ignore[arg-type]


def told(*, at: object = NOW) -> list[str]:
    known = {alert.pk for alert in raised()}
    clock_alerts.stand(at=at)  # type: ignore[arg-type]
    return [alert.title for alert in raised() if alert.pk not in known]


def test_while_everything_runs_nothing_is_told() -> None:
    assert told() == []


@pytest.mark.parametrize(("failures", "titles"), [(1, []), (2, []), (3, ["“give back expired holds” fails"])])
def test_a_task_of_every_moment_is_told_of_when_it_has_failed_three_times(
    failures: int, titles: list[str]
) -> None:
    for _ in range(failures):
        ran(HOLDS, error="OperationalError: the database is away")
    assert told() == titles


def test_a_nightly_task_is_told_of_at_once_with_what_went_wrong() -> None:
    ran(TOTALS, error="ValueError: it broke")
    assert told() == ["“check totals against the log” fails"]
    (alert,) = raised()
    assert alert.account is None
    assert "ValueError: it broke" in alert.message
    assert alert.path.startswith("/admin/")


def test_it_is_told_once_and_that_it_runs_again() -> None:
    ran(TOTALS, error="ValueError: it broke")
    told()
    assert told(at=NOW + MINUTE) == []
    ran(TOTALS, at=NOW + MINUTE)
    assert told(at=NOW + MINUTE) == ["“check totals against the log” runs again"]


def test_tasks_that_no_worker_runs_are_late() -> None:
    titles = told(at=NOW + timedelta(minutes=6))
    assert "“give back expired holds” is late" in titles
    assert "“check totals against the log” is late" not in titles
