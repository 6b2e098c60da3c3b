"""What the project forgets every night: sessions that are over, and old failures of tasks."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_celery_results.models import TaskResult

from alwrity_billing import tasks

pytestmark = pytest.mark.django_db


def test_only_sessions_that_are_over_are_forgotten() -> None:
    now = timezone.now()
    Session.objects.create(session_key="over", session_data="", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="runs", session_data="", expire_date=now + timedelta(minutes=1))

    assert tasks.prune_sessions() == 1
    assert Session.objects.get().session_key == "runs"


def test_failures_are_forgotten_after_a_month() -> None:
    for days in (29, 31):
        result = TaskResult.objects.create(task_id=f"{days} days ago", status="FAILURE")
        TaskResult.objects.filter(pk=result.pk).update(date_done=timezone.now() - timedelta(days=days))

    tasks.prune_task_results()

    assert TaskResult.objects.get().task_id == "29 days ago"
