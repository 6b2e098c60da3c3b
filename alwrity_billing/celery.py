"""The Celery application, and the one table of everything that happens by itself.

Beat takes it over into the database, where staff may change when each entry runs (`alwrity_billing.beat`). A
task takes nothing, calls one operation, may run twice and at once, and returns how many rows it did.
"""

import os
from datetime import timedelta

from celery import Celery
from celery.schedules import crontab
from kombu.transport import TRANSPORT_ALIASES

# Of kombu's own a worker ends when its broker does.
TRANSPORT_ALIASES |= {
    "filesystem": "alwrity_billing.folder_broker:Transport",
    "redis": "alwrity_billing.redis_broker:Transport",
    "rediss": "alwrity_billing.redis_broker:Transport",
}
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
    "open billing periods": {
        "task": "usage.tasks.open_billing_periods",
        "schedule": timedelta(minutes=10),
    },
    "roll up days and months": {
        "task": "usage.tasks.roll_up_days",
        "schedule": timedelta(minutes=5),
    },
    "roll up what is left of all periods": {
        "task": "usage.tasks.roll_up_all_periods",
        "schedule": crontab(hour="1", minute="45"),
    },
    "project billing periods": {
        "task": "usage.tasks.compute_projections",
        "schedule": timedelta(minutes=10),
    },
    "renew subscriptions": {
        "task": "subscriptions.tasks.renew_subscriptions",
        "schedule": timedelta(minutes=1),
    },
    "resume subscriptions": {
        "task": "subscriptions.tasks.resume_subscriptions",
        "schedule": timedelta(minutes=1),
    },
    "pause exhausted subscriptions": {
        "task": "subscriptions.tasks.pause_exhausted_subscriptions",
        "schedule": timedelta(minutes=1),
    },
    "end limit overrides": {
        "task": "subscriptions.tasks.expire_limit_overrides",
        "schedule": timedelta(minutes=1),
    },
    "let go of budgets": {
        "task": "subscriptions.tasks.protect_budgets",
        "schedule": timedelta(minutes=1),
    },
    "roll out plan versions": {
        "task": "subscriptions.tasks.roll_out_plan_versions",
        "schedule": timedelta(minutes=1),
    },
    "invoice subscription changes": {
        "task": "subscriptions.tasks.invoice_subscription_changes",
        "schedule": timedelta(minutes=1),
    },
    "close billing periods": {
        "task": "subscriptions.tasks.close_billing_periods",
        "schedule": timedelta(minutes=1),
    },
    "tax drafts": {
        "task": "subscriptions.tasks.tax_drafts",
        "schedule": timedelta(minutes=1),
    },
    "push to Stripe": {
        "task": "subscriptions.tasks.push_to_stripe",
        "schedule": timedelta(minutes=1),
    },
    "process Stripe's events": {
        "task": "subscriptions.tasks.process_stripe_events",
        "schedule": timedelta(minutes=1),
    },
    "expire credits": {
        "task": "subscriptions.tasks.expire_credits",
        "schedule": timedelta(minutes=5),
    },
    "evaluate alerts": {
        "task": "alerts.tasks.evaluate_alerts",
        "schedule": timedelta(seconds=30),
    },
    "look at open alerts again": {
        "task": "alerts.tasks.recheck_alerts",
        "schedule": timedelta(minutes=1),
    },
    "sweep alerts": {
        "task": "alerts.tasks.sweep_alerts",
        "schedule": timedelta(minutes=1),
    },
    "watch the clock": {
        "task": "alwrity_billing.tasks.watch_clock",
        "schedule": timedelta(minutes=1),
    },
    "deliver alerts": {
        "task": "alerts.tasks.deliver_alerts",
        "schedule": timedelta(seconds=15),
    },
    "check totals against the log": {
        "task": "usage.tasks.check_recent_totals",
        "schedule": crontab(hour="2", minute="15"),
    },
    "compute recommendations": {
        "task": "subscriptions.tasks.compute_recommendations",
        "schedule": crontab(hour="2,3,4,5", minute="*/5"),
    },
    "compare the price lists with the book": {
        "task": "usage.tasks.check_prices",
        "schedule": crontab(hour="2", minute="45"),
    },
    "prune usage": {
        "task": "usage.tasks.prune_usage",
        "schedule": crontab(hour="3", minute="15"),
    },
    "prune Stripe's events": {
        "task": "subscriptions.tasks.prune_subscriptions",
        "schedule": crontab(hour="3", minute="35"),
    },
    "prune alerts": {
        "task": "alerts.tasks.prune_alerts",
        "schedule": crontab(hour="3", minute="25"),
    },
    "forget sessions that are over": {
        "task": "alwrity_billing.tasks.prune_sessions",
        "schedule": crontab(hour="3", minute="45"),
    },
    "forget old failures of tasks": {
        "task": "alwrity_billing.tasks.prune_task_results",
        "schedule": crontab(hour="4", minute="0"),
    },
}
