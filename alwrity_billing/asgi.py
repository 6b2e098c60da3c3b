"""Entry point for ASGI servers."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alwrity_billing.settings")
os.environ.setdefault("SERVING_WITH_THREADS", "true")

application = get_asgi_application()
