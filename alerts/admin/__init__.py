"""The admin of the alerts app: what was told, what became of it, and where it goes. Every write goes through
its operation.
"""

from alerts.admin import alerts, channels, deliveries

__all__ = ["alerts", "channels", "deliveries"]
