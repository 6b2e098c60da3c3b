"""`/healthz` and `/readyz`, against real services that are there, and that are not."""

import threading
import time
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from alwrity_billing import health
from tests.support.ports import free_port


def test_healthz_answers_without_touching_the_database(client: Client) -> None:
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading_is_allowed(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_readyz_names_every_check(client: Client) -> None:
    answer = client.get("/readyz")

    checks = {"database": "ok", "migrations": "ok", "broker": "ok"}
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": checks})
    assert "no-store" in answer["Cache-Control"]


def test_one_failed_check_makes_the_answer_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = {"database": refuse, "broker": accept}
    monkeypatch.setattr(health, "readiness", health.Readiness(checks))

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "failed", "checks": {"database": "failed", "broker": "ok"}}


def accept() -> None:
    return


def refuse() -> None:
    raise health.NotReady("password of billing is wrong")


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_is_not_applied_is_noticed() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("usage", "0015_members_and_keys")
    try:
        with pytest.raises(health.NotReady, match=r"usage\.0015_members_and_keys"):
            health.check_migrations()
    finally:
        recorder.record_applied("usage", "0015_members_and_keys")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_gone_is_noticed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {"HOST": "127.0.0.1", "PORT": str(free_port()), "OPTIONS": {}}
    for name, value in gone.items():
        monkeypatch.setitem(connection.settings_dict, name, value)
    started = time.monotonic()

    answers = health.Readiness({"database": health.check_database}).answers(at=started)

    assert answers == {"database": False}
    assert time.monotonic() - started < 2 * health.TIMEOUT_S


@pytest.mark.redis
def test_a_running_redis_is_ready(redis_server: str, settings: Any) -> None:
    use_broker(settings, redis_server)

    health.check_broker()


def test_a_redis_that_is_gone_is_noticed_in_time(settings: Any) -> None:
    use_broker(settings, f"redis://127.0.0.1:{free_port()}/0")
    started = time.monotonic()

    answers = health.Readiness({"broker": health.check_broker}).answers(at=started)

    assert answers == {"broker": False}
    assert time.monotonic() - started < 3 * health.TIMEOUT_S


def use_broker(settings: Any, url: str) -> None:
    settings.EMBEDDED_BROKER = False
    settings.CELERY_BROKER_URL = url
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}


def test_many_requests_are_answered_by_one_round_of_checks() -> None:
    asked: list[float] = []
    readiness = health.Readiness({"counted": lambda: asked.append(time.monotonic())})

    start = time.monotonic()
    threads = [threading.Thread(target=readiness.answers, kwargs={"at": start}) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(asked) == 1


def test_answers_are_asked_for_again_when_they_are_old() -> None:
    asked: list[float] = []
    readiness = health.Readiness({"counted": lambda: asked.append(time.monotonic())})
    start = time.monotonic()

    readiness.answers(at=start)
    readiness.answers(at=start + health.FRESH_FOR_S + 1)

    assert len(asked) == 2


@pytest.mark.django_db(transaction=True)
def test_the_reason_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    health.Readiness({"database": refuse}).answers(at=time.monotonic())

    assert "not ready: database: password of billing is wrong" in caplog.text
