"""Entry point for WSGI servers; DJANGO_SETTINGS_MODULE names one of the host's settings."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
