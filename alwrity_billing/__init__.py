"""The project: settings, URLs, API conventions, dashboard, embedded services."""

from alwrity_billing.celery import app as celery_app

__all__ = ["celery_app"]
