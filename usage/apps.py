from django.apps import AppConfig


class UsageConfig(AppConfig):
    """What was used, what it cost."""

    name = "usage"
    verbose_name = "Usage"
