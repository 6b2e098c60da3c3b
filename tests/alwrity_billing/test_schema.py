"""/api/schema, /docs, and whether the API answers as they say, whatever it is asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from playwright.sync_api import sync_playwright
from pytest_django.live_server_helper import LiveServer
from schemathesis import CheckFunction, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.alerting import a_delivery, an_alert
from tests.support.authorizing import an_operation
from tests.support.cast import an_account
from tests.support.channel_kinds import a_pigeon
from tests.support.contract import published_schema
from tests.support.credentials import a_key
from tests.support.invoicing import start_invoice
from tests.support.subscribing import a_plan, subscribe
from tests.support.usage_rows import a_log_row, a_period, a_price, a_rollup, a_summary
from usage import authorization
from usage.api.authorizations import AuthorizationStanding, ExtensionRequest
from usage.events import ReportedCost, Tags, Units, UsageData, UsageEvent
from usage.models import Scope
from usage.operations import AuthorizationRequest, Authorized, Decision, Held, LimitStanding, Operation
from usage.settlement import CallQuantities, Settled, SettlementRequest

CASES_PER_ENDPOINT = 40
# No 500, and nothing the schema does not announce.
ANNOUNCED: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
READING = [
    "/api/billing/allocation",
    "/api/billing/audit",
    "/api/billing/costs",
    "/api/billing/costs/analytics",
    "/api/billing/credits",
    "/api/billing/invoice/{invoice_id}",
    "/api/billing/invoices",
    "/api/billing/invoices/upcoming",
    "/api/billing/limits",
    "/api/billing/subscription",
    "/api/billing/transactions",
    "/api/subscription/alerts/{user_id}",
    "/api/subscription/dashboard/{user_id}",
    "/api/subscription/pricing",
    "/api/subscription/renewal-history/{user_id}",
    "/api/subscription/status/{user_id}",
    "/api/subscription/usage-logs",
    "/api/subscription/usage/{user_id}",
    "/api/subscription/usage/{user_id}/trends",
    "/api/subscription/user/{user_id}/subscription",
    "/api/usage/alerts",
    "/api/usage/alerts/deliveries",
    "/api/usage/current",
    "/api/usage/calls.csv",
    "/api/usage/export",
    "/api/usage/history",
    "/api/usage/limits",
]
OF_ACME = {"user_id": "acme", "invoice_id": "2026-000001"}
CHANNELS = "/api/usage/alerts/channels"
TELLING = [
    ("POST", "/api/subscription/alerts/{alert_id}/mark-read"),
    ("POST", "/api/subscription/alerts/{user_id}/mark-all-read"),
    ("POST", "/api/usage/alerts"),
    ("POST", CHANNELS),
    ("POST", f"{CHANNELS}/{{channel_id}}/disable"),
    ("POST", f"{CHANNELS}/{{channel_id}}/enable"),
    ("POST", f"{CHANNELS}/{{channel_id}}/rotate-secret"),
    ("POST", f"{CHANNELS}/{{channel_id}}/confirm-again"),
    ("POST", f"{CHANNELS}/{{channel_id}}/test"),
    ("DELETE", f"{CHANNELS}/{{channel_id}}"),
    ("POST", "/api/usage/alerts/deliveries/{delivery_id}/retry"),
]
AUTHORIZATION = "/api/usage/authorizations/{authorization_id}"
PLANS = "/api/subscription/plans"
SUBSCRIBE = "/api/subscription/subscribe/{user_id}"
BUDGET = [f"/api/billing/budget/{verb}" for verb in ("update", "pause", "resume")]
SENDING = [
    ("POST", "/api/usage/events"),
    ("POST", "/api/usage/authorizations"),
    ("GET", AUTHORIZATION),
    ("POST", f"{AUTHORIZATION}/settle"),
    ("POST", f"{AUTHORIZATION}/extend"),
    ("POST", f"{AUTHORIZATION}/release"),
]


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    return published_schema().raw_schema


@pytest.fixture
def kept_connection(db: None) -> Iterator[None]:
    """The end of a served request would close the connection, and with it the test's transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def success(raw: dict[str, Any], path: str) -> dict[str, Any]:
    content: dict[str, Any] = raw["paths"][path]["get"]["responses"]["200"]["content"]
    schema: dict[str, Any] = content["application/json"]["schema"]
    return schema


def test_the_schema_is_valid_and_complete(tmp_path: Path) -> None:
    file = tmp_path / "schema.yml"

    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    assert file.read_text().startswith("openapi: 3.0")


@pytest.mark.parametrize(
    ("format_", "media_type"),
    [("json", "application/vnd.oai.openapi+json"), ("yaml", "application/vnd.oai.openapi")],
)
def test_the_schema_is_served_to_anyone(client: Client, format_: str, media_type: str) -> None:
    response = client.get("/api/schema", {"format": format_})

    assert (response.status_code, response.headers["Content-Type"].split(";")[0]) == (200, media_type)


def test_every_endpoint_is_shown_without_a_slash_at_its_end(raw: dict[str, Any]) -> None:
    sent = {path for _, path in SENDING + TELLING}
    shown = {*READING, *sent, "/api/subscription/preflight-check", PLANS, SUBSCRIBE, *BUDGET}
    assert shown <= raw["paths"].keys()
    assert not [path for path in raw["paths"] if path.endswith("/")]


def test_answers_of_the_subscription_group_are_shown_in_their_envelope(raw: dict[str, Any]) -> None:
    envelope = success(raw, "/api/subscription/pricing")

    assert envelope["required"] == ["success", "data"]
    assert envelope["properties"]["data"] == {"$ref": "#/components/schemas/Pricing"}


@pytest.mark.parametrize(
    ("path", "component"),
    [("/api/subscription/usage-logs", "LogPage"), ("/api/usage/current", "CurrentUsage")],
)
def test_bare_answers_are_shown_without_it(raw: dict[str, Any], path: str, component: str) -> None:
    assert success(raw, path) == {"$ref": f"#/components/schemas/{component}"}


@pytest.mark.parametrize(
    ("path", "media_type", "component"),
    [
        ("/api/subscription/usage-logs", "application/json", "Failure"),
        ("/api/usage/current", "application/problem+json", "Problem"),
    ],
)
def test_errors_are_shown_in_the_form_of_their_group(
    raw: dict[str, Any], path: str, media_type: str, component: str
) -> None:
    responses = raw["paths"][path]["get"]["responses"]

    for status in ("400", "401", "403", "404", "default"):
        assert responses[status]["content"] == {
            media_type: {"schema": {"$ref": f"#/components/schemas/{component}"}}
        }


@pytest.mark.parametrize(
    "struct",
    [
        UsageEvent, UsageData, Units, Tags, ReportedCost,
        AuthorizationRequest, Operation, Authorized, Decision, LimitStanding, Held,
        SettlementRequest, CallQuantities, Settled, ExtensionRequest, AuthorizationStanding,
    ],
)  # fmt: skip
def test_a_struct_is_shown_with_every_field_it_has(raw: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    shown = raw["components"]["schemas"][struct.__name__]["properties"]

    assert shown.keys() == {field.encode_name for field in msgspec.structs.fields(struct)}


def test_events_are_taken_in_all_three_forms(raw: dict[str, Any]) -> None:
    content = raw["paths"]["/api/usage/events"]["post"]["requestBody"]["content"]

    assert content.keys() == {
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/json",
    }


@pytest.mark.usefixtures("kept_connection")
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("path", READING)
def test_reading_answers_as_announced_whatever_is_asked(path: str, mode: GenerationMode) -> None:
    usage_of_acme()

    hold_to_its_word(cases(published_schema()[path]["GET"], mode=mode), key=a_key().plain)


@pytest.mark.usefixtures("kept_connection")
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), SENDING)
def test_metering_answers_as_announced_whatever_is_sent(method: str, path: str, mode: GenerationMode) -> None:
    account = an_account()
    a_price()
    a_period(account)
    key = a_key(account, scopes=(Scope.INGEST,)).plain
    granted = authorization.authorize([an_operation(calls=1000)], customer="acme", at=timezone.now())
    operation = published_schema()[path][method]

    anyone = operation.as_strategy(generation_mode=mode)
    ours = operation.as_strategy(generation_mode=mode, path_parameters={"authorization_id": granted.id})
    hold_to_its_word(anyone | ours if path.startswith(AUTHORIZATION) else anyone, key=key)


@pytest.mark.usefixtures("kept_connection")
@pytest.mark.parametrize("mode", GenerationMode)
def test_checking_answers_as_announced_whatever_is_asked(mode: GenerationMode) -> None:
    a_price()
    operation = published_schema()["/api/subscription/preflight-check"]["POST"]

    hold_to_its_word(operation.as_strategy(generation_mode=mode), key=a_key(an_account()).plain)


@pytest.mark.usefixtures("kept_connection", "pigeons")
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), TELLING)
def test_changing_what_is_told_answers_as_announced(method: str, path: str, mode: GenerationMode) -> None:
    account = an_account()
    alert, pigeon = an_alert(account), a_pigeon(account)
    known = {
        "user_id": "acme",
        "alert_id": alert.pk,
        "channel_id": pigeon.pk,
        "delivery_id": str(a_delivery(alert, pigeon).pk),
    }
    operation = published_schema()[path][method]

    anyone = operation.as_strategy(generation_mode=mode)
    ours = {name: value for name, value in known.items() if f"{{{name}}}" in path}
    acme = operation.as_strategy(generation_mode=mode, path_parameters=ours or None, query={})
    hold_to_its_word(anyone | acme, key=a_key(account, scopes=tuple(Scope)).plain)


@pytest.mark.usefixtures("kept_connection")
def test_plans_are_answered_as_announced() -> None:
    usage_of_acme()

    # There is no parameter of it that could be wrong.
    hold_to_its_word(published_schema()[PLANS]["GET"].as_strategy(), key=a_key().plain)


@pytest.mark.usefixtures("kept_connection")
@pytest.mark.parametrize("mode", GenerationMode)
def test_subscribing_answers_as_announced_whatever_is_asked(mode: GenerationMode) -> None:
    plan, account = a_plan(), an_account()
    operation = published_schema()[SUBSCRIBE]["POST"]

    anyone = operation.as_strategy(generation_mode=mode)
    acme = operation.as_strategy(generation_mode=mode, path_parameters={"user_id": account.external_id})
    wanted = {"plan_id": plan.pk, "billing_cycle": "yearly"}
    chosen = operation.as_strategy(path_parameters={"user_id": account.external_id}, body=wanted)
    hold_to_its_word(anyone | acme | chosen, key=a_key(scopes=tuple(Scope)).plain)


@pytest.mark.usefixtures("kept_connection")
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("path", BUDGET)
def test_budgets_answer_as_announced_whatever_is_asked(path: str, mode: GenerationMode) -> None:
    account = subscribe(a_plan(), account=an_account()).account

    hold_to_its_word(
        cases(published_schema()[path]["POST"], mode=mode), key=a_key(account, scopes=tuple(Scope)).plain
    )


@pytest.mark.browser
def test_the_documentation_shows_every_endpoint_and_asks_nobody_else(
    live_server: LiveServer, chromium: str, raw: dict[str, Any]
) -> None:
    asked: list[str] = []
    told: list[tuple[str, str]] = []
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium) as browser:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: told.append((message.type, message.text)))
        page.goto(f"{live_server.url}/docs")
        page.wait_for_selector(".opblock-summary-path")
        shown = page.locator(".opblock-summary-path").evaluate_all(
            "paths => paths.map(path => path.dataset.path)"
        )

    assert set(shown) == set(raw["paths"])
    # Content-Security-Policy violations are told on the console.
    assert [text for kind, text in told if kind == "error"] == []
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []


def usage_of_acme() -> None:
    march = a_period(an_account("acme"))
    an_alert(march.account)
    a_summary(march)
    a_rollup(march.account)
    a_log_row(march)
    a_price()
    start_invoice(subscribe(a_plan(), account=march.account))


def cases(operation: Any, *, mode: GenerationMode) -> SearchStrategy[Any]:
    """Requests for an account made up, and for one with usage."""
    anyone: SearchStrategy[Any] = operation.as_strategy(generation_mode=mode)
    named = {name: value for name, value in OF_ACME.items() if f"{{{name}}}" in operation.path}
    acme: SearchStrategy[Any] = operation.as_strategy(
        generation_mode=mode, path_parameters=named or None, query={"user_id": "acme"}
    )
    return anyone | acme


def hold_to_its_word(requests: SearchStrategy[Any], *, key: str) -> None:
    """Send made-up requests, the same in every run; fails at the first answer that is not announced."""

    @settings(
        max_examples=CASES_PER_ENDPOINT,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests)
    def send(case: Any) -> None:
        # Credentials are made up as well, and one request may carry only one.
        case.headers = {"X-API-Key": key}
        case.cookies = {}
        case.call_and_validate(checks=ANNOUNCED)

    send()
