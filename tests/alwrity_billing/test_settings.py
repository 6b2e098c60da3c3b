"""Settings as a deployment meets them: from the environment, in a process of their own."""

import re
from pathlib import Path

import pytest
from django.db import connection

from tests.support import forked, processes
from tests.support.processes import PROJECT

# Nobody answers there, and nobody is asked.
NOWHERE = "postgresql://billing@127.0.0.1:1/billing"
PRODUCTION = {
    "PRODUCTION": "true",
    "SECRET_KEY": "0123456789" * 6,
    "DATABASE_URL": NOWHERE,
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "ALLOWED_HOSTS": "billing.example.com",
}
NAMED_IN_SETTINGS = re.compile(r'env\.\w+\(\s*"([A-Z_]+)"')
NAMED_IN_EXAMPLE = re.compile(r"^#?(\w+)=", re.MULTILINE)


def refusal(tmp_path: Path, **variables: str) -> str:
    """The one sentence on stderr with which a command refuses to start."""
    refused = forked.manage("check", data_dir=tmp_path, **{"DATABASE_URL": NOWHERE, **variables})
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    return refused.stderr.strip()


@pytest.mark.parametrize(
    "url", ["billing", "mysql://billing@db/billing", "postgresql://billing@db:port/billing"]
)
def test_an_address_that_is_not_postgresqls_is_refused(tmp_path: Path, url: str) -> None:
    assert refusal(tmp_path, DATABASE_URL=url).startswith("DATABASE_URL is not a PostgreSQL address.")


@pytest.mark.parametrize(
    ("name", "value"), [("DEBUG", "perhaps"), ("PORT", "http"), ("INGEST_HORIZON_DAYS", "5.5")]
)
def test_a_value_of_the_wrong_type_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    assert refusal(tmp_path, **{name: value}).startswith(f'Environment variable "{name}" invalid')


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BILLING_CLOSE_GRACE_S", "-1"),
        ("INVOICE_MINIMUM_CHARGE", "-0.50"),
        ("DUNNING_STEPS_DAYS", "abc"),
        ("DUNNING_STEPS_DAYS", "3,-5"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    assert refusal(tmp_path, **{name: value}).startswith(f'Environment variable "{name}" invalid')


@pytest.mark.parametrize("wrong", [{"DEBUG": "perhaps"}, {"PUBLIC_URL": "https://"}], ids=["type", "sense"])
def test_whoever_starts_the_command_reads_that_sentence(tmp_path: Path, wrong: dict[str, str]) -> None:
    started = processes.manage("check", data_dir=tmp_path, **wrong)

    assert (started.returncode, started.stderr) == (1, f"{refusal(tmp_path, **wrong)}\n")


@pytest.mark.django_db
def test_postgresql_does_not_compile_our_statements() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW jit")
        assert cursor.fetchone() == ("off",)


def test_half_configured_tokens_are_refused(tmp_path: Path) -> None:
    sentence = refusal(tmp_path, **PRODUCTION, JWT_JWKS_URL="https://id.example.com/jwks")

    assert sentence == "JWT_JWKS_URL is set: JWT_ISSUER and JWT_AUDIENCE must be set with it."


def test_production_without_its_settings_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, PRODUCTION="true", DATABASE_URL="").startswith(
        "Refusing to start in production: SECRET_KEY"
    )


def test_production_passes_the_deployment_check(tmp_path: Path) -> None:
    checked = processes.manage(
        "check", "--deploy", "--fail-level", "WARNING", data_dir=tmp_path, **PRODUCTION
    )

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "simulator sk_test_simulator http://127.0.0.1:8001"),
        ({"PORT": "9000"}, "simulator sk_test_simulator http://127.0.0.1:9001"),
        ({"STRIPE_SIMULATOR_PORT": "7000"}, "simulator sk_test_simulator http://127.0.0.1:7000"),
        ({"STRIPE_API_KEY": "sk_test_51"}, "stripe sk_test_51 https://api.stripe.com"),
        (PRODUCTION, "off  https://api.stripe.com"),
    ],
    ids=["development", "port", "simulator's port", "test key", "production"],
)
def test_the_key_says_whom_cards_are_charged_with(
    tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    look = "from django.conf import settings as s; print(s.STRIPE_MODE, s.STRIPE_API_KEY, s.STRIPE_API_BASE)"

    shown = forked.python(look, data_dir=tmp_path, **{"DATABASE_URL": NOWHERE, **variables})

    assert shown.stdout.strip() == told, shown.stderr


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"RUN_HOST": "192.0.2.7", "PORT": "9000"}, "http://192.0.2.7:9000"),
        ({"PUBLIC_URL": "https://pay.example.com/"}, "https://pay.example.com"),
        ({"PUBLIC_URL": "https://example.com/pay/"}, "https://example.com/pay"),
        (PRODUCTION, "https://billing.example.com"),
        ({**PRODUCTION, "ALLOWED_HOSTS": ".example.com,b.example.com"}, "https://example.com"),
        ({**PRODUCTION, "PUBLIC_URL": "https://pay.example.com"}, "https://pay.example.com"),
    ],
    ids=[
        "development",
        "port",
        "given",
        "given with a path",
        "production",
        "a wildcard",
        "given in production",
    ],
)
def test_links_in_emails_begin_where_people_reach_us(
    tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    look = "from alerts.links import absolute; print(absolute(''))"

    shown = forked.python(look, data_dir=tmp_path, **{"DATABASE_URL": NOWHERE, **variables})

    assert shown.stdout.strip() == told, shown.stderr


@pytest.mark.parametrize(
    "url", ["billing.example.com", "ftp://example.com", "https://", "https://a.example/?b"]
)
def test_a_public_address_that_no_path_fits_behind_is_refused(tmp_path: Path, url: str) -> None:
    assert refusal(tmp_path, PUBLIC_URL=url).startswith("PUBLIC_URL is where people reach this installation")


def test_a_live_key_in_development_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, STRIPE_API_KEY="sk_live_51").startswith("STRIPE_API_KEY is a live key")


def test_the_example_lists_every_variable_and_no_other() -> None:
    settings = (PROJECT / "alwrity_billing" / "settings.py").read_text()
    example = (PROJECT / ".env.example").read_text()

    assert set(NAMED_IN_EXAMPLE.findall(example)) == set(NAMED_IN_SETTINGS.findall(settings))
