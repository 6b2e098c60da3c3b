"""The broker dies and comes back empty while a worker and beat run: they go on, and nothing is lost.

Beside them `/readyz` says that the broker is away, and a request that would wake a worker is answered all the
same. Two beats do what one does.
"""

import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from kombu.exceptions import OperationalError

from alwrity_billing import beat, embedded, health
from alwrity_billing.celery import app
from alwrity_billing.models import TaskStanding
from subscriptions.models import ChangeKind, SubscriptionChange
from tests.support.cast import an_account
from tests.support.celery_processes import running
from tests.support.database import address
from tests.support.ports import free_port
from tests.support.processes import manage, wait_until
from tests.support.redis_server import Redis
from tests.support.subscribing import a_plan, start

pytestmark = pytest.mark.django_db(transaction=True)

ENTRY, TASK = "give back expired holds", "usage.tasks.expire_holds"
PATIENCE_S = 120


@pytest.fixture(autouse=True)
def every_second() -> None:
    """Of everything that happens by itself one task, every second."""
    beat.bring_up_to_date(app.conf.beat_schedule, at=timezone.now())
    PeriodicTask.objects.exclude(name=ENTRY).update(enabled=False)
    row = PeriodicTask.objects.get(name=ENTRY)
    row.interval = IntervalSchedule.objects.create(every=1, period="seconds")
    row.save()


def runs(task: str = TASK) -> int:
    return TaskStanding.objects.filter(name=task).values_list("runs", flat=True).first() or 0


def goes_on() -> bool:
    """Whether tasks begin to run that were not sent before."""
    before = runs()
    return wait_until(lambda: runs() >= before + 3, seconds=PATIENCE_S)


@contextmanager
def at_work(*, data_dir: Path, broker: str) -> Iterator[Callable[[], bool]]:
    """A worker and beat, once they are at work; the function says whether both still live."""
    kept = {"data_dir": data_dir, "broker": broker}
    with running("worker", "--concurrency", "1", **kept) as worker, running("beat", **kept) as beats:
        assert goes_on()
        yield lambda: worker.poll() is None and beats.poll() is None


def broker_answers(settings: Any, *, data_dir: Path, broker: str) -> bool:
    settings.EMBEDDED_BROKER = not broker
    settings.CELERY_BROKER_URL = broker or "filesystem://localhost"
    queue = str(data_dir / "broker" / "queue")
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {} if broker else {"data_folder_out": queue}
    return health.Readiness({"broker": health.check_broker}).answers(at=time.monotonic())["broker"]


@pytest.mark.redis
def test_a_redis_that_is_killed_and_comes_back_empty(
    redis_process: Redis, tmp_path: Path, settings: Any
) -> None:
    where = {"data_dir": tmp_path, "broker": redis_process.url}
    with at_work(**where) as alive:
        redis_process.kill()
        assert not broker_answers(settings, **where)
        # Longer than it takes beat to notice.
        time.sleep(3)
        redis_process.start()

        assert broker_answers(settings, **where)
        assert goes_on()
        assert alive()


def test_folders_that_are_deleted(tmp_path: Path, settings: Any) -> None:
    where = {"data_dir": tmp_path, "broker": ""}
    with at_work(**where) as alive:
        for _ in range(3):
            shutil.rmtree(tmp_path / "broker", ignore_errors=True)
            time.sleep(0.3)

        assert goes_on()
        assert alive()
        assert broker_answers(settings, **where)


def test_folders_that_are_gone_and_nobody_makes_again_are_not_ready(tmp_path: Path, settings: Any) -> None:
    embedded.broker_folders(tmp_path)
    assert broker_answers(settings, data_dir=tmp_path, broker="")

    shutil.rmtree(tmp_path / "broker")

    assert not broker_answers(settings, data_dir=tmp_path, broker="")


def test_folders_that_cannot_be_made_are_a_connection_that_fails(tmp_path: Path) -> None:
    options = embedded.broker_folders(tmp_path)
    shutil.rmtree(tmp_path / "broker")
    (tmp_path / "broker").touch()

    with app.connection_for_write("filesystem://localhost", transport_options=options) as broker:
        with pytest.raises(OperationalError):
            broker.ensure_connection(max_retries=1, interval_start=0)
        (tmp_path / "broker").unlink()
        broker.ensure_connection(max_retries=1, interval_start=0)


def test_a_message_that_its_sender_did_not_finish_is_passed_over(tmp_path: Path) -> None:
    options = embedded.broker_folders(tmp_path)
    (tmp_path / "broker" / "queue" / "1_half.calls.msg").touch()

    with app.connection_for_write("filesystem://localhost", transport_options=options) as broker:
        calls = broker.SimpleQueue("calls")
        calls.put("whole")
        assert calls.get(timeout=PATIENCE_S).payload == "whole"


def test_two_beats_send_every_task_twice_and_every_row_is_done_once(tmp_path: Path) -> None:
    name, task = "renew subscriptions", "subscriptions.tasks.renew_subscriptions"
    subscription = start(a_plan(), account=an_account(), at=timezone.now() - timedelta(days=32))
    PeriodicTask.objects.filter(name=ENTRY).update(name="not this", enabled=False)
    row = PeriodicTask.objects.get(name=name)
    row.interval, row.enabled = IntervalSchedule.objects.get(every=1, period="seconds"), True
    row.save()
    kept = {"data_dir": tmp_path, "broker": ""}

    with running("beat", **kept), running("beat", **kept):
        assert wait_until(lambda: len(senders(tmp_path)) == 2, seconds=PATIENCE_S)
    tasks = len(sent(tmp_path))
    with running("worker", "--concurrency", "2", **kept) as worker:
        assert wait_until(lambda: runs(task) == tasks, seconds=PATIENCE_S)
        # It ends what it has begun.
        worker.terminate()
        assert worker.wait(PATIENCE_S) == 0

    renewed = SubscriptionChange.objects.filter(subscription=subscription, kind=ChangeKind.RENEWED)
    assert renewed.count() == 1


def sent(data_dir: Path) -> list[Path]:
    """What waits, without what a beat that was killed had only begun to write."""
    return [each for each in (data_dir / "broker" / "queue").glob("*.celery.msg") if each.stat().st_size]


def senders(data_dir: Path) -> set[str]:
    """The processes that sent what waits; a message that is being written does not say yet."""
    found = [json.loads(text) for each in sent(data_dir) if (text := each.read_text())]
    return {message["headers"]["origin"] for message in found}


WAKE = """
import time
from subscriptions import tasks
began = time.monotonic()
tasks.soon(tasks.push_to_stripe)
print("took", time.monotonic() - began)
"""


def refusing() -> str:
    """The address of a Redis that is not there."""
    return f"redis://127.0.0.1:{free_port()}/0"


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a Redis that takes a connection and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.mark.parametrize(("is_silent", "patience_s"), [(False, 5), (True, 10)])
def test_who_would_wake_a_worker_goes_on_without_the_broker(
    is_silent: bool, patience_s: int, silent: str, tmp_path: Path
) -> None:
    broker = silent if is_silent else refusing()

    answer = manage("shell", "-c", WAKE, data_dir=tmp_path, DATABASE_URL=address(), CELERY_BROKER_URL=broker)

    assert answer.returncode == 0, answer.stderr
    assert float(answer.stdout.split("took ")[1]) < patience_s
