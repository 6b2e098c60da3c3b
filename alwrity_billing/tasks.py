"""What the project does by itself, beside its apps."""

from celery import current_app, shared_task


@shared_task
def prune_task_results() -> None:
    """Forget the failures of tasks that are older than a month, as Celery's own clean-up does."""
    current_app.backend.cleanup()
