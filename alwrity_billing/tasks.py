"""What the project does by itself, beside its apps."""

from importlib import import_module

from celery import current_app, shared_task
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from alwrity_billing import clock_alerts


@shared_task
def watch_clock() -> int:
    """Tell our staff of tasks that fail or are late."""
    return clock_alerts.stand(at=timezone.now())


@shared_task
def prune_sessions() -> int:
    """Forget the sessions that are over, as Django's clearsessions does."""
    over = Session.objects.filter(expire_date__lt=timezone.now()).count()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return over


@shared_task
def prune_task_results() -> None:
    """Forget the failures of tasks that are older than a month, as Celery's own clean-up does."""
    current_app.backend.cleanup()
