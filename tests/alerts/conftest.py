"""What tests of alerts share."""

import pytest
from pytest_django import Settings


@pytest.fixture
def private_allowed(settings: Settings) -> None:
    """Alerts may go to servers of this machine."""
    settings.ALERT_URLS_ALLOW_PRIVATE = True
