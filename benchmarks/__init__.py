"""How fast usage is recorded, against what the same database does without us. `docs/benchmarks.md` explains.

Importing the package prepares Django, so that the processes it starts need nothing else. The measured web
server gets `ENVIRONMENT`, the surroundings as they were found.
"""

import os

import django
from django.conf import settings

ENVIRONMENT = dict(os.environ)

os.environ["DJANGO_SETTINGS_MODULE"] = "alwrity_billing.settings"
# One thread here talks to the database; a pool would keep databases from being cloned and dropped.
os.environ["DATABASE_POOL"] = "false"
django.setup()
# Our own child processes find the same server without starting it.
os.environ["DATABASE_URL"] = settings.DATABASE_URL
