"""The checklist: what it finds, and the command that prints it."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from alwrity_billing import setup_checks
from subscriptions.stripe.simulator.server import Simulator
from tests.support.ports import free_port
from tests.support.processes import manage
from usage import partitions
from usage.models import APIProviderPricing
from usage.models.prices import PriceSource

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


def finding(name: str) -> setup_checks.Finding:
    return next(found for found in setup_checks.findings(at=NOW) if found.name == name)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_answers_is_right() -> None:
    assert finding("database").is_right
    assert finding("migrations") == setup_checks.Finding("migrations", "all applied")


@pytest.mark.django_db(transaction=True)
def test_without_a_database_the_rest_is_still_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {"HOST": "127.0.0.1", "PORT": str(free_port()), "OPTIONS": {}}
    for name, value in gone.items():
        monkeypatch.setitem(connection.settings_dict, name, value)

    assert not finding("database").is_right
    assert finding("migrations, prices, log partitions").fact == "not checked"
    assert finding("broker").is_right


@pytest.mark.django_db(transaction=True)
def test_missing_migrations_are_named_and_hold_back_what_needs_them() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("usage", "0015_members_and_keys")
    try:
        assert "usage.0015_members_and_keys" in finding("migrations").fact
        assert finding("prices, log partitions").fact == "not checked"
    finally:
        recorder.record_applied("usage", "0015_members_and_keys")


@pytest.mark.django_db(transaction=True)
def test_an_empty_price_book_is_wrong_until_a_price_is_there() -> None:
    assert finding("prices").remedy == "run: manage.py load_prices"

    APIProviderPricing.objects.create(
        provider="serper",
        model_name="search",
        effective_from=NOW,
        cost_per_search=Decimal("0.001"),
        source=PriceSource.CATALOG,
    )

    assert finding("prices").is_right


@pytest.mark.django_db(transaction=True)
def test_missing_partitions_are_named_until_they_are_made() -> None:
    far = datetime(2041, 11, 15, tzinfo=UTC)
    assert setup_checks.log_partitions(far).fact == "missing: api_usage_logs_2041_11, api_usage_logs_2041_12"

    partitions.ensure_ahead(at=far, months=1)

    assert setup_checks.log_partitions(far).is_right


@pytest.mark.django_db(transaction=True)
def test_the_clocks_of_one_machine_agree() -> None:
    assert finding("clock").is_right


@pytest.mark.parametrize(
    ("name", "changes", "right"),
    [
        ("debug", {"DEBUG": True}, False),
        ("debug", {"DEBUG": False}, True),
        ("allowed hosts", {"ALLOWED_HOSTS": []}, False),
        ("allowed hosts", {"ALLOWED_HOSTS": ["*"]}, False),
        ("allowed hosts", {"ALLOWED_HOSTS": ["billing.example.com"]}, True),
        (
            "e-mail",
            {"PRODUCTION": True, "EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"},
            False,
        ),
        (
            "e-mail",
            {"PRODUCTION": True, "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend"},
            True,
        ),
        ("JWT", {"JWT_JWKS_URL": ""}, True),
        ("JWT", {"JWT_JWKS_URL": "http://id.example.com/jwks", "PRODUCTION": True}, False),
        ("JWT", {"JWT_JWKS_URL": "https://id.example.com/jwks", "PRODUCTION": True}, True),
        ("static files", {"PRODUCTION": True, "STATIC_ROOT": Path("/nonexistent")}, False),
        ("static files", {"PRODUCTION": False}, True),
        ("broker", {"EMBEDDED_BROKER": False, "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}, False),
    ],
)
def test_a_setting_is_right_or_comes_with_a_remedy(
    settings: Any, name: str, changes: dict[str, Any], right: bool
) -> None:
    for setting, value in changes.items():
        setattr(settings, setting, value)

    found = next(each for each in (check() for check in setup_checks.WITHOUT_DATABASE) if each.name == name)

    assert found.is_right is right


def test_the_command_lists_what_to_repair_and_fails(data_dir: Path) -> None:
    checked = manage("verify_setup", data_dir=data_dir)

    assert checked.returncode == 1
    assert "ok     database: PostgreSQL 18, embedded" in checked.stdout
    assert "wrong  migrations:" in checked.stdout
    assert "→ run: manage.py migrate" in checked.stdout
    assert checked.stderr == "CommandError: 2 to repair.\n"


def test_a_checklist_never_shows_a_secret(settings: Any) -> None:
    settings.SECRET_KEY = "hunter2-secret-key"
    settings.EMAIL_HOST_PASSWORD = "hunter2-password"

    assert "hunter2" not in str([check() for check in setup_checks.WITHOUT_DATABASE])
    assert project.SECRET_KEY == "hunter2-secret-key"


class TestStripe:
    @pytest.mark.parametrize(
        ("mode", "fact"),
        [
            ("off", "off (STRIPE_API_KEY is not set): invoices are paid by hand"),
            ("simulator", "simulated at "),
        ],
    )
    def test_which_one_it_is_is_told(self, settings: Any, mode: str, fact: str) -> None:
        settings.STRIPE_MODE = mode

        assert setup_checks.stripe().fact.startswith(fact)
        assert setup_checks.stripe().is_right

    def test_one_that_answers_is_right(self, settings: Any, at_stripe: Simulator) -> None:
        settings.STRIPE_MODE = "stripe"

        assert setup_checks.stripe() == setup_checks.Finding("Stripe", "answers")

    @pytest.mark.parametrize(
        ("changed", "fact"),
        [
            ({"STRIPE_API_KEY": "sk_live_1"}, "Stripe refuses our API key: check STRIPE_API_KEY."),
            ({"STRIPE_API_BASE": "http://127.0.0.1:1"}, "Stripe does not answer just now."),
        ],
        ids=["key", "network"],
    )
    def test_one_that_refuses_or_is_away_is_wrong(
        self, settings: Any, at_stripe: Simulator, changed: dict[str, str], fact: str
    ) -> None:
        settings.STRIPE_MODE = "stripe"
        for name, value in changed.items():
            setattr(settings, name, value)

        assert setup_checks.stripe().fact == fact
        assert not setup_checks.stripe().is_right
