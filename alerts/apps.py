from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Who must be told."""

    name = "alerts"
    verbose_name = "Alerts"
