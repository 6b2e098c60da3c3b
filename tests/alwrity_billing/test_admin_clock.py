"""The clock in the admin: what it shows, who may change when tasks run, and running one now."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from celery import current_app
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from pytest_django import DjangoDbBlocker

from alwrity_billing import beat, embedded, task_standings
from alwrity_billing.celery import app
from tests.support.cast import NOW
from tests.support.staff_invoices import a_clerk, history, offered
from tests.support.worlds import shared

pytestmark = pytest.mark.django_db

HOLDS, TASK = "give back expired holds", "usage.tasks.expire_holds"
PAGE = "admin:django_celery_beat_periodictask_"
RUN, CHANGE = "run_taskstanding", "change_periodictask"


@pytest.fixture(scope="module", autouse=True)
def started(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with shared(django_db_blocker):
        beat.bring_up_to_date(app.conf.beat_schedule, at=NOW)
        yield


def row(name: str = HOLDS) -> PeriodicTask:
    return PeriodicTask.objects.get(name=name)


def page(name: str) -> str:
    return reverse(f"{PAGE}{name}", args=[row().pk])


def shown(client: Client) -> str:
    answer = client.get(reverse("admin:alwrity_billing_taskstanding_changelist"))
    return re.sub(r"\s+", " ", unescape(answer.content.decode()))


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which messages land."""
    folders = embedded.broker_folders(tmp_path)
    options = {**current_app.conf.broker_transport_options, **folders}
    monkeypatch.setitem(current_app.conf, "broker_transport_options", options)
    return Path(str(folders["data_folder_out"]))


def test_every_entry_is_shown_with_what_it_does_and_when() -> None:
    told = shown(a_clerk())

    assert "Give back the holds past their deadline" in told
    assert "every 30 seconds" in told
    assert "At 02:15 AM UTC" in told
    assert all(name in told for name in app.conf.beat_schedule)


def test_what_failed_is_told_with_its_error() -> None:
    task_standings.started(TASK, at=NOW)
    task_standings.failed(TASK, at=NOW, took=None, error="ValueError: no")

    told = shown(a_clerk())

    assert "1×: ValueError: no" in told
    assert "1 failing" in told


def test_the_home_tells_how_the_clock_stands() -> None:
    task_standings.failed(TASK, at=NOW, took=None, error="ValueError: no")

    assert "1 failing" in a_clerk().get(reverse("admin:index")).content.decode()


def test_staff_change_when_a_task_runs_and_the_change_is_kept_in_its_history() -> None:
    client, slower = a_clerk(CHANGE), IntervalSchedule.objects.create(every=5, period="minutes")

    client.post(page("change"), {"enabled": "on", "interval": slower.pk, "crontab": "", "task": "evil"})

    assert (row().interval, row().task) == (slower, TASK)
    changes = [{"changed": {"fields": ["interval: every 30 seconds → every 5 minutes"]}}]
    assert json.loads(history()[-1]) == changes
    assert "every 5 minutes, changed" in shown(client)


def test_a_task_has_one_schedule() -> None:
    client, hourly = a_clerk(CHANGE), CrontabSchedule.objects.create(minute="0")

    answer = client.post(
        page("change"), {"enabled": "on", "interval": row().interval_id, "crontab": hourly.pk}
    )

    assert "Only one of clocked, interval, crontab" in answer.content.decode()
    assert row().crontab is None


def test_a_changed_task_goes_back_to_its_default() -> None:
    client = a_clerk(CHANGE)
    changed = row()
    changed.interval = IntervalSchedule.objects.create(every=5, period="minutes")
    changed.save()

    client.post(page("back_to_default"))

    assert str(row().interval) == "every 30 seconds"
    assert history() == ["Runs by the default again: every 30 seconds."]


def test_what_staff_added_has_no_default() -> None:
    mine = PeriodicTask.objects.create(name="mine", task=TASK, interval=row().interval)

    answer = a_clerk(CHANGE).post(reverse(f"{PAGE}back_to_default", args=[mine.pk]))

    assert "the code has no default for it" in answer.content.decode()


def test_without_the_permissions_nothing_is_offered_or_done() -> None:
    viewer = a_clerk()

    assert "Run now" not in shown(viewer)
    assert offered(viewer, page("change"), {"run-now", "back-to-default"}) == set()
    assert viewer.post(page("run_now")).status_code == 403
    assert viewer.post(page("back_to_default")).status_code == 403
    assert viewer.post(page("change"), {"interval": row().interval_id}).status_code == 403


def test_a_schedule_that_others_share_is_not_changed() -> None:
    client = a_clerk(CHANGE, "change_intervalschedule")
    shared = reverse("admin:django_celery_beat_intervalschedule_change", args=[row().interval_id])

    assert client.post(shared, {"every": 1, "period": "days"}).status_code == 403


def test_a_task_is_run_now_and_who_did_it_is_kept(broker: Path) -> None:
    client = a_clerk(RUN)
    assert "Run now" in shown(client)

    answer = client.post(page("run_now"))

    assert answer.headers["Location"] == reverse("admin:alwrity_billing_taskstanding_changelist")
    assert TASK in next(broker.iterdir()).read_text()
    assert history() == [f"“{HOLDS}” was sent to the workers. The clock shows how it went."]


def test_a_broker_that_is_away_is_told(broker: Path) -> None:
    broker.rmdir()
    broker.write_text("in the way")

    answer = a_clerk(RUN).post(page("run_now"))

    assert "The broker is away, so nothing was started." in answer.content.decode()
    assert history() == []
