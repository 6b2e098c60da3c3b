"""The Celery application, and the one table of everything that happens by itself."""

import os
from datetime import timedelta

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alwrity_billing.settings")

app = Celery("alwrity_billing")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule = {
    "make log partitions ahead": {
        "task": "usage.tasks.make_log_partitions",
        "schedule": crontab(hour="1", minute="5"),
    },
    "give back expired holds": {
        "task": "usage.tasks.expire_holds",
        "schedule": timedelta(seconds=30),
    },
    "check totals against the log": {
        "task": "usage.tasks.check_recent_totals",
        "schedule": crontab(hour="2", minute="15"),
    },
}
