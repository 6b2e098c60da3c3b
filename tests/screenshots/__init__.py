"""`make screenshots`: pictures of every page, on the demo as it is at one fixed moment.

Importing the package prepares Django; the run points it at a PostgreSQL server of its own.
"""

import os

import django
from django.apps import apps

if not apps.ready:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="alwrity_billing.settings",
        # Nobody is there: whatever works, works with the server of the run.
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
        DATABASE_POOL="false",
        CELERY_BROKER_URL="",
        ALERT_KICKS="false",
        DEBUG="false",
        # Playwright's event loop in this thread has nothing to do with the ORM calls of this program.
        DJANGO_ALLOW_ASYNC_UNSAFE="true",
    )
    django.setup()
