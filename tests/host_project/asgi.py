"""Entry point for ASGI servers; DJANGO_SETTINGS_MODULE names one of the host's settings."""

from django.core.asgi import get_asgi_application

application = get_asgi_application()
