"""How the clock stands: on time, late, failing, switched off; below, at and above each boundary."""

from datetime import datetime, timedelta

import pytest
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from alwrity_billing import beat, clock, task_standings
from alwrity_billing.celery import app
from alwrity_billing.clock import Entry, State
from tests.support.cast import NOW

pytestmark = pytest.mark.django_db

HOLDS, TOTALS = "give back expired holds", "check totals against the log"
TASKS = {HOLDS: "usage.tasks.expire_holds", TOTALS: "usage.tasks.check_recent_totals"}
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def started() -> None:
    """Beat was started and has sent everything once."""
    beat.bring_up_to_date(app.conf.beat_schedule, at=NOW)
    PeriodicTask.objects.update(last_run_at=NOW)


def ran(name: str, *, at: datetime, error: str = "") -> None:
    task_standings.started(TASKS[name], at=at)
    if error:
        task_standings.failed(TASKS[name], at=at, took=SECOND, error=error)
    else:
        task_standings.succeeded(TASKS[name], at=at, took=SECOND, rows=3)


def entry(name: str, *, at: datetime = NOW) -> Entry:
    (found,) = [each for each in clock.entries(at=at) if each.name == name]
    return found


def test_an_entry_says_what_it_does() -> None:
    assert entry(HOLDS).about.startswith("Give back the holds past their deadline")


def test_every_task_of_the_table_is_one_that_says_what_it_does() -> None:
    assert [name for name, said in app.conf.beat_schedule.items() if not clock.about(said["task"])] == []


def test_a_task_that_has_not_been_due_never_ran() -> None:
    assert entry(TOTALS).state is State.NEVER


@pytest.mark.parametrize(
    ("after", "state"),
    [
        # Due after 30 seconds, late five minutes later.
        (timedelta(seconds=30), State.ON_TIME),
        (timedelta(seconds=330), State.ON_TIME),
        (timedelta(seconds=331), State.LATE),
    ],
)
def test_a_task_is_late_five_minutes_after_it_was_due(after: timedelta, state: State) -> None:
    ran(HOLDS, at=NOW)

    assert entry(HOLDS, at=NOW + after).state is state


def test_the_lag_counts_from_when_it_was_due() -> None:
    ran(HOLDS, at=NOW)

    assert entry(HOLDS, at=NOW + timedelta(seconds=30)).lag is None
    assert entry(HOLDS, at=NOW + timedelta(seconds=90)).lag == timedelta(seconds=60)


def test_a_nightly_task_is_due_the_next_night() -> None:
    ran(TOTALS, at=NOW)
    due = datetime(2026, 3, 16, 2, 15, tzinfo=NOW.tzinfo)

    assert entry(TOTALS, at=due).lag is None
    assert entry(TOTALS, at=due + timedelta(hours=1)).lag == timedelta(hours=1)


def test_a_task_that_was_due_and_never_ran_is_late() -> None:
    assert entry(HOLDS, at=NOW + timedelta(minutes=6)).state is State.LATE


def test_a_failure_is_told_until_the_next_success() -> None:
    ran(HOLDS, at=NOW, error="ValueError: no")
    assert (entry(HOLDS).state, entry(HOLDS).error) == (State.FAILING, "ValueError: no")

    ran(HOLDS, at=NOW)
    assert (entry(HOLDS).state, entry(HOLDS).error) == (State.ON_TIME, "")


def test_a_run_that_did_not_end_is_failing() -> None:
    task_standings.started(TASKS[HOLDS], at=NOW)

    found = entry(HOLDS, at=NOW + timedelta(seconds=601))

    assert (found.state, found.error) == (State.FAILING, task_standings.NOT_ENDED)


def test_what_is_switched_off_is_never_late() -> None:
    ran(HOLDS, at=NOW)
    PeriodicTask.objects.filter(name=HOLDS).update(enabled=False)

    found = entry(HOLDS, at=NOW + timedelta(days=1))

    assert (found.state, found.lag) == (State.OFF, None)


def test_what_is_switched_on_again_is_due_from_then_on() -> None:
    ran(TOTALS, at=NOW - timedelta(days=5))
    row = PeriodicTask.objects.get(name=TOTALS)
    row.enabled = False
    row.save()
    row.enabled = True
    row.save()

    assert entry(TOTALS, at=row.date_changed + SECOND).lag is None


def test_a_schedule_of_staffs_is_marked_and_counts() -> None:
    ran(TOTALS, at=NOW)
    row = PeriodicTask.objects.get(name=TOTALS)
    row.crontab = CrontabSchedule.objects.create(hour="13", minute="0")
    row.save()
    PeriodicTask.objects.update(last_run_at=NOW)

    found = entry(TOTALS, at=NOW + timedelta(hours=2))

    assert (found.is_changed, found.lag) == (True, timedelta(hours=1))
    assert not entry(HOLDS).is_changed


def test_what_staff_added_stands_behind_the_table() -> None:
    crontab = CrontabSchedule.objects.create(hour="13", minute="0")
    PeriodicTask.objects.create(name="by hand", task="usage.tasks.expire_holds", crontab=crontab)

    assert [each.name for each in clock.entries(at=NOW)] == [*app.conf.beat_schedule, "by hand"]


def test_late_or_failing_is_what_somebody_should_look_at() -> None:
    PeriodicTask.objects.exclude(name__in=TASKS).update(enabled=False)
    ran(HOLDS, at=NOW)
    ran(TOTALS, at=NOW, error="no")

    found = clock.late_or_failing(at=NOW + timedelta(hours=1))

    assert [(each.name, each.state) for each in found] == [(HOLDS, State.LATE), (TOTALS, State.FAILING)]
    assert clock.summary(found) == "1 failing, 1 late"
    assert clock.summary([]) == "on time"


def test_before_the_first_beat_everything_never_ran() -> None:
    PeriodicTask.objects.all().delete()

    assert {each.state for each in clock.entries(at=NOW)} == {State.NEVER}
