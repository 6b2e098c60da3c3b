"""`make torture`: the ledger under racing clients, kills and crashes, for as long as somebody likes.

Importing the package prepares Django; the run points it at a PostgreSQL server of its own, which it stops in
the middle of the work.
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
    )
    django.setup()
