"""Entry point for WSGI servers."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from alwrity_billing.draining import draining

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alwrity_billing.settings")
os.environ.setdefault("SERVING_WITH_THREADS", "true")

application = draining(get_wsgi_application(), at_most_bytes=2 * settings.INGEST_MAX_BODY_BYTES)
