from importlib import import_module

from django.apps import AppConfig
from django.conf import settings


class AlertsConfig(AppConfig):
    """Who must be told."""

    name = "alerts"
    verbose_name = "Alerts"

    def ready(self) -> None:
        # By name: it needs models, which are not there when this module is read.
        if settings.ALERT_KICKS:
            import_module("alerts.kicks").connect()
