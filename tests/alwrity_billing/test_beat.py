"""Whose the schedule is: the code's until staff change it, and theirs from then on."""

from datetime import timedelta
from typing import Any

import pytest
from celery.schedules import crontab
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from alwrity_billing import beat
from alwrity_billing.celery import app
from alwrity_billing.models import ClockDefault
from tests.support.cast import NOW
from tests.support.concurrency import at_once

pytestmark = pytest.mark.django_db

NAME, TASK = "give back", "usage.tasks.expire_holds"


def table(schedule: Any = timedelta(seconds=30), **more: Any) -> beat.Table:
    return {NAME: {"task": TASK, "schedule": schedule, **more}}


def start(said: beat.Table | None = None) -> None:
    """A start of beat, with that table."""
    beat.bring_up_to_date(table() if said is None else said, at=NOW)


def row() -> PeriodicTask:
    return PeriodicTask.objects.get(name=NAME)


def every(seconds: int) -> IntervalSchedule:
    return IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")[0]


def changed_by_staff(**fields: Any) -> None:
    changed = row()
    for name, value in fields.items():
        setattr(changed, name, value)
    changed.save()


def test_the_first_start_takes_the_table_over() -> None:
    start({**table(), "nightly": {"task": TASK, "schedule": crontab(hour="2", minute="15")}})

    assert (row().interval, row().task, row().enabled) == (every(30), TASK, True)
    assert PeriodicTask.objects.get(name="nightly").crontab.hour == "2"


def test_a_start_that_finds_all_as_it_should_be_writes_nothing() -> None:
    start()
    before = row().date_changed

    start()

    assert row().date_changed == before


def test_what_staff_changed_stays_through_every_start() -> None:
    start()
    changed_by_staff(interval=every(300))

    start()
    start()

    assert row().interval == every(300)


def test_what_staff_switched_off_stays_off() -> None:
    start()
    changed_by_staff(enabled=False)

    start(table(timedelta(seconds=60)))

    assert (row().enabled, row().interval) == (False, every(60))


def test_a_new_default_replaces_the_one_before() -> None:
    start()

    start(table(crontab(hour="1", minute="5")))

    assert (row().interval, row().crontab.hour) == (None, "1")


def test_a_new_default_leaves_what_staff_chose() -> None:
    start()
    changed_by_staff(interval=every(300))

    start(table(timedelta(seconds=60)))
    start(table(timedelta(seconds=60)))

    assert row().interval == every(300)


def test_a_schedule_from_before_there_were_defaults_becomes_the_codes() -> None:
    PeriodicTask.objects.create(name=NAME, task=TASK, interval=every(10), enabled=False)

    start()

    assert (row().interval, row().enabled) == (every(30), False)


def test_what_is_run_stays_the_codes() -> None:
    start()
    changed_by_staff(interval=every(300))

    start({NAME: {"task": "usage.tasks.other", "schedule": timedelta(seconds=30)}})

    assert (row().task, row().interval) == ("usage.tasks.other", every(300))


def test_an_entry_that_the_code_dropped_is_gone_and_one_that_staff_added_stays() -> None:
    start()
    PeriodicTask.objects.create(name="by hand", task=TASK, interval=every(10))
    PeriodicTask.objects.create(name="celery.backend_cleanup", task=TASK, interval=every(10))

    start({})

    assert [each.name for each in PeriodicTask.objects.all()] == ["by hand"]
    assert not ClockDefault.objects.exists()


def test_back_to_the_default_is_the_codes_schedule() -> None:
    name = "check totals against the log"
    beat.bring_up_to_date(app.conf.beat_schedule, at=NOW)
    nightly = PeriodicTask.objects.get(name=name)
    nightly.crontab = CrontabSchedule.objects.create(hour="17", minute="0")
    nightly.save()

    beat.back_to_default(nightly)

    assert PeriodicTask.objects.get(name=name).crontab.hour == "2"


@pytest.mark.django_db(transaction=True)
def test_beats_that_start_together_make_each_entry_once() -> None:
    at_once(lambda _: start(), times=4)

    assert PeriodicTask.objects.count() == 1
    assert ClockDefault.objects.count() == 1


def test_a_nightly_task_that_was_missed_is_due_whatever_the_hour() -> None:
    start({NAME: {"task": TASK, "schedule": crontab(hour="1", minute="5")}})
    nightly = row().crontab
    for hour in range(24):
        CrontabSchedule.objects.filter(pk=nightly.pk).update(hour=str(hour))

        assert beat.Scheduler(app=app, lazy=True).enabled_models() == [row()]
