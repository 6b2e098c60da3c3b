"""Fifty senders at once push an account beyond three limits, while two workers and two beats look: nine
alerts, in order, each once by each channel. Also when a worker is killed in the middle of a delivery.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from alerts import delivery, destinations
from alerts.models import AlertChannel, AlertDelivery, DeliveryState
from alwrity_billing import beat
from alwrity_billing.celery import app
from tests.support.alerting import a_limit, limited, raised
from tests.support.cast import a_member, an_event
from tests.support.celery_processes import running
from tests.support.database import address
from tests.support.mail_servers import Mailbox, a_mailbox
from tests.support.processes import PROJECT, environment, wait_until
from tests.support.racing import by_clients, crowd
from tests.support.receivers import Answer, Receiver, receiving
from tests.support.recording import prepare
from usage.ingest import ingest
from usage.models import Account, Measure

# Three limits of a hundred calls of 1100 tokens and 0.0035 USD each.
HUNDRED = {Measure.CALLS: "100", Measure.TOKENS: "110000", Measure.COST: "0.35"}
BEFORE, SENDERS = 70, 50
TOLD = [80, 90, 100]
CLOCK = ("evaluate alerts", "deliver alerts")
PATIENCE_S = 120

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mails() -> Iterator[Mailbox]:
    with a_mailbox() as server:
        yield server


@pytest.fixture
def at_work(tmp_path: Path, mails: Mailbox, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Path:
    """The data folder of workers and beats, which deliver to this machine; every second they look."""
    monkeypatch.setenv("ALERT_URLS_ALLOW_PRIVATE", "true")
    monkeypatch.setenv("ALERT_KICKS", "true")
    mailed = {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "HOST": "127.0.0.1",
        "PORT": mails.port,
    }
    for name, value in mailed.items():
        monkeypatch.setenv(f"EMAIL_{name}", str(value))
        setattr(settings, f"EMAIL_{name}", value)
    beat.bring_up_to_date(app.conf.beat_schedule, at=timezone.now())
    second = IntervalSchedule.objects.create(every=1, period="seconds")
    PeriodicTask.objects.exclude(name__in=CLOCK).update(enabled=False)
    PeriodicTask.objects.filter(name__in=CLOCK).update(interval=second)
    return tmp_path


@pytest.fixture
def acme(settings: Any) -> Account:
    """An account with three limits, of which seventy percent are used, and an owner."""
    settings.ALERT_URLS_ALLOW_PRIVATE = True
    prepare()
    account = Account.objects.get(external_id="acme")
    a_member(account)
    limited(account, *(a_limit(measure, amount) for measure, amount in HUNDRED.items()), at=timezone.now())
    ingest([an_event(f"before-{number}", at=None) for number in range(BEFORE)], at=timezone.now())
    return account


def a_webhook(account: Account, server: Receiver) -> AlertChannel:
    return destinations.add(account, kind="webhook", address=server.url, at=timezone.now(), by="tests")[0]


def send_fifty() -> None:
    with crowd():
        by_clients(
            lambda number: ingest([an_event(f"call-{number}", at=None)], at=timezone.now()),
            times=SENDERS,
            clients=SENDERS,
        )


def all_delivered() -> bool:
    states = list(AlertDelivery.objects.values_list("state", flat=True))
    return len(raised()) == 9 and len(states) == 27 and set(states) == {DeliveryState.SENT}


def arrived(server: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in server.received]


def ids_in_order(channel: AlertChannel) -> list[str]:
    planned = AlertDelivery.objects.filter(channel=channel).order_by("alert_id")
    return [f"msg_{each.pk.hex}" for each in planned]


def told_by_measure() -> dict[str, list[int]]:
    """The thresholds told of each limit, in the order of the alerts."""
    found: dict[str, list[int]] = {}
    for alert in raised():
        found.setdefault(alert.payload["facts"]["measure"], []).append(alert.threshold)
    return found


def test_fifty_senders_two_workers_and_two_beats(acme: Account, at_work: Path, mails: Mailbox) -> None:
    kept = {"data_dir": at_work, "broker": ""}
    with (
        receiving(Answer()) as server,
        running("worker", "--concurrency", "1", "--hostname", "one@%h", **kept),
        running("worker", "--concurrency", "1", "--hostname", "two@%h", **kept),
        running("beat", "--schedule", "one", **kept),
        running("beat", "--schedule", "two", **kept),
    ):
        webhook = a_webhook(acme, server)
        send_fifty()
        assert wait_until(all_delivered, seconds=PATIENCE_S)
        # Whatever the others have still in hand.
        assert not wait_until(lambda: len(raised()) > 9 or len(server.received) > 9, seconds=3)

    assert told_by_measure() == {"calls": TOLD, "tokens": TOLD, "cost": TOLD}
    assert arrived(server) == ids_in_order(webhook)
    assert len(set(arrived(server))) == 9
    subjects = [message["Subject"] for message in mails.received]
    assert subjects == [f"[Acme] {alert.title}" for alert in raised()]


def test_a_worker_that_is_killed_while_it_delivers(acme: Account, at_work: Path, mails: Mailbox) -> None:
    kept = {"data_dir": at_work, "broker": ""}
    stalls = Answer(drips_s=60, in_head=True)
    with receiving(stalls, Answer()) as server:
        webhook = a_webhook(acme, server)
        send_fifty()
        with running("worker", "--concurrency", "1", **kept), running("beat", **kept):
            assert wait_until(lambda: len(server.received) == 1, seconds=PATIENCE_S)
        # They are gone. Its claim is not over yet, so nothing of that channel is delivered.
        deliver(after=timedelta(0))
        assert len(server.received) == 1
        deliver(after=delivery.LEASE)

    assert told_by_measure() == {"calls": TOLD, "tokens": TOLD, "cost": TOLD}
    assert all_delivered()
    expected = ids_in_order(webhook)
    assert arrived(server) == [expected[0], *expected]
    assert len(mails.received) == 9


def deliver(*, after: timedelta) -> None:
    """Deliver what is due so much later, in this process."""
    delivery.deliver_due(clock=lambda: timezone.now() + after, limit=1_000)


SEND = """
import django
django.setup()
from django.utils import timezone
from tests.support.cast import an_event
from usage.ingest import ingest
ingest([an_event(f"call-{number}", at=None) for number in range(10)], at=timezone.now())
import time
time.sleep(3)
"""


def test_without_any_beat_a_kick_is_enough(acme: Account, at_work: Path) -> None:
    variables = environment(
        at_work,
        DATABASE_URL=address(),
        CELERY_BROKER_URL="",
        DJANGO_SETTINGS_MODULE="alwrity_billing.settings",
    )
    with receiving(Answer()) as server, running("worker", "--concurrency", "1", data_dir=at_work, broker=""):
        a_webhook(acme, server)
        subprocess.run([sys.executable, "-c", SEND], cwd=PROJECT, env=variables, check=True)
        assert wait_until(lambda: len(server.received) == 3, seconds=PATIENCE_S)
    assert [json.loads(each.body)["data"]["threshold_percentage"] for each in server.received] == [80, 80, 80]
