"""How fast usage is recorded, calls are authorized, months are closed and alerts are raised, against what the
same database and the same framework do without us. `docs/benchmarks.md` explains.

Importing the package prepares Django, so that the processes it starts need nothing else. The measured web
servers get `ENVIRONMENT`, the surroundings as they were found, and prepare Django themselves, also where
their settings lie in this package. Where Django is prepared already, as for tests, the surroundings stay.
"""

import os

import django
from django.apps import apps
from django.conf import settings

ENVIRONMENT = dict(os.environ)
SETTINGS = "benchmarks.settings"
# In the environment of a measured web server.
MEASURED = "BENCHMARKED_WEB_SERVER"

if MEASURED not in os.environ and not apps.ready:
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    # One thread here talks to the database; a pool would keep databases from being cloned and dropped.
    os.environ["DATABASE_POOL"] = "false"
    # A line a call is more than what is measured.
    os.environ["LOG_LEVEL"] = "WARNING"
    django.setup()
    # Our own child processes find the same server without starting it.
    os.environ["DATABASE_URL"] = settings.DATABASE_URL
