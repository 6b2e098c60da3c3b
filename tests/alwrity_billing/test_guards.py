"""What production refuses, setting by setting."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from alwrity_billing import guards

SAFE: dict[str, Any] = {
    "secret_key": "k" * guards.MINIMUM_SECRET_KEY_LENGTH,
    "debug": False,
    "database_url": "postgresql://billing@db/billing",
    "broker_url": "redis://cache/0",
    "allowed_hosts": ["billing.example.com"],
}


def test_safe_settings_are_accepted() -> None:
    guards.refuse_unsafe_production(**SAFE)


@pytest.mark.parametrize(
    ("unsafe", "sentence"),
    [
        ({"secret_key": guards.DEVELOPMENT_SECRET_KEY}, "SECRET_KEY must be set to a random value"),
        ({"secret_key": "k" * (guards.MINIMUM_SECRET_KEY_LENGTH - 1)}, "SECRET_KEY must have at least 50"),
        ({"debug": True}, "DEBUG must be off"),
        ({"database_url": ""}, "DATABASE_URL must name a PostgreSQL server"),
        ({"broker_url": ""}, "CELERY_BROKER_URL must name"),
        ({"broker_url": "filesystem://"}, "CELERY_BROKER_URL must name"),
        ({"broker_url": "memory://"}, "CELERY_BROKER_URL must name"),
        ({"allowed_hosts": []}, "ALLOWED_HOSTS must list"),
        ({"allowed_hosts": ["billing.example.com", "*"]}, "ALLOWED_HOSTS must list"),
    ],
)
def test_an_unsafe_setting_is_refused(unsafe: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^Refusing to start in production: {sentence}"):
        guards.refuse_unsafe_production(**{**SAFE, **unsafe})


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"SECRET_KEY.*; DEBUG.*; DATABASE_URL.*\.$"):
        guards.refuse_unsafe_production(
            **{**SAFE, "secret_key": "short", "debug": True, "database_url": ""},
        )


def test_the_secret_key_is_never_shown() -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        guards.refuse_unsafe_production(**{**SAFE, "secret_key": "hunter2"})

    assert "hunter2" not in str(refused.value)
