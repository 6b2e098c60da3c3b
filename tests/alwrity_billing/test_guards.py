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
    "alert_urls_allow_private": False,
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
        ({"alert_urls_allow_private": True}, "ALERT_URLS_ALLOW_PRIVATE must be off"),
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


class TestStripe:
    @pytest.mark.parametrize("key", ["sk_live_51", "rk_live_51"])
    def test_a_live_key_is_for_production_only(self, key: str) -> None:
        with pytest.raises(ImproperlyConfigured, match="live key") as refused:
            guards.refuse_unsafe_stripe(production=False, api_key=key, webhook_secret="whsec_1")

        assert key not in str(refused.value)

    def test_in_production_a_key_needs_a_webhook_secret(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="STRIPE_WEBHOOK_SECRET must be set"):
            guards.refuse_unsafe_stripe(production=True, api_key="sk_live_51", webhook_secret="")

    @pytest.mark.parametrize(
        ("production", "key", "secret"),
        [(False, "", ""), (False, "sk_test_51", ""), (True, "", ""), (True, "sk_live_51", "whsec_1")],
    )
    def test_everything_else_is_accepted(self, production: bool, key: str, secret: str) -> None:
        guards.refuse_unsafe_stripe(production=production, api_key=key, webhook_secret=secret)

    def test_the_development_secret_is_the_same_in_every_process_and_another_for_another_key(self) -> None:
        first, again, other = map(guards.development_webhook_secret, ("a", "a", "b"))

        assert first == again != other
        assert first.startswith("whsec_")

    def test_tax_needs_somebody_to_compute_it(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="no invoice would ever be final"):
            guards.refuse_tax_without_stripe(tax=True, mode="off")

    @pytest.mark.parametrize(("tax", "mode"), [(False, "off"), (True, "simulator"), (True, "stripe")])
    def test_otherwise_tax_is_a_choice(self, tax: bool, mode: str) -> None:
        guards.refuse_tax_without_stripe(tax=tax, mode=mode)
